"""Correct work gets full marks in any style; a mistake costs what it should, and the feedback names it.

In the ordinary run all of lab 0; of the other labs one right solution and one mistake for each question that is
quick to judge, by that question's checks alone, and every style as far as to be read and run. The long form hands in
everything and judges it as the grader does.
"""

import ast
import functools
import html
import re

import pytest

from autograder.results.feedback import write_feedback
from tests.fairness import lab0, lab1, lab2, lab3
from tests.fairness.submissions import (
    Files,
    hand_in,
    launches,
    lost,
    points_for,
    solve,
    verdict_on,
    without_markers,
)

SUITES = {suite.lab.name: suite for suite in (lab0.SUITE, lab1.SUITE, lab2.SUITE, lab3.SUITE)}
LARGE = [name for name, suite in SUITES.items() if not suite.small]


def _cases(kind: str) -> list[object]:
    return [
        pytest.param(name, case, id=f"{name}-{case}", marks=[] if suite.small else [pytest.mark.long])
        for name, suite in SUITES.items()
        for case in getattr(suite, kind)
    ]


@pytest.fixture(scope="module")
def launch():
    """Launchers by lab."""
    with launches() as found:
        yield found


@pytest.fixture
def desk(request, launch):
    """A lab's suite, its solution as handed in, and the isolation that this machine has."""
    suite = SUITES[request.param]
    return suite, dict(solution(request.param)), launch(suite.lab)


@functools.cache
def solution(name: str) -> Files:
    return solve(SUITES[name].lab)


@pytest.mark.parametrize(("desk", "style"), _cases("styles"), indirect=["desk"])
def test_right_in_any_style_has_full_marks(desk, tmp_path, style):
    suite, files, launch = desk
    mutate = (
        suite.small or style == "a helper file"
    )  # to the others the planted bugs are the same: their tests are
    verdict = verdict_on(suite.lab, suite.styles[style](suite.lab, files), tmp_path, launch, mutate)
    told = [c.message for result in verdict.questions for c in result.checks if not c.passed]
    assert lost(verdict) == {}, (told, verdict.notes, verdict.own_tests)
    assert verdict.status == "graded" and verdict.evidence == []


@pytest.mark.parametrize(("desk", "mistake"), _cases("mistakes"), indirect=["desk"])
def test_mistakes_cost_what_they_should(desk, tmp_path, mistake):
    suite, files, launch = desk
    wrong = suite.mistakes[mistake]
    verdict = verdict_on(suite.lab, wrong.make(suite.lab, files), tmp_path, launch, wrong.mutate)
    assert lost(verdict) == pytest.approx(wrong.costs, abs=0.011)
    assert verdict.status == "graded"
    page = html.unescape(write_feedback(tmp_path, suite.lab, verdict).read_text(encoding="utf-8"))
    text = " ".join(re.sub(r"<[^>]+>", "", page).split())
    assert re.search(wrong.names, text), text


@pytest.mark.parametrize(
    ("desk", "question"),
    [pytest.param(n, q, id=f"{n}-{q}") for n in LARGE for q in SUITES[n].one_each],
    indirect=["desk"],
)
def test_question_by_question(desk, tmp_path, question):
    """A right module in another style earns the question, one with a planted bug loses what its file says."""
    suite, files, launch = desk
    lab = suite.lab
    mutant = {m.name: m for m in lab.mutants}[suite.one_each[question]]
    (points,) = (q.points for q in lab.questions if q.name == question)
    modules = {"right": (lab.variants[suite.variant], 0), "wrong": (mutant.text, mutant.costs[question])}
    for name, (text, cost) in modules.items():
        module = {lab.files.module: without_markers(text)}
        submission = hand_in(lab, {k: v for k, v in files.items() if "/" in k} | module, tmp_path / name)
        found, told = points_for(lab, submission, [question], launch)
        assert found[question] == pytest.approx(points - cost, abs=0.011), told


@pytest.mark.parametrize("name", SUITES)
def test_styles_and_slips_differ_from_the_solution(name):
    """A rewriting that does nothing, or leaves no Python behind, would prove nothing."""
    suite = SUITES[name]
    files = solution(name)
    for style, make in suite.styles.items():
        made = make(suite.lab, dict(files))
        assert made != files, style
        for file in made:
            if file.endswith(".py"):
                ast.parse(made[file])
    for slip, mistake in suite.mistakes.items():
        assert mistake.make(suite.lab, dict(files)) != files, slip


@pytest.mark.parametrize("name", LARGE)
def test_there_are_enough_of_each(name):
    suite = SUITES[name]
    assert len(suite.styles) >= 12 and len(suite.mistakes) >= 15
    assert len(suite.lab.mutants) >= 12 and len(suite.lab.variants) >= 3
    questions = {question for mistake in suite.mistakes.values() for question in mistake.costs}
    assert questions == {question.name for question in suite.lab.questions}
