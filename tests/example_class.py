"""The example class of a lab, graded as an instructor would: what the tests of all labs share."""

import ast
import csv
import html
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from autograder import cli
from autograder.lab import Lab, load_lab

FULL = 30


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
    within : float
        How far points may be off: 0 where nothing is timed.
    """

    lab: ClassVar[str]
    earns: ClassVar[dict[str, tuple[float, str]]]
    tells: ClassVar[dict[str, str]] = {}
    within: ClassVar[dict[str, float]] = {}

    @pytest.fixture(scope="class")
    @classmethod
    def graded(cls, root, tmp_path_factory) -> Graded:
        """The class, graded into a folder."""
        out = tmp_path_factory.mktemp("class") / "grades"
        folder = root / "examples" / "class"
        assert cli.grade([cls.lab, str(folder), "--out", str(out), "--workers", "2"]) == 0
        with (out / "grades.csv").open(encoding="utf-8", newline="") as file:
            rows = {row["student"]: row for row in csv.DictReader(file)}
        return Graded(rows, out, load_lab(root / "solutions" / cls.lab))

    def test_everybody_gets_what_they_earn(self, graded):
        for student, (score, status) in self.earns.items():
            row = graded.rows[student]
            tolerance = self.within.get(student, 1e-6)
            assert float(row["score"]) == pytest.approx(score, abs=tolerance), (row, graded.feedback(student))
            assert (row["status"], float(row["max_score"])) == (status, FULL)

    def test_who_handed_nothing_in_is_missing(self, graded):
        others = {student: row["status"] for student, row in graded.rows.items() if student not in self.earns}
        assert set(others.values()) <= {"missing"}

    def test_feedback_says_what_happened(self, graded):
        for student, words in self.tells.items():
            assert words in graded.feedback(student), student

    def test_feedback_gives_no_hidden_check_away(self, graded):
        secret = hidden_lines(graded.lab)
        assert secret
        for student in set(self.earns) & {"bela", "goran", "emil"}:
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
