"""What comes of one submission: plain data, which crosses from the judge to whoever writes it down."""

from dataclasses import dataclass, field

from autograder.intake.arrangement import Arrangement
from autograder.labs.definition import Question
from labkit.own_tests import OwnTests
from labkit.results import CheckResult, Margin


@dataclass(frozen=True)
class QuestionResult:
    """What a submission earned for one question."""

    question: Question
    score: float
    checks: list[CheckResult] = field(default_factory=list)

    @property
    def right(self) -> bool:
        """Whether all points were earned."""
        return self.score == self.question.points


@dataclass(frozen=True)
class Evidence:
    """A fact that an instructor should see: its flag, and what was observed, in words."""

    flag: str
    fact: str


@dataclass(frozen=True)
class Verdict:
    """What came of one submission; plain data that may cross process borders.

    Attributes
    ----------
    student, lab : str
        Whose, and of which lab.
    status : str
        ``graded``, ``missing``, ``corrupt-notebook``, ``timed-out`` or ``crashed`` (the process ended early).
    questions : list of QuestionResult
        In the order of the notebook.
    own_tests : OwnTests or None
        What the student's tests achieved, where they ran.
    notes, flags : list of str
        What was put right or went wrong, in words and for the table.
    log : str
        The beginning of what the student's code printed.
    seconds : float
        How long grading took.
    evidence : list of Evidence
        What lies behind the flags: attempted escapes, tampering, time-outs, memory. Facts, no accusation.
    isolation : str
        How the submission was kept apart: ``full``, ``container`` or ``off``.
    timings : dict of str to float
        Wall seconds of the student's code: in ``calls`` from checks, in the ``own tests``, and these on
        ``mutants``. The rest of ``seconds`` is the grader's own.
    slowest_call_cpu : float
        CPU seconds of the call that took the most: of the reference, the measure of a machine.
    """

    student: str
    lab: str
    status: str
    questions: list[QuestionResult]
    own_tests: OwnTests | None = None
    notes: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    log: str = ""
    seconds: float = 0.0
    evidence: list[Evidence] = field(default_factory=list)
    isolation: str = "off"
    timings: dict[str, float] = field(default_factory=dict)
    slowest_call_cpu: float = 0.0

    @property
    def score(self) -> float:
        """The sum of all scores."""
        return round(sum(result.score for result in self.questions), 2)

    @property
    def max_score(self) -> float:
        """The sum of all points."""
        return sum(result.question.points for result in self.questions)

    @property
    def margins(self) -> list[Margin]:
        """The figures that checks recorded."""
        return [margin for result in self.questions for check in result.checks for margin in check.margins]


@dataclass(frozen=True)
class Judged:
    """What a judge sends back: the verdict, and the student's notebook in the lab's order."""

    verdict: Verdict
    arrangement: Arrangement
