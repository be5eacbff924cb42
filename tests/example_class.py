"""The example class of a lab, graded as an instructor would: what the tests of all labs share."""

import ast
import csv
import html
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from autograder import cli
from autograder.labs.definition import Lab, load_lab
from tests.sharing import course_run

FULL = 30
MISSING = {"fatima", "goran", "jun"}  # who hand in lab 1 only


@dataclass(frozen=True)
class Graded:
    """A class that was graded.

    Attributes
    ----------
    rows : dict of str to dict
        The lines of grades.csv by student.
    out : Path
        The course root that was graded into.
    lab : Lab
        The lab's source.
    """

    rows: dict[str, dict[str, str]]
    out: Path
    lab: Lab

    def feedback(self, student: str) -> str:
        """Return a student's page of feedback as text."""
        page = self.out / "feedback" / student / f"{self.lab.name}.html"
        return html.unescape(page.read_text(encoding="utf-8"))


class ExampleClass:
    """What holds of the example class in every lab; a lab's tests inherit from it.

    Attributes
    ----------
    lab : str
        The lab's name.
    earns : dict of str to (float, str)
        Right points and status by student.
    tells : dict of str to str
        Words that must stand in a student's feedback.
    in_run : bool
        Whether ``course.py run`` grades this class, so that nobody has to grade it again.
    within : float
        How far points may be off: 0 where nothing is timed.
    """

    pytestmark = pytest.mark.timeout(1800)  # a slow machine with another worker beside it

    lab: ClassVar[str]
    earns: ClassVar[dict[str, tuple[float, str]]]
    tells: ClassVar[dict[str, str]] = {}
    within: ClassVar[dict[str, float]] = {}
    ordinary: ClassVar[tuple[str, ...]] = ()
    in_run: ClassVar[bool] = False

    @pytest.fixture(scope="class")
    @classmethod
    def graded(cls, request, root, tmp_path_factory) -> Graded:
        """The class, or who is graded in the ordinary run, graded into a folder."""
        if cls.in_run:
            course_run(root, tmp_path_factory)
            return cls.read(root / "build" / "run", root)
        folder, out = root / "examples" / "class", tmp_path_factory.mktemp("class") / "grades"
        if cls.ordinary and not request.config.getoption("--long"):
            chosen = tmp_path_factory.mktemp("chosen")
            for student in cls.ordinary:
                shutil.copytree(folder / student / cls.lab, chosen / student / cls.lab)
            folder = chosen
        assert cli.grade([cls.lab, str(folder), "--out", str(out), "--workers", "2"]) == 0
        return cls.read(out, root)

    @classmethod
    def read(cls, out: Path, root: Path) -> Graded:
        """Return what was graded into a folder."""
        with (out / "grades.csv").open(encoding="utf-8", newline="") as file:
            rows = {row["student"]: row for row in csv.DictReader(file)}
        return Graded(rows, out, load_lab(root / "solutions" / cls.lab))

    def test_everybody_gets_what_they_earn(self, graded):
        assert set(self.ordinary or self.earns) <= graded.rows.keys() <= self.earns.keys() | MISSING
        for student, row in graded.rows.items():
            score, status = self.earns.get(student, (0, "missing"))
            tolerance = self.within.get(student, 1e-6)
            assert float(row["score"]) == pytest.approx(score, abs=tolerance), (row, graded.feedback(student))
            assert (row["status"], float(row["max_score"])) == (status, FULL)

    def test_feedback_says_what_happened(self, graded):
        for student in self.tells.keys() & graded.rows.keys():
            assert self.tells[student] in graded.feedback(student), student

    def test_feedback_gives_no_hidden_check_away(self, graded):
        secret = hidden_lines(graded.lab)
        assert secret
        for student in graded.rows.keys() & {"bela", "goran", "emil"}:
            text = graded.feedback(student)
            assert not [line for line in secret if line in text], student


def hidden_lines(lab: Lab) -> set[str]:
    """Return the telling lines of a lab's hidden checks; docstrings and hints are for students."""
    tree = ast.parse(lab.hidden_checks.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    lines = {line.strip() for line in ast.unparse(tree).splitlines() if "hint=" not in line}
    return {
        line for line in lines if len(line) > 40 and not line.startswith(('"""', "'", "@pytest", "def test"))
    }
