"""Correct work gets full marks in any style; a mistake costs what it should, and the feedback names it.

In the ordinary run all of lab 0, and of lab 1 one right solution and one mistake for each question that needs no
market, by that question's checks alone. The long form hands in everything and judges it as the grader does.
"""

import html
import re
from pathlib import Path

import pytest

from autograder.feedback import write_feedback
from autograder.isolation import launcher, resolve
from autograder.judge import preloadable
from autograder.lab import load_lab
from autograder.student import RemoteWorkspace
from itemmarket.checks import run_checks
from itemmarket.student import Student
from tests.fairness import mistakes, styles
from tests.fairness.submissions import lost, solve, verdict_on, without_markers

SOLUTIONS = Path(__file__).resolve().parents[2] / "solutions"
LAB1 = load_lab(SOLUTIONS / "lab1_mlp")
LAB0 = load_lab(Path(__file__).resolve().parents[1] / "labs" / "lab0_slope")
MISTAKES1 = mistakes.planted(LAB1, own_tests=4) | mistakes.LAB1
MISTAKES0 = mistakes.planted(LAB0, own_tests=2) | mistakes.LAB0


@pytest.fixture(scope="module")
def lab0():
    """Lab 0, its solution, and the isolation that this machine has."""
    with launcher(resolve("auto"), LAB0) as launch:
        yield LAB0, solve(LAB0), launch


@pytest.fixture(scope="module")
def lab1():
    """Lab 1, likewise."""
    with launcher(resolve("auto"), LAB1) as launch:
        yield LAB1, solve(LAB1), launch


def full_marks(case, style, folder, mutate=True):
    lab, files, launch = case
    verdict = verdict_on(lab, style(lab, files), folder, launch, mutate)
    told = [c.message for result in verdict.questions for c in result.checks if not c.passed]
    assert lost(verdict) == {}, (told, verdict.notes, verdict.own_tests)
    assert verdict.status == "graded" and verdict.evidence == []


def exact_costs(case, mistake, folder):
    lab, files, launch = case
    verdict = verdict_on(lab, mistake.make(lab, files), folder, launch, mistake.mutate)
    assert lost(verdict) == pytest.approx(mistake.costs, abs=0.011)
    assert verdict.status == "graded"
    page = html.unescape(write_feedback(folder, lab, verdict).read_text(encoding="utf-8"))
    text = " ".join(re.sub(r"<[^>]+>", "", page).split())
    assert re.search(mistake.names, text), text


@pytest.mark.parametrize("style", styles.LAB0)
def test_lab0_in_any_style_has_full_marks(lab0, tmp_path, style):
    full_marks(lab0, styles.LAB0[style], tmp_path)


@pytest.mark.parametrize("mistake", MISTAKES0)
def test_lab0_mistakes_cost_what_they_should(lab0, tmp_path, mistake):
    exact_costs(lab0, MISTAKES0[mistake], tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("style", styles.LAB1)
def test_lab1_in_any_style_has_full_marks(lab1, tmp_path, style):
    mutate = style == "a helper file"  # to the others the planted bugs are the same: their tests are
    full_marks(lab1, styles.LAB1[style], tmp_path, mutate)


@pytest.mark.long
@pytest.mark.parametrize("mistake", MISTAKES1)
def test_lab1_mistakes_cost_what_they_should(lab1, tmp_path, mistake):
    exact_costs(lab1, MISTAKES1[mistake], tmp_path)


ONE_EACH = {
    "scaling": "not_clipped",
    "network": "no_dropout",
    "validation": "targets_not_checked",
    "training": "patience_off_by_one",
    "prediction": "unfitted_forecasts",
    "artefact": "widths_not_loaded",
}


@pytest.mark.parametrize("question", ONE_EACH)
def test_lab1_question_by_question(lab1, tmp_path, question):
    """A right module in another style earns the question, one with a planted bug loses what its file says."""
    mutant = {m.name: m for m in LAB1.mutants}[ONE_EACH[question]]
    (points,) = (q.points for q in LAB1.questions if q.name == question)
    for text, cost in (
        (LAB1.variants["functional"], 0),
        (without_markers(mutant.text), mutant.costs[question]),
    ):
        path = tmp_path / "mlp.py"
        path.write_text(text, encoding="utf-8")
        files = {path.name: path}
        with RemoteWorkspace(files, "mlp", [], LAB1.limits, preloadable(LAB1), lab1[2]) as workspace:
            student = Student(workspace, text)
            results = run_checks([(LAB1.visible_checks, True)], student, LAB1, question)
            results += run_checks([(LAB1.hidden_checks, False)], student, LAB1, question)
        failed = sum(result.weight for result in results if not result.passed)
        total = sum(result.weight for result in results)
        assert points * failed / total == pytest.approx(cost, abs=0.011), [r.message for r in results]


def test_there_are_enough_of_each():
    assert len(styles.LAB1) >= 12 and len(MISTAKES1) >= 15
    assert len(LAB1.mutants) >= 12 and len(LAB1.variants) >= 3
    questions = {question for mistake in MISTAKES1.values() for question in mistake.costs}
    assert questions == {question.name for question in LAB1.questions}
