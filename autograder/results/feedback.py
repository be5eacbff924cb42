"""Feedback for one student: a page that says what is good, what to do next, and why, question by question.

What it shows of a check is its docstring, its hint and what came back (see
:func:`autograder.results.explain.came_back`): never the code or the data of a hidden check, never another student.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.judging.verdict import QuestionResult, Verdict
from autograder.labs.definition import OWN_TESTS, Lab, Question
from autograder.results.explain import came_back
from autograder.results.render import environment
from itemmarket.atomic import write_text
from labkit.own_tests import describe_own_tests
from labkit.results import Failure, Margin

STEPS = 3  # more at once are no plan
STATUS_WORDS = {
    "graded": "",
    "missing": "Nothing was handed in. If that is a mistake, tell your instructor.",
    "corrupt-notebook": "The notebook cannot be read. The module was graded all the same.",
    "timed-out": "Something ran into its time limit. All the rest was graded.",
    "crashed": "Something ended the process that ran your code. All the rest was graded.",
}
STOPPED_HINT = (
    "Look for a loop that never ends, for far more work than was asked, or for what ends the process."
)
NO_TESTS = "No tests were run: the module or the test file is missing."


@dataclass(frozen=True)
class Remark:
    """What the page says about one check, or about the student's own tests.

    Attributes
    ----------
    expected, tried, hint : str
        Words of the check.
    passed, visible : bool
        Its verdict, and whether students have it.
    answer : tuple of str
        What came back, line by line; empty where the check passed.
    brief : bool
        Whether the question's earlier check failed for the same reason, such as work not done yet: then the page
        names what is expected, and no more.
    """

    expected: str
    passed: bool
    tried: str = ""
    hint: str = ""
    visible: bool = True
    answer: tuple[str, ...] = ()
    brief: bool = False


@dataclass(frozen=True)
class Section:
    """One question on the page."""

    question: Question
    score: float
    remarks: tuple[Remark, ...]

    @property
    def lost(self) -> float:
        """The points that are still to be had."""
        return self.question.points - self.score

    @property
    def first_open(self) -> Remark | None:
        """The first check that failed."""
        return next((remark for remark in self.remarks if not remark.passed), None)


def write_feedback(folder: Path, lab: Lab, verdict: Verdict) -> Path:
    """Write ``feedback/STUDENT/LAB.html`` below ``folder`` and return its path."""
    path = folder / "feedback" / verdict.student / f"{lab.name}.html"
    write_text(path, feedback_page(lab, verdict))
    return path


def feedback_page(lab: Lab, verdict: Verdict) -> str:
    """Return the page: summary, what is good, next steps, margins, notes, then every question."""
    told: set[tuple[str, ...]] = set()
    sections = [
        Section(result.question, result.score, tuple(_remarks(result, verdict, told)))
        for result in verdict.questions
    ]
    still_open = [section for section in sections if section.lost > 0 and verdict.status != "missing"]
    return (
        environment()
        .get_template("feedback.html.j2")
        .render(
            lab=lab,
            verdict=verdict,
            status=STATUS_WORDS[verdict.status],
            complete=[section for section in sections if section.lost <= 0],
            steps=sorted(still_open, key=lambda section: -section.lost)[:STEPS],
            margins=[(margin, *_scale(margin)) for margin in verdict.margins],
            notes=verdict.notes,
            sections=sections if verdict.status != "missing" else [],
        )
    )


def _remarks(result: QuestionResult, verdict: Verdict, told: set[tuple[str, ...]]) -> Iterator[Remark]:
    """Yield what is said about a question; what came back several times is told in full once."""
    if result.question.name == OWN_TESTS:
        text = describe_own_tests(verdict.own_tests) if verdict.own_tests else NO_TESTS
        first, *lines = (line.strip() for line in text.splitlines())
        yield Remark(
            "Your tests pass, reach the branches of your module, and notice bugs.",
            result.right,
            tried="Your tests were run on your own module under branch coverage, and on others if there are any.",
            answer=(first, *lines),
        )
    causes: set[Failure | None] = set()
    for check in result.checks:
        cause = check.reason if check.reason in (Failure.STOPPED, Failure.UNDONE) else None
        answer = tuple(came_back(check)) if not check.passed else ()
        if answer and answer in told and len(answer) > 1:
            answer = (answer[0], "(as above)")
        told.add(answer)
        hint = STOPPED_HINT if check.reason is Failure.STOPPED else check.hint
        yield Remark(check.title, check.passed, check.tried, hint, check.visible, answer, cause in causes)
        causes |= {cause} - {None}


def _scale(margin: Margin) -> tuple[float, float]:
    """Return where a figure and its threshold lie on a bar, in per cent of its length."""
    largest = (
        1.25 * max((abs(x) for x in (margin.value, margin.threshold) if math.isfinite(x)), default=1) or 1
    )
    value = margin.value if math.isfinite(margin.value) else largest
    one, other = (round(100 * min(max(x / largest, 0), 1), 1) for x in (value, margin.threshold))
    return one, other
