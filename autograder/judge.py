"""The trusted side: runs the checks of a lab against one submission and alone decides what it earns.

A question's score is its points times the weights of its checks that passed over the weights of all, visible
and hidden together. The question ``own_tests`` is scored by :mod:`autograder.mutation` instead.
"""

import ast
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from autograder.lab import OWN_TESTS, Lab, Question, role
from autograder.launch import Launch, plain_process
from autograder.mutation import judge_own_tests
from autograder.student import RemoteWorkspace
from autograder.submission import Submission
from itemmarket.checks import CheckFileError, run_checks
from itemmarket.own_tests import OwnTests
from itemmarket.student import Student
from itemmarket.verdicts import CheckResult, Margin

AFTER_A_TIME_OUT = 0.25  # the share of their time that the tests of a module that ran into a deadline get


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


def judge(lab: Lab, submission: Submission, hidden: bool = True, launch: Launch = plain_process) -> Verdict:
    """Grade one submission.

    Parameters
    ----------
    lab : Lab
        The lab.
    submission : Submission
        What was handed in.
    hidden : bool
        Whether the hidden checks count, too; without them the verdict is what students can see themselves.
    launch : Launch
        How workers are started.

    Returns
    -------
    Verdict
        The scores and the reasons for them.

    Raises
    ------
    itemmarket.checks.CheckFileError
        If the lab's own checks cannot run, or a question has none.
    """
    began = time.monotonic()
    if submission.missing:
        nothing = [QuestionResult(question, 0.0) for question in lab.questions]
        notes = [*submission.notes, "Nothing was handed in."]
        return Verdict(
            submission.student, lab.name, "missing", nothing, notes=notes, flags=list(submission.flags)
        )
    cells = submission.arrangement.runnable(lab.notebook) if not submission.corrupt else []
    with RemoteWorkspace(
        submission.files, lab.module, cells, lab.limits, preloadable(lab), launch
    ) as workspace:
        student = Student(workspace, _module_text(lab, submission))
        checks = _run_checks(lab.visible_checks, True, student, lab)
        # From here on errors, and even an exit status, may hold inputs of hidden checks: students are not told.
        cell_errors, told = dict(workspace.cell_errors), set(workspace.endings)
        if hidden and lab.hidden_checks:
            checks += _run_checks(lab.hidden_checks, False, student, lab)
    own_tests, tests_workspace, timings = None, None, {}
    if _has_own_tests(lab, submission):
        patience = AFTER_A_TIME_OUT if workspace.timed_out else 1.0
        own_tests, tests_workspace, timings = judge_own_tests(
            lab, submission, preloadable(lab), launch, patience, mutate=hidden
        )
    workspaces = [space for space in (workspace, tests_workspace) if space]
    endings = [
        ending if space is not workspace or label in told else f"{label}: the grader's check got no answer"
        for space in workspaces
        for label, ending in space.endings.items()
    ]
    notes, flags = _remarks(submission, workspaces, cell_errors, endings, lab.limits.output_bytes)
    if own_tests and own_tests.failures:
        flags.append("own-tests-fail")
    if own_tests and own_tests.mutation and own_tests.mutation.refused:
        flags.append("own-tests-refuse")
    return Verdict(
        student=submission.student,
        lab=lab.name,
        status=_status(submission, workspaces),
        questions=[_score(question, checks, own_tests, hidden) for question in lab.questions],
        own_tests=own_tests,
        notes=notes,
        flags=flags,
        log=workspace.log,
        seconds=time.monotonic() - began,
        timings={"calls": workspace.seconds} | timings,
        evidence=[Evidence(flag, fact) for space in workspaces for fact, flag in space.evidence.items()],
        isolation=launch.name,
        slowest_call_cpu=workspace.slowest_call_cpu,
    )


def preloadable(lab: Lab) -> list[str]:
    """Return what the lab's module, its notebook's setup and its visible checks import, but not each other."""
    sources: list[str | bytes] = [cell.source for cell in lab.notebook.cells if role(cell) == "setup"]
    names: dict[str, None] = {}
    for path in (lab.folder / f"{lab.module}.py", lab.visible_checks):
        with contextlib.suppress(OSError):  # in a released lab the module is the student's file
            sources.append(path.read_bytes())
    for source in sources:
        try:
            body = ast.parse(source).body
        except (SyntaxError, ValueError):
            continue
        for node in body:
            if isinstance(node, ast.Import):
                names |= dict.fromkeys(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names[node.module] = None
    return [name for name in names if not (lab.folder / f"{name}.py").exists()]


def _run_checks(path: Path, visible: bool, student: Student, lab: Lab) -> list[CheckResult]:
    """Run a file of checks and return their results without the exceptions, which may not pickle."""
    return [replace(result, error=None) for result in run_checks([(path, visible)], student, lab)]


def _module_text(lab: Lab, submission: Submission) -> str:
    """Return the text of the student's module, for checks that read it and do not run it."""
    path = submission.files.get(lab.files[1])
    return path.read_text(encoding="utf-8", errors="replace") if path else ""


def _has_own_tests(lab: Lab, submission: Submission) -> bool:
    asked = any(question.name == OWN_TESTS for question in lab.questions)
    return asked and lab.files[1] in submission.files and lab.files[2] in submission.files


def _score(
    question: Question, checks: Sequence[CheckResult], own_tests: OwnTests | None, hidden: bool
) -> QuestionResult:
    """Return what one question earned."""
    if question.name == OWN_TESTS:
        return QuestionResult(question, round(question.points * (own_tests.share if own_tests else 0), 2))
    mine = [check for check in checks if check.question == question.name]
    total = sum(check.weight for check in mine)
    if hidden and not total:
        raise CheckFileError(f"question {question.name!r} has no checks that count")
    passed = sum(check.weight for check in mine if check.passed)
    return QuestionResult(question, round(question.points * passed / total, 2) if total else 0.0, mine)


def _status(submission: Submission, workspaces: Sequence[RemoteWorkspace]) -> str:
    if submission.corrupt:
        return "corrupt-notebook"
    if any(workspace.timed_out for workspace in workspaces):
        return "timed-out"
    return "crashed" if any(workspace.endings for workspace in workspaces) else "graded"


def _remarks(
    submission: Submission,
    workspaces: Sequence[RemoteWorkspace],
    cell_errors: Mapping[str, str],
    endings: Sequence[str],
    output_bytes: int,
) -> tuple[list[str], list[str]]:
    """Return notes, which students read, and flags about the submission and its run."""
    notes, flags = list(submission.notes), list(submission.flags)
    notes += [f"A call was stopped. {ending}." for ending in endings]
    for workspace in workspaces:
        if workspace.printed > output_bytes:
            notes.append(
                f"More than {output_bytes:,} bytes were printed; the first {output_bytes:,} were kept."
            )
            flags.append("output-cut")
        if workspace.cell_errors:
            flags.append("cell-errors")
    notes += [f"In the notebook, {error}." for error in cell_errors.values()]
    flags += [flag for workspace in workspaces for flag in workspace.evidence.values()]
    return notes, list(dict.fromkeys(flags))
