"""Mistakes that students make, what each costs, and the words of the feedback that name it.

Mistakes in the module are the lab's planted bugs (``mutants/*.toml``); here are those in the notebook, in the
tests and in the documentation.
"""

from collections.abc import Callable
from dataclasses import dataclass

from autograder.lab import Lab
from tests.fairness.styles import answer, change
from tests.fairness.submissions import Files, edited, without_markers


@dataclass(frozen=True)
class Mistake:
    """A submission with one mistake: how it is made, points lost by question, and what the feedback must say."""

    make: Callable[[Lab, Files], Files]
    costs: dict[str, float]
    names: str
    mutate: bool = False


def planted(lab: Lab, own_tests: float) -> dict[str, Mistake]:
    """Return the planted bugs that a student could hand in; without tests, whose points are lost as well."""

    def mistake(text: str, costs: dict[str, float], names: str) -> Mistake:
        def make(lab: Lab, files: Files) -> Files:
            kept = {name: content for name, content in files.items() if name != lab.files[2]}
            return kept | {lab.files[1]: without_markers(text)}

        return Mistake(make, {**costs, "own_tests": own_tests}, names)

    return {m.name: mistake(m.text, dict(m.costs), m.names) for m in lab.mutants if m.costs}


def comparison(body: str) -> Callable[[Lab, Files], Files]:
    """Another body of ``comparison``."""
    head = "def comparison(y, predictions):\n    base = im.rmse(y, np.zeros(len(y)))\n"
    return lambda lab, files: answer(lab, files, "comparison_code", head + f"    return {body}\n")


def answers(text: str) -> Callable[[Lab, Files], Files]:
    """Other answers to the questions."""
    return lambda lab, files: answer(lab, files, "reading_code", f"answers = {text}")


def tests(text: str, keep: bool = False) -> Callable[[Lab, Files], Files]:
    """Other tests, or more of them."""
    return lambda lab, files: files | {lab.files[2]: (files[lab.files[2]] if keep else "") + text}


def _pickled(lab: Lab, files: Files) -> Files:
    """Saving and loading by pickle."""
    text = files["mlp.py"]
    save, load = text.index('        weights = {f"network.'), text.index("    @classmethod\n    def load")
    body = text.index("        artefact = im.load_artefact")
    return files | {
        "mlp.py": edited(
            text[:save], {"import numpy as np\n": "import pathlib\nimport pickle\n\nimport numpy as np\n"}
        )
        + "        pathlib.Path(path).mkdir(parents=True)\n"
        + "        pathlib.Path(path, 'model.pickle').write_bytes(pickle.dumps(self))\n\n"
        + text[load:body]
        + "        return pickle.loads(pathlib.Path(path, 'model.pickle').read_bytes())\n"
    }


def _undocumented(lab: Lab, files: Files) -> Files:
    """No docstring in ``save``."""
    text = files["mlp.py"]
    start = text.index('        """Write the fitted model as an artefact')
    end = text.index("        if self.network is None:", start)
    return files | {"mlp.py": text[:start] + text[end:]}


NO_ASSERTIONS = """
import numpy as np
from mlp import PyTorchPredictor, Standardiser, check_inputs, make_network

def test_everything_runs(tmp_path):
    X, y = np.random.default_rng(0).normal(size=(50, 3)), np.ones(50)
    X[:, 1] = 7
    for bad in [(X[0],), (X[:0],), (X * np.nan,), (X, y[:3]), (X, y * np.nan), (X, None, 9)]:
        try:
            check_inputs(*bad)
        except ValueError:
            pass
    model = PyTorchPredictor(hidden=(4,), max_epochs=6, patience=1, learning_rate=0.1).fit(X, y)
    small = PyTorchPredictor(max_epochs=1).fit(X, y)
    for unfit in (PyTorchPredictor().predict, PyTorchPredictor().save, small.predict):
        try:
            unfit(tmp_path if "save" in str(unfit) else X[:, :2])
        except Exception:
            pass
    model.save(tmp_path / "m")
    PyTorchPredictor.load(tmp_path / "m").predict(X)
"""
OWN_HELPER = "\n\ndef test_my_helper():\n    assert PyTorchPredictor()._train_epoch\n"
WRONG_TEST = "\n\ndef test_that_is_wrong():\n    assert 1 + 1 == 3\n"
POINTS = {
    "scaling": 2,
    "network": 2,
    "validation": 2,
    "training": 5,
    "prediction": 2,
    "artefact": 3,
    "skill": 4,
}
POINTS |= {"comparison": 2, "reading": 3, "own_tests": 4, "documentation": 1}
RETURN = "return scaled[:, 0].numpy() * self.y_scale"

