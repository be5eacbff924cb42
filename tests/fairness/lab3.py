"""Lab 3: styles and mistakes that fit its classifier only, beside those of any lab."""

from autograder.labs.definition import Lab
from tests.conftest import ROOT
from tests.fairness import mistakes, styles
from tests.fairness.styles import answer, change, variant
from tests.fairness.submissions import Files
from tests.fairness.suite import Mistake, Style, Suite

POINTS = {
    "pruning": 2,
    "batches": 2,
    "validation": 2,
    "training": 4,
    "prediction": 2,
    "compression": 2,
    "artefact": 2,
    "budget": 3,
    "product": 3,
    "sizes": 1,
    "reading": 2,
    "own_tests": 4,
    "documentation": 1,
}
SOFTMAX = "        return torch.softmax(self._logits(self._tokenise(titles)), dim=1).numpy()\n"

# ---------------------------------------------------------------- styles


def logarithms(lab: Lab, files: Files) -> Files:
    """Probabilities by way of their logarithms, in float64."""
    logs = "        logits = self._logits(self._tokenise(titles)).double()\n"
    logs += "        return torch.log_softmax(logits, dim=1).exp().float().numpy()\n"
    return change(lab, files, {SOFTMAX: logs})


def one_expression(lab: Lab, files: Files) -> Files:
    """The sizes in one line each."""
    source = (
        "def parameters(config):\n"
        "    d, h = config['dim'], config['hidden_dim']\n"
        "    words = config['vocab_size'] + config['max_position_embeddings'] + 2\n"
        "    return dict(embeddings=words * d, layers=config['n_layers'] * (4 * d * d + 2 * d * h + 9 * d + h))\n"
    )
    return answer(lab, files, "parameters_code", source)


STYLES: dict[str, Style] = {
    "PyTorch alone": variant("torch_only"),
    "a DataLoader": variant("data_loader"),
    "numpy first": variant("numpy_first"),
    "logarithms": logarithms,
    "sizes in one expression": one_expression,
}

# ---------------------------------------------------------------- mistakes


def without_biases(lab: Lab, files: Files) -> Files:
    """Sizes of the matrices alone."""
    source = (
        "def parameters(config):\n"
        "    d, h = config['dim'], config['hidden_dim']\n"
        "    words = config['vocab_size'] + config['max_position_embeddings']\n"
        "    return {'embeddings': words * d, 'layers': config['n_layers'] * (4 * d * d + 2 * d * h)}\n"
    )
    return answer(lab, files, "parameters_code", source)


OWN_HELPER = "\n\ndef test_my_helper():\n    assert RarityClassifier()._step\n"

SLIPS = {
    "biases not counted": Mistake(without_biases, {"sizes": 1}, "counts DistilBERT's numbers"),
    "a test of a private helper": Mistake(
        mistakes.own_tests(OWN_HELPER, keep=True), {"own_tests": 4}, "it tests how, not what", mutate=True
    ),
}

SUITE = Suite(
    ROOT / "solutions" / "lab3_rarity",
    styles=styles.ANY | STYLES,
    slips=SLIPS
    | mistakes.common(
        POINTS,
        {"opponent": "c", "size": "b", "unseen": "d"},
        0.6,
        n_tests=24,
        in_notebook=("sizes", "reading"),
    ),
    one_each={
        "pruning": "positions_not_cut",
        "validation": "blank_accepted",
        "training": "patience_off_by_one",
        "prediction": "unfitted_predicts",
        "compression": "one_scale",
    },
    variant="torch_only",
)
