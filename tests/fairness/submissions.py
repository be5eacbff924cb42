"""Submissions made of a lab's own solution: right ones in other styles, and ones with a given mistake."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import nbformat

from autograder.intake.submission import Submission, read_submission
from autograder.judging.judge import judge
from autograder.judging.remote_workspace import RemoteWorkspace
from autograder.judging.verdict import Verdict
from autograder.labs.definition import Lab
from autograder.labs.markers import BEGIN, END
from autograder.labs.preload import preloadable
from autograder.release.derive import release_notebooks
from autograder.sandbox.choose import launcher, resolve
from autograder.worker.launch import Launch
from labkit.runner import run_checks
from labkit.student import Student

Files = dict[str, str | bytes]
"""A submission's files by name; an artefact's are bytes."""


@contextlib.contextmanager
def launches() -> Iterator[Callable[[Lab], Launch]]:
    """Yield a function that gives a lab's launcher, with this machine's isolation: started once, kept to the end."""
    started: dict[str, Launch] = {}
    with contextlib.ExitStack() as stack:

        def launch(lab: Lab) -> Launch:
            if lab.name not in started:
                started[lab.name] = stack.enter_context(launcher(resolve("auto"), lab))
            return started[lab.name]

        yield launch


def solve(lab: Lab) -> Files:
    """Return a lab's files as a good student hands them in: the released notebook, answered, and no markers."""
    notebook = nbformat.reads(release_notebooks([lab])[lab.name].decode(), as_version=4)
    answers = {cell.id: cell.source for cell in lab.notebook.cells}
    for cell in notebook.cells:
        cell.source = without_markers(answers[cell.id])
    texts = {name: (lab.folder / name).read_text(encoding="utf-8") for name in lab.files.python}
    artefact = [path for path in sorted((lab.folder / "artefact").rglob("*")) if path.is_file()]
    return (
        {lab.files.notebook: nbformat.writes(notebook)}
        | {name: without_markers(text) for name, text in texts.items()}
        | {path.relative_to(lab.folder).as_posix(): path.read_bytes() for path in artefact}
    )


def without_markers(text: str) -> str:
    """Return a text without the lines that mark solutions."""
    return "\n".join(line for line in text.split("\n") if line.strip() not in (BEGIN, END))


def edited(text: str, changes: Mapping[str, str]) -> str:
    """Return a text with pieces replaced, each of which must occur exactly once."""
    for old, new in changes.items():
        if text.count(old) != 1:
            raise ValueError(
                f"{old!r} occurs {text.count(old)} times in the solution: adapt the fairness suite"
            )
        text = text.replace(old, new)
    return text


def with_cells(notebook: str, change: Callable[[list[nbformat.NotebookNode]], object]) -> str:
    """Return a notebook whose list of cells was changed in place."""
    content = nbformat.reads(notebook, as_version=4)
    change(content.cells)
    return nbformat.writes(content)


def hand_in(
    lab: Lab, files: Files, folder: Path, afterwards: Callable[[Path], object] = lambda folder: None
) -> Submission:
    """Write files where a student would, change what a mapping cannot say, and read them as the grader does."""
    folder = folder / "student" / lab.name
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    afterwards(folder)
    return read_submission(lab, "student", folder)


def verdict_on(lab: Lab, files: Files, folder: Path, launch: Launch, mutate: bool = True) -> Verdict:
    """Hand in files and judge them; without ``mutate`` the students' tests meet no other implementation."""
    if not mutate:
        lab = dataclasses.replace(lab, variants={}, mutants=())
    return judge(lab, hand_in(lab, files, folder), launch=launch)


def points_for(
    lab: Lab, submission: Submission, questions: Sequence[str], launch: Launch
) -> tuple[dict[str, float], list[str]]:
    """Judge some questions by themselves, without the notebook.

    Returns
    -------
    dict of str to float
        Points by question.
    list of str
        What the checks that failed said.
    """
    points, told = {}, []
    module = submission.files[lab.files.module].read_text(encoding="utf-8")
    with RemoteWorkspace(submission.files, lab.module, [], lab.limits, preloadable(lab), launch) as workspace:
        student = Student(workspace, module)
        for question in questions:
            results = run_checks([(lab.visible_checks, True)], student, lab, question)
            results += run_checks([(lab.hidden_checks, False)], student, lab, question)
            worth = next(q.points for q in lab.questions if q.name == question)
            earned = sum(result.weight for result in results if result.passed)
            points[question] = round(worth * earned / sum(result.weight for result in results), 2)
            told += [f"{result.title}: {result.message}" for result in results if not result.passed]
    return points, told


def lost(verdict: Verdict) -> dict[str, float]:
    """Return the points that a submission lost, by question, where it lost any."""
    return {
        result.question.name: round(result.question.points - result.score, 2)
        for result in verdict.questions
        if not result.right
    }
