"""Lab 1: styles and mistakes that fit its multilayer perceptron only, beside those of any lab."""

from autograder.labs.definition import Lab
from tests.conftest import ROOT
from tests.fairness import mistakes, styles
from tests.fairness.styles import add_cells, answer, change, variant
from tests.fairness.submissions import Files, edited
from tests.fairness.suite import Mistake, Style, Suite

PREDICT = "            scaled = self.network_(torch.from_numpy(self.standardiser_.transform(X)))\n"
IMPORTS = "import numpy as np\nimport torch\n"
COLUMNS = (
    "        self.mean_ = X.mean(axis=0, dtype=np.float64)\n        scale = X.std(axis=0, dtype=np.float64)\n"
)
RETURN = "return scaled[:, 0].numpy() * self.y_scale_"
LOADER = "shuffle=True, generator=generator"
POINTS = {
    "scaling": 2,
    "network": 2,
    "validation": 2,
    "training": 5,
    "prediction": 2,
    "artefact": 3,
    "skill": 4,
    "comparison": 2,
    "reading": 3,
    "own_tests": 4,
    "documentation": 1,
}

# ---------------------------------------------------------------- styles


def slow(lab: Lab, files: Files) -> Files:
    """Scaling in Python's own loops, and forecasts in batches of seven."""
    columns = (
        "        self.mean_ = np.array([sum(map(float, X[:, j])) / len(X) for j in range(X.shape[1])])\n"
        "        scale = np.array([sum((float(v) - m) ** 2 for v in X[:, j]) / len(X)"
        " for j, m in enumerate(self.mean_)]) ** 0.5\n"
    )
    batches = (
        "            rows = torch.from_numpy(self.standardiser_.transform(X))\n"
        "            scaled = torch.cat([self.network_(batch) for batch in rows.split(7)])\n"
    )
    return change(lab, files, {COLUMNS: columns, PREDICT: batches})


def threads_for_batches(lab: Lab, files: Files) -> Files:
    """Batches that joblib forecasts in threads, as many as there are cores."""
    spread = (
        "            rows = torch.from_numpy(self.standardiser_.transform(X)).split(2000)\n"
        "            parts = Parallel(n_jobs=-1, prefer='threads')(delayed(self.network_)(part) for part in rows)\n"
        "            scaled = torch.cat(parts)\n"
    )
    imports = "import numpy as np\nimport torch\nfrom joblib import Parallel, delayed\n"
    return change(lab, files, {PREDICT: spread, IMPORTS: imports})


def cuda_if_available(lab: Lab, files: Files) -> Files:
    """The network and its inputs go to a GPU where there is one."""
    device = "DEVICE = torch.device('cuda' if torch.cuda.is_available() else 'cpu')\n"
    first = "class Standardiser(TransformerMixin, BaseEstimator):\n"
    network = "        self.network_ = make_network(self.n_features_in_, self.hidden, self.dropout)\n"
    on_device = "            rows = torch.from_numpy(self.standardiser_.transform(X)).to(DEVICE)\n"
    return change(
        lab,
        files,
        {
            first: f"{device}\n\n{first}",
            network: network.rstrip() + ".to(DEVICE)\n",
            "self.network_(inputs[batch]), targets[batch])": (
                "self.network_(inputs[batch].to(DEVICE)), targets[batch].to(DEVICE))"
            ),
            PREDICT: f"{on_device}            scaled = self.network_(rows).cpu()\n",
            'f"network.{name}": tensor.numpy()': 'f"network.{name}": tensor.cpu().numpy()',
        },
    )


def helper_cells(lab: Lab, files: Files) -> Files:
    """The answer stands in helpers of the student's, in cells above it."""
    files = answer(
        lab, files, "comparison_code", "def comparison(y, predictions):\n    return ratios(y, predictions)"
    )
    helpers = "error = lambda y, p: float(np.sqrt(np.mean((np.asarray(p) - y) ** 2)))"
    more = "def ratios(y, p):\n    return {k: error(y, v) / error(y, 0 * y) for k, v in p.items()}"
    return add_cells(lab, files, (3, helpers), (5, more))


def other_optimiser(lab: Lab, files: Files) -> Files:
    """AdamW and clipped gradients."""
    return change(
        lab,
        files,
        {
            "torch.optim.Adam(self.network_.parameters(), lr=self.learning_rate)": (
                "torch.optim.AdamW(self.network_.parameters(), lr=self.learning_rate, weight_decay=1e-4)"
            ),
            "            optimiser.step()\n": (
                "            nn.utils.clip_grad_norm_(self.network_.parameters(), 5.0)\n            optimiser.step()\n"
            ),
        },
    )


def with_pandas(lab: Lab, files: Files) -> Files:
    """Data frames inside."""
    new = (
        "        frame = pd.DataFrame(np.asarray(X, dtype=float))\n"
        "        self.mean_, scale = frame.mean().to_numpy(), frame.std(ddof=0).to_numpy()\n"
    )
    return change(
        lab, files, {COLUMNS: new, IMPORTS: "import numpy as np\nimport pandas as pd\nimport torch\n"}
    )


STYLES: dict[str, Style] = {
    "own loop, subclassed network": variant("own_loop"),
    "float64 and a DataLoader": variant("data_loader"),
    "DataLoader with workers": variant(
        "data_loader", {LOADER: f"{LOADER}, num_workers=1, persistent_workers=True"}
    ),
    "scikit-learn's scaler, functions": variant("functional"),
    "slow but right": slow,
    "joblib's threads": threads_for_batches,
    "cuda if available": cuda_if_available,
    "helper cells": helper_cells,
    "another optimiser": other_optimiser,
    "pandas inside": with_pandas,
}

# ---------------------------------------------------------------- mistakes


def comparison(body: str) -> Style:
    """Another body of ``comparison``."""
    head = "def comparison(y, predictions):\n    base = im.rmse(y, np.zeros(len(y)))\n"
    return lambda lab, files: answer(lab, files, "comparison_code", head + f"    return {body}\n")


def pickled(lab: Lab, files: Files) -> Files:
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

SLIPS = {
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
        comparison("{name: im.rmse(y, p) / float(np.std(y)) for name, p in predictions.items()}"),
        {"comparison": 2},
        "Persistence forecasts a change of 0",
    ),
    "a column of forecasts": Mistake(
        lambda lab, files: change(lab, files, {RETURN: "return scaled.numpy() * self.y_scale_"}),
        {"training": 0.83, "prediction": 0.8, "own_tests": 0.27},
        r"Return shape \(n,\), not \(n, 1\)",
    ),
    "pickle": Mistake(pickled, {"artefact": 1.5}, "im.save_artefact: a manifest and safetensors"),
    "tests without assertions": Mistake(
        mistakes.own_tests(NO_ASSERTIONS), {"own_tests": 3.77}, "Not noticed, for example", mutate=True
    ),
    "a test of a private helper": Mistake(
        mistakes.own_tests(OWN_HELPER, keep=True), {"own_tests": 4}, "it tests how, not what", mutate=True
    ),
}

SUITE = Suite(
    ROOT / "solutions" / "lab1_mlp",
    styles=styles.ANY | STYLES,
    slips=SLIPS
    | mistakes.common(
        POINTS,
        {"dropout": "b", "tail": "d", "forest": "c"},
        0.9,
        n_tests=15,
        in_notebook=("comparison", "reading"),
    ),
    one_each={
        "scaling": "not_clipped",
        "network": "no_dropout",
        "validation": "targets_not_checked",
        "training": "patience_off_by_one",
        "prediction": "unfitted_forecasts",
        "artefact": "widths_not_loaded",
    },
    variant="functional",
)