LAB1 = {
    "comparison upside down": Mistake(
        comparison("{name: base / im.rmse(y, p) for name, p in predictions.items()}"),
        {"comparison": 2},
        "divides each model's RMSE by persistence's",
    ),
    "squared errors compared": Mistake(
        comparison("{name: (im.rmse(y, p) / base) ** 2 for name, p in predictions.items()}"),
        {"comparison": 2},
        "divides each model's RMSE by persistence's",
    ),
    "persistence is the mean": Mistake(
        lambda lab, files: answer(
            lab,
            files,
            "comparison_code",
            "def comparison(y, predictions):\n"
            "    return {n: im.rmse(y, p) / float(np.std(y)) for n, p in predictions.items()}\n",
        ),
        {"comparison": 2},
        "Persistence forecasts a change of 0",
    ),
    "one wrong answer": Mistake(
        answers("{'dropout': 'a', 'tail': 'd', 'forest': 'c'}"), {"reading": 0.9}, "Read the text above"
    ),
    "two answers forgotten": Mistake(
        answers("{'dropout': 'b'}"), {"reading": 2.1}, "One letter per question"
    ),
    "answers in capitals": Mistake(
        answers("{'dropout': 'B', 'tail': 'D', 'forest': 'C'}"), {"reading": 3}, "one letter from a to d"
    ),
    "a column of forecasts": Mistake(
        lambda lab, files: change(lab, files, {RETURN: "return scaled.numpy() * self.y_scale"}),
        {"training": 0.83, "prediction": 0.8, "own_tests": 0.27},
        r"Return shape \(n,\), not \(n, 1\)",
    ),
    "pickle": Mistake(_pickled, {"artefact": 1.5}, "im.save_artefact: a manifest and safetensors"),
    "no docstring": Mistake(_undocumented, {"documentation": 1}, "numpydoc docstring"),
    "a typing error in the module": Mistake(
        lambda lab, files: change(lab, files, {"class PyTorchPredictor:": "class PyTorchPredictor"}),
        {name: points for name, points in POINTS.items() if name not in ("comparison", "reading")},
        "SyntaxError",
    ),
    "tests without assertions": Mistake(
        tests(NO_ASSERTIONS), {"own_tests": 3.77}, "Not noticed, for example", mutate=True
    ),
    "a test of a private helper": Mistake(
        tests(OWN_HELPER, keep=True), {"own_tests": 4}, "it tests how, not what", mutate=True
    ),
    "a wrong test": Mistake(
        tests(WRONG_TEST, keep=True), {"own_tests": 0.25}, "test_that_is_wrong: AssertionError", mutate=True
    ),
    "no tests": Mistake(
        lambda lab, files: {name: text for name, text in files.items() if name != lab.files[2]},
        {"own_tests": 4},
        r"test_mlp\.py is missing",
    ),
}

LAB0 = {
    "cut and not rounded": Mistake(
        lambda lab, files: answer(
            lab,
            files,
            "report_code",
            "def report(value):\n    return f'slope {int(value * 100) / 100:.2f}'\n",
        ),
        {"report": 1},
        "Round, do not cut",
    ),
    "no assertions": Mistake(
        tests("import numpy as np\nimport slope\n\ndef test():\n    slope.centre(np.ones(2))\n"),
        {"own_tests": 2},
        "Not noticed, for example",
        mutate=True,
    ),
}
