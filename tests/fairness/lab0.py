"""Lab 0: small enough to be judged as a whole in every run."""

from pathlib import Path

from autograder.labs.definition import Lab
from tests.fairness.mistakes import own_tests
from tests.fairness.styles import add_cells, answer, change, variant, without_hints
from tests.fairness.submissions import Files
from tests.fairness.suite import Mistake, Suite


def plot_and_helper(lab: Lab, files: Files) -> Files:
    """A plot of the fit and a helper cell."""
    fit = "        self.slope = float(centre(x) @ centre(y) / (centre(x) @ centre(x)))\n"
    plot = "        import matplotlib.pyplot as plt\n        plt.plot(x, y)\n        plt.close()\n"
    files = change(lab, files, {fit: plot + fit})
    files = answer(lab, files, "report_code", "def report(value):\n    return sentence(value)")
    return add_cells(lab, files, (2, "def sentence(value):\n    return f'slope {value:.2f}'"))


def cut_not_rounded(lab: Lab, files: Files) -> Files:
    """The slope is cut after two digits."""
    cut = "def report(value):\n    return f'slope {int(value * 100) / 100:.2f}'\n"
    return answer(lab, files, "report_code", cut)


SUITE = Suite(
    Path(__file__).resolve().parents[1] / "labs" / "lab0_slope",
    styles={
        "linear algebra, Cyrillic": variant("linear_algebra"),
        "numpy's polynomials": variant("polynomial"),
        "no type hints": without_hints,
        "a plot, a helper cell": plot_and_helper,
    },
    slips={
        "cut and not rounded": Mistake(cut_not_rounded, {"report": 1}, "Round, do not cut"),
        "no assertions": Mistake(
            own_tests("import numpy as np\nimport slope\n\ndef test():\n    slope.centre(np.ones(2))\n"),
            {"own_tests": 2},
            "Not noticed, for example",
            mutate=True,
        ),
    },
    small=True,
)
