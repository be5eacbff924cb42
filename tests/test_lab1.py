"""Lab 1 as it is graded: the example class, the hidden market, and what the criteria rest on."""

import ast
import csv
import html
from pathlib import Path

import numpy as np
import pytest

from autograder import cli
from autograder.lab import load_lab
from benchmarks import lab1 as bench
from benchmarks._common import lab_modules

FULL = 30


@pytest.fixture(scope="module")
def modules():
    """The lab's modules, imported by name as the judge does."""
    with lab_modules("lab1_mlp") as found:
        yield found


@pytest.fixture(scope="module")
def graded(root, tmp_path_factory) -> Path:
    """The example class, graded into a folder."""
    out = tmp_path_factory.mktemp("class") / "grades"
    assert cli.grade(["lab1_mlp", str(root / "examples" / "class"), "--out", str(out), "--workers", "2"]) == 0
    return out


@pytest.fixture(scope="module")
def rows(graded) -> dict[str, dict[str, str]]:
    """The lines of grades.csv by student."""
    with (graded / "grades.csv").open(encoding="utf-8", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def feedback(graded: Path, student: str) -> str:
    return html.unescape((graded / "feedback" / student / "lab1_mlp.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("student", "score", "status"),
    [
        ("ada", FULL, "graded"),
        ("bela", 0, "graded"),
        ("chidi", FULL, "graded"),
        ("dora", FULL, "graded"),
        ("emil", FULL - 3 - 3 - 1, "graded"),  # artefact, reading, documentation
        ("hana", 0, "missing"),
        ("ivan", FULL - 2 - 3, "corrupt-notebook"),  # comparison and reading are in the notebook
        ("jun", FULL, "graded"),
    ],
)
def test_the_example_class_gets_what_it_earns(rows, student, score, status):
    assert float(rows[student]["score"]) == pytest.approx(score)
    assert rows[student]["status"] == status
    assert float(rows[student]["max_score"]) == FULL


def test_a_test_that_notices_no_bug_earns_nothing_and_costs_nothing_else(rows, graded):
    assert float(rows["fatima"]["score"]) == FULL - 4
    assert "your tests noticed 0 of 22" in feedback(graded, "fatima")


def test_the_endless_one_keeps_what_needs_no_training(rows):
    """Scaling, comparison, reading and documentation in full, parts of network, validation and prediction."""
    expected = 2 + 2 * 2 / 3 + 2 * 5 / 6 + 2 * 1 / 5 + 2 + 3 + 1
    assert float(rows["goran"]["score"]) == pytest.approx(expected, abs=0.5)
    assert rows["goran"]["status"] == "timed-out"


def test_the_slip_of_the_keyboard_is_told(graded):
    assert "Cell comparison_code occurs 2 times" in feedback(graded, "jun")


def test_feedback_gives_no_hidden_check_away(graded, root):
    tree = ast.parse((root / "solutions" / "lab1_mlp" / "hidden_checks.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:]  # what was expected and tried, in words
    hidden = ast.unparse(tree)
    secret_lines = {
        line.strip() for line in hidden.splitlines() if len(line.strip()) > 40 and "hint=" not in line
    }
    secret_lines = {line for line in secret_lines if not line.startswith(('"""', "@pytest", "def test"))}
    for student in ("bela", "goran", "emil"):
        text = feedback(graded, student)
        assert not [line for line in secret_lines if line in text]


def test_another_secret_is_another_market(modules):
    reference = modules["reference"]
    one, other = reference.hidden_rows(1), reference.hidden_rows(2)
    assert len(one) > 1000
    assert not np.array_equal(one.y[:100], other.y[:100])


def test_hidden_inputs_hold_no_hidden_target(modules):
    """Rows of one item lie further apart than all that a row reads and predicts."""
    rows = modules["reference"].hidden_rows(1)
    days = rows.dates.to_numpy().astype("datetime64[D]").astype(int)
    for name in np.unique(rows.names):
        gaps = np.diff(days[rows.names == name])
        assert (gaps > 160 + 1).all()


def test_reference_keeps_its_criteria(root, monkeypatch, request):
    """One seed here, three in the long form: the network against persistence and the forest, on both markets."""
    seeds = (0, 1, 2) if request.config.getoption("--long") else (0,)
    monkeypatch.setattr(bench, "SEEDS", seeds)
    ratios = bench.measure()["ratios"]
    thresholds = load_lab(root / "solutions" / "lab1_mlp").thresholds
    for (_, opponent), found in ratios.items():
        assert max(found) <= thresholds[f"rmse_over_{opponent}"]
