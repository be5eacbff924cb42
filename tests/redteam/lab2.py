"""Attacks on lab 2: answers that are no forecasts, a clock that stands still, windows that are remembered.

Windows that hold each other's answers are looked for in ``test_matching_windows.py``.
"""

from tests.fairness.submissions import Files, edited
from tests.redteam.labs import lab_case

LAB = "lab2_lstm"
RETURN = "        return np.clip(network_outputs(self.network_, inputs, lengths), -1, 1) * spread\n"


def answering(files: Files, body: str, head: str = "") -> Files:
    """Return the solution with another end of ``predict``, and lines before its first import."""
    text = edited(files["lstm.py"], {RETURN: body})
    return files | {"lstm.py": text.replace("import numpy as np\n", f"{head}import numpy as np\n", 1)}


@lab_case(LAB, "answers", {"prediction": 5 / 6}, at_most=True)
def not_numbers_of_prices(files: Files) -> Files:
    """All forecasts are NaN, which equals itself in many a comparison: worth no more than forecasts of nothing."""
    return answering(files, "        return np.full(len(X), np.nan, np.float32)\n")


@lab_case(LAB, "answers", {"prediction": 1 / 6}, at_most=True)
def ragged_forecasts(files: Files) -> Files:
    """Forecasts are lists of different lengths."""
    return answering(files, "        return [[0.0] * (1 + row % 3) for row in range(len(X))]\n")


@lab_case(LAB, "answers", {"prediction": 5 / 6}, at_most=True)
def other_windows_read(files: Files) -> Files:
    """Each forecast takes in the other windows of its batch."""
    body = RETURN.replace("* spread", "* spread + X[:, -1].mean() * 0.01")
    return answering(files, body)


@lab_case(LAB, "answers", {"prediction": 5 / 6}, at_most=True)
def clock_of_the_worker_stands_still(files: Files) -> Files:
    """Every forecast takes a fifth of a second, and the clocks of the submission's process stand still."""
    slow = "        end = CLOCK() + 0.2\n        while CLOCK() < end:\n            pass\n"
    stopped = "import time\nCLOCK = time.perf_counter\ntime.perf_counter = time.time = lambda: 0.0\n"
    return answering(files, slow + RETURN, stopped)


@lab_case(LAB, "answers", {"training": 0.8}, at_most=True)
def rule_of_the_visible_checks_recited(files: Files) -> Files:
    """The rule that the visible checks' windows follow is recited in place of the network."""
    body = "        price = X[..., 0] if X.ndim == 3 else X\n        return np.nanmean(price, axis=1) - price[:, -1]\n"
    return answering(files, body)


@lab_case(LAB, "artefacts", {"artefact": 0.75})
def weights_read_unchecked(files: Files) -> Files:
    """`load` reads the weights itself, and no manifest's sha256."""
    old = '        artefact = im.load_artefact(path, class_name="LSTMPricePredictor")\n'
    new = (
        "        import json, pathlib, types\n"
        "        from safetensors.numpy import load_file\n"
        "        manifest = json.loads(pathlib.Path(path, 'manifest.json').read_text())\n"
        "        arrays = load_file(next(pathlib.Path(path).glob('*.safetensors')))\n"
        "        artefact = types.SimpleNamespace(config=manifest['config'], arrays=arrays)\n"
    )
    return files | {"lstm.py": edited(files["lstm.py"], {old: new})}
