"""Lab 2: styles and mistakes that fit its LSTM only, beside those of any lab."""

from autograder.labs.definition import Lab
from tests.conftest import ROOT
from tests.fairness import mistakes, styles
from tests.fairness.styles import change, variant
from tests.fairness.submissions import Files
from tests.fairness.suite import Mistake, Style, Suite

POINTS = {
    "validation": 2,
    "padding": 2,
    "inputs": 2,
    "network": 2,
    "training": 4,
    "prediction": 2,
    "artefact": 2,
    "skill": 4,
    "ensemble": 2,
    "reading": 3,
    "own_tests": 4,
    "documentation": 1,
}
ADAM = "        optimiser = torch.optim.Adam(self.network_.parameters(), lr=self.learning_rate)\n"
STEP = "            optimiser.step()\n"
COUNT = "    return np.isfinite(X.reshape(*X.shape[:2], -1)[..., 0]).sum(axis=1)\n"

# ---------------------------------------------------------------- styles


def slow(lab: Lab, files: Files) -> Files:
    """Known days counted in Python's own loops."""
    loops = (
        "    days = X.reshape(*X.shape[:2], -1)[..., 0]\n"
        "    return np.array([sum(1 for value in row if np.isfinite(value)) for row in days], dtype=np.int64)\n"
    )
    return change(lab, files, {COUNT: loops})


def other_optimiser(lab: Lab, files: Files) -> Files:
    """AdamW and clipped gradients."""
    clipped = "            nn.utils.clip_grad_norm_(self.network_.parameters(), 5.0)\n"
    return change(lab, files, {ADAM: ADAM.replace("Adam(", "AdamW("), STEP: clipped + STEP})


STYLES: dict[str, Style] = {
    "a DataLoader": variant("data_loader"),
    "gathered states": variant("gather"),
    "an LSTM cell of one's own": variant("own_cell"),
    "slow but right": slow,
    "another optimiser": other_optimiser,
}

# ---------------------------------------------------------------- mistakes


def pickled(lab: Lab, files: Files) -> Files:
    """Saving and loading by pickle."""
    text = files["lstm.py"]
    save, load = text.index('        weights = {f"network.'), text.index("    @classmethod\n    def load")
    body, end = text.index("        artefact = im.load_artefact"), text.index("\n\ndef ensemble_weight")
    imports = "        import pathlib, pickle\n"
    return files | {
        "lstm.py": text[:save]
        + f"{imports}        pathlib.Path(path).mkdir(parents=True)\n"
        + "        pathlib.Path(path, 'model.pickle').write_bytes(pickle.dumps(self))\n\n"
        + text[load:body]
        + f"{imports}        return pickle.loads(pathlib.Path(path, 'model.pickle').read_bytes())\n"
        + text[end:]
    }


OWN_HELPER = "\n\ndef test_my_helper():\n    assert LSTMPricePredictor()._train_epoch\n"

SLIPS = {
    "pickle": Mistake(pickled, {"artefact": 1.0}, "im.save_artefact: a manifest and safetensors"),
    "a test of a private helper": Mistake(
        mistakes.own_tests(OWN_HELPER, keep=True), {"own_tests": 4}, "it tests how, not what", mutate=True
    ),
}

SUITE = Suite(
    ROOT / "solutions" / "lab2_lstm",
    styles=styles.ANY | STYLES,
    slips=SLIPS
    | mistakes.common(
        POINTS, {"days": "c", "loss": "b", "spread": "d"}, 0.9, n_tests=25, in_notebook=("reading",)
    ),
    one_each={
        "validation": "hole_accepted",
        "padding": "front_off_by_one",
        "inputs": "not_clipped",
        "network": "no_dropout",
        "training": "patience_off_by_one",
        "prediction": "unfitted_forecasts",
        "artefact": "scaler_not_saved",
    },
    variant="gather",
)
