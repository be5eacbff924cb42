"""The trusted side: runs the checks of a lab against one submission and alone decides what it earns.

A question's score is its points times the weights of its checks that passed over the weights of all, visible
and hidden together. The question ``own_tests`` is scored by :mod:`autograder.judging.own_tests` instead.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from autograder.intake.submission import Submission
from autograder.judging.own_tests import judge_own_tests
from autograder.judging.remote_workspace import RemoteWorkspace
from autograder.judging.verdict import Evidence, QuestionResult, Verdict
from autograder.labs.definition import OWN_TESTS, Lab, Question
from autograder.labs.preload import preloadable
from autograder.worker.launch import Launch, plain_process
from labkit.own_tests import OwnTests
from labkit.results import CheckResult
from labkit.runner import CheckFileError, run_checks
from labkit.student import Student

OUTPUT_CUT = "output-cut"
AFTER_A_TIME_OUT = 0.25  # the share of their time that the tests of a module that ran into a deadline get


def judge(
    lab: Lab,
    submission: Submission,
    hidden: bool = True,
    launch: Launch = plain_process,
    planted_bugs: bool = True,
) -> Verdict:
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
    planted_bugs : bool
        Whether the student's tests meet other implementations, too, where hidden checks count.

    Returns
    -------
    Verdict
        The scores and the reasons for them.

    Raises
    ------
    labkit.runner.CheckFileError
        If the lab's own checks cannot run, or a question has none.
    """
    began = time.monotonic()
    if submission.missing:
        nothing = [QuestionResult(question, 0.0) for question in lab.questions]
        return Verdict(
            submission.student,
            lab.name,
            "missing",
            nothing,
            notes=submission.notes,
            flags=list(submission.flags),
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
    own_tests, tests_workspace = None, None
    timings: dict[str, float] = {}
    if _has_own_tests(lab, submission):
        patience = AFTER_A_TIME_OUT if workspace.timed_out else 1.0
        own_tests, tests_workspace, timings = judge_own_tests(
            lab, submission, preloadable(lab), launch, patience, mutate=hidden and planted_bugs
        )
    workspaces = [space for space in (workspace, tests_workspace) if space]
    endings = [
        ending if space is not workspace or label in told else f"{label}: the grader's check got no answer"
        for space in workspaces
        for label, ending in space.endings.items()
    ]
    for space in workspaces:
        if space.printed > (most := lab.limits.output_bytes):
            space.evidence[f"More than {most:,} bytes were printed; the first {most:,} were kept."] = (
                OUTPUT_CUT
            )
    notes, flags = _remarks(submission, workspaces, cell_errors, endings)
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


def _run_checks(path: Path, visible: bool, student: Student, lab: Lab) -> list[CheckResult]:
    """Run a file of checks and return their results without the exceptions, which may not pickle."""
    return [replace(result, error=None) for result in run_checks([(path, visible)], student, lab)]


def _module_text(lab: Lab, submission: Submission) -> str:
    """Return the text of the student's module, for checks that read it and do not run it."""
    path = submission.files.get(lab.files.module)
    return path.read_text(encoding="utf-8", errors="replace") if path else ""


def _has_own_tests(lab: Lab, submission: Submission) -> bool:
    asked = any(question.name == OWN_TESTS for question in lab.questions)
    return asked and lab.files.module in submission.files and lab.files.tests in submission.files


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
) -> tuple[list[str], list[str]]:
    """Return notes, which students read, and flags about the submission and its run."""
    notes, flags = list(submission.notes), list(submission.flags)
    notes += [f"A call was stopped. {ending}." for ending in endings]
    for workspace in workspaces:
        notes += [fact for fact, flag in workspace.evidence.items() if flag == OUTPUT_CUT]
        if workspace.cell_errors:
            flags.append("cell-errors")
    notes += [f"In the notebook, {error}." for error in cell_errors.values()]
    flags += [flag for workspace in workspaces for flag in workspace.evidence.values()]
    return notes, list(dict.fromkeys(flags))
