"""Work written for the labs' first stubs, whose models were no scikit-learn estimators, earns what it earned then.

Its form is derived from today's solution: plain classes, names of what ``fit`` learns without ``_``, and all of them
there before ``fit``, too. Its tests read those names, also of the implementations that only the grader has.
"""

import ast
import dataclasses
import re
from dataclasses import dataclass

import pytest

from autograder.judging.own_tests import judge_own_tests
from autograder.labs.definition import Lab, load_lab
from autograder.labs.preload import preloadable
from tests.conftest import ROOT
from tests.fairness.submissions import (
    Files,
    edited,
    hand_in,
    launches,
    lost,
    points_for,
    solve,
    verdict_on,
)

LOSSES = "        self.validation_losses_, self.best_epoch_ = [], -1\n"


@dataclass(frozen=True)
class Former:
    """What a lab's first stub called what is learned, what stood in ``__init__`` of its model and its scaler, what else
    differed, and tests that read such names where the lab's own do not.
    """

    names: tuple[str, ...]
    model: str
    scaler: str = ""
    changes: tuple[tuple[str, str], ...] = ()
    more_tests: str = ""


FORMER = {
    "lab1_mlp": Former(
        ("network", "standardiser", "y_scale", "mean", "scale", "n_features_in"),
        "        self.network, self.standardiser, self.y_scale = None, Standardiser(), 1.0\n",
        "        self.mean = self.scale = None\n",
        (("self.hidden = hidden", "self.hidden = tuple(hidden)"),),
        "\n\ndef test_what_is_learned(rows):\n"
        "    model = PyTorchPredictor(max_epochs=1).fit(*rows)\n"
        "    assert model.network[0].in_features == 3 and model.y_scale > 0\n"
        "    assert model.standardiser.mean.shape == model.standardiser.scale.shape == (3,)\n",
    ),
    "lab2_lstm": Former(
        ("network", "scaler", "n_series", "y_scale", "centre", "scale"),
        "        self.network, self.scaler, self.n_series, self.y_scale = None, ChannelScaler(), 0, 1.0\n",
        "        self.centre = self.scale = None\n",
    ),
    "lab3_rarity": Former(
        ("network", "config", "tokeniser", "vocabulary", "lower_case", "scales", "classes"),
        "        self.network = self.tokeniser = None\n"
        "        self.config, self.vocabulary, self.lower_case, self.scales = {}, (), True, {}\n",
        changes=(
            ('bool(getattr(self, "scales_", None))', "bool(self.scales)"),
            ("self.get_params()", "{n: vars(self)[n] for n in type(self).__init__.__code__.co_varnames[1:]}"),
        ),
    ),
}
# The questions whose checks read what is learned, and which are quick to judge by themselves.
READ = {"lab2_lstm": ["training"], "lab3_rarity": ["training", "compression", "artefact"]}


@pytest.fixture(scope="module")
def launch():
    """Launchers by lab."""
    with launches() as found:
        yield found


@pytest.fixture(params=FORMER)
def lab(request) -> Lab:
    """A lab."""
    return load_lab(ROOT / "solutions" / request.param)


def with_former_names(text: str, names: tuple[str, ...]) -> str:
    """Return a text in which what is learned has its former names."""
    return re.sub(rf"\.({'|'.join(names)})_\b", r".\1", text)


def former(lab: Lab) -> Files:
    """Return a lab's solution as it was handed in for the first stub, the notebook's first cell included."""
    files, was = solve(lab), FORMER[lab.name]
    notebook, module, tests = lab.files
    text = edited(files[module], dict(was.changes))
    text = re.sub(r"^class (\w+)\(\w+Mixin, BaseEstimator\):$", r"class \1:", text, flags=re.MULTILINE)
    text = re.sub(r"^from sklearn\.base .*\n", "", text, flags=re.MULTILINE)
    imported = "from sklearn.exceptions import NotFittedError\n"
    refused = "if self.network is None:\n            raise NotFittedError('call fit first')\n"
    for new, old in {
        "from sklearn.utils.validation import check_is_fitted\n": imported,
        "        check_is_fitted(self)\n": "",
        'check_is_fitted(self, "network_")\n': refused,
        "        self.seed = seed\n": f"        self.seed = seed\n{was.model}{LOSSES}",
        "        self.limit = limit\n": f"        self.limit = limit\n{was.scaler}",
        ", y: None = None) ->": ") ->",
        "        y : None, optional\n            Not read; scikit-learn's pipelines hand it over.\n": "",
    }.items():
        text = text.replace(new, old)
    text = with_former_names(text, was.names)
    moved = {"from labkit import check": "from itemmarket.labs import check"}
    return files | {
        module: text,
        tests: with_former_names(files[tests], was.names) + was.more_tests,
        notebook: edited(files[notebook], moved),
    }


def test_the_derived_form_is_the_former_one(lab):
    module, tests = (former(lab)[name] for name in lab.files[1:])
    for text in (module, tests):
        found = {node.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}
        public = {name for name in found if re.fullmatch(r"[a-z]\w+[a-z]_", name)}
        assert public <= {"validation_losses_", "requires_grad_", "best_epoch_", "clip_grad_norm_", "copy_"}
    assert "BaseEstimator" not in module and "check_is_fitted" not in module
    assert any(f".{name}" in tests for name in FORMER[lab.name].names)


def test_the_notebooks_former_first_cell_costs_nothing(lab, tmp_path):
    """It is locked: the grader runs the instructor's own, whatever the student's imports."""
    submission = hand_in(lab, former(lab), tmp_path)
    cells = dict(submission.arrangement.runnable(lab.notebook))
    assert "from labkit import check" in cells["setup"]
    assert not [source for source in cells.values() if "itemmarket.labs" in source]


@pytest.mark.parametrize("name", READ)
def test_checks_read_former_names(name, launch, tmp_path):
    lab = load_lab(ROOT / "solutions" / name)
    files = {file: content for file, content in former(lab).items() if not file.endswith(".ipynb")}
    found, told = points_for(lab, hand_in(lab, files, tmp_path), READ[name], launch(lab))
    assert found == {q.name: q.points for q in lab.questions if q.name in READ[name]}, told


@pytest.mark.parametrize("name", READ)
def test_own_tests_accept_solutions_of_today(name, launch, tmp_path):
    """One of each kind here; the long form, and lab 1, have all."""
    lab = load_lab(ROOT / "solutions" / name)
    variant, *_ = lab.variants
    few = dataclasses.replace(lab, variants={variant: lab.variants[variant]}, mutants=lab.mutants[:2])
    submission = hand_in(lab, former(lab), tmp_path)
    result, *_ = judge_own_tests(few, submission, preloadable(lab), launch(lab))
    assert (result.passed, result.failures) == (result.total, {})
    assert (result.mutation.refusing, result.mutation.killed) == ([], 2)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name != "lab1_mlp")) for name in FORMER]
)
@pytest.mark.timeout(1800)
def test_it_has_full_marks(name, launch, tmp_path):
    lab = load_lab(ROOT / "solutions" / name)
    verdict = verdict_on(lab, former(lab), tmp_path, launch(lab))
    told = [c.message for result in verdict.questions for c in result.checks if not c.passed]
    assert lost(verdict) == {}, (told, verdict.notes, verdict.own_tests)
    assert verdict.status == "graded" and verdict.evidence == []
    assert verdict.own_tests.mutation.refused == 0
