"""The notebook that an instructor opens in formgrader: the lab's cells, the student's code, the verdicts."""

import copy
from collections.abc import Callable

import nbformat
from nbformat import NotebookNode

from autograder.intake.arrangement import Arrangement
from autograder.judging.verdict import QuestionResult, Verdict
from autograder.labs.definition import OWN_TESTS
from autograder.labs.notebooks import role
from labkit.own_tests import describe_own_tests
from labkit.results import CheckResult


def graded_notebook(release: NotebookNode, arrangement: Arrangement, verdict: Verdict) -> NotebookNode:
    """Return the notebook that formgrader shows: the lab's cells, the student's code, the verdicts as outputs.

    Outputs say what feedback says and no more: nbgrader's own feedback shows them to students.
    """
    new_code: Callable[..., NotebookNode] = nbformat.v4.new_code_cell
    new_output: Callable[..., NotebookNode] = nbformat.v4.new_output
    results = {result.question.name: result for result in verdict.questions}
    notebook = copy.deepcopy(release)
    cells = [new_code(source) for source in arrangement.added.get(None, [])]
    for cell in notebook.cells:
        if arrangement.answers.get(cell.id):
            cell.source = "\n\n".join(arrangement.answers[cell.id])
        if role(cell) == "grade" and cell.id in results:
            cell.outputs = [new_output("stream", name="stdout", text=summary(results[cell.id], verdict))]
        cells += [cell, *(new_code(source) for source in arrangement.added.get(cell.id, []))]
    for index, cell in enumerate(cells):
        if "nbgrader" not in cell.metadata:
            cell.id = f"graded-{index:03d}"  # added cells have random ids: the same grading, the same file
    notebook.cells = cells
    return notebook


def summary(result: QuestionResult, verdict: Verdict) -> str:
    """Return a question's result as text, with what students may know and no more."""
    lines = [f"{result.score:g} of {result.question.points:g} points"]
    if result.question.name == OWN_TESTS and verdict.own_tests:
        lines.append(describe_own_tests(verdict.own_tests))
    for check in result.checks:
        lines.append(f"{'OK  ' if check.passed else 'FAIL'} {check.title}")
        lines += [f"     {line}" for line in explanation(check)]
    return "\n".join(lines) + "\n"


def explanation(check: CheckResult) -> list[str]:
    """Return what was tried, what came back and a hint, for the student; nothing where the check passed."""
    if check.passed:
        return []
    lines = [f"Tried: {check.tried}"] if check.tried else []
    lines += came_back(check)
    return lines + ([f"Hint: {check.hint}"] if check.hint else [])


def came_back(check: CheckResult) -> list[str]:
    """Return what came back from a check that failed.

    From a visible check that is its message and the student's own frames. A hidden check's message may hold its
    inputs, and the student's code sees those, too: of it only the kind is told, in words from a fixed list.
    """
    return check.message.splitlines() + check.traceback.splitlines() if check.visible else [check.kind]
