"""Submissions made of a lab's own solution: right ones in other styles, and ones with a given mistake."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import nbformat

from autograder.derive import release_notebooks
from autograder.judge import Verdict, judge
from autograder.lab import Lab
from autograder.launch import Launch
from autograder.markers import BEGIN, END
from autograder.submission import read_submission

Files = dict[str, str]


def solve(lab: Lab) -> Files:
    """Return a lab's files as a good student hands them in: the released notebook, answered, and no markers."""
    notebook = nbformat.reads(release_notebooks([lab])[lab.name].decode(), as_version=4)
    answers = {cell.id: cell.source for cell in lab.notebook.cells}
    for cell in notebook.cells:
        cell.source = without_markers(answers[cell.id])
    texts = {name: (lab.folder / name).read_text(encoding="utf-8") for name in lab.files[1:]}
    return {lab.files[0]: nbformat.writes(notebook)} | {
        name: without_markers(text) for name, text in texts.items()
    }


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


def verdict_on(lab: Lab, files: Files, folder: Path, launch: Launch, mutate: bool = True) -> Verdict:
    """Hand in files and judge them; without ``mutate`` the students' tests meet no other implementation."""
    folder = folder / "student" / lab.name
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    if not mutate:
        lab = dataclasses.replace(lab, variants={}, mutants=())
    return judge(lab, read_submission(lab, "student", folder), launch=launch)


def lost(verdict: Verdict) -> dict[str, float]:
    """Return the points that a submission lost, by question, where it lost any."""
    return {
        result.question.name: round(result.question.points - result.score, 2)
        for result in verdict.questions
        if not result.right
    }
