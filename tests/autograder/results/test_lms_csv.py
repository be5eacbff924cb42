"""Grades go into the files that Canvas and Moodle import: their own exports, filled in."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.results.grades_csv import COLUMNS, safe_cell, write_grades
from autograder.results.lms_csv import RosterError, read_roster, write_exports
from tests.labs.handing_in import FOLDER, slope_lab

# The form of Canvas's gradebook export: a byte order mark, the line of possible points, read-only columns.
CANVAS = """\ufeffStudent,ID,SIS User ID,SIS Login ID,Section,Quiz (11),Lab 0: a straight line (12),Final Score
    Points Possible,,,,,5.0,10.0,(read only)
"Lovelace, Ada",101,u-1,ada@school.example,Group 1,4.0,,80
"Boole, George",102,u-2,bob,Group 1,5.0,7.0,90
"Noether, Emmy",103,u-3,emmy,Group 2,,,
"Student, Test",9,,0f3c,Group 1,,,
"""
# The form of a Moodle assignment's grading worksheet.
MOODLE = (
    "Identifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,"
    "Last modified (submission),Last modified (grade),Feedback comments\n"
    'Participant 77,Ada Lovelace,ada@school.example,Submitted for grading,,12.00,Yes,"Sunday, 1 March 2026",-,\n'
    "Participant 78,George Boole,bob@school.example,No submission,,12.00,Yes,-,-,late\n"
    "Participant 79,Emmy Noether,emmy@school.example,No submission,,12.00,Yes,-,-,\n"
)


@pytest.fixture(scope="module")
def lab():
    return slope_lab()


def rows(**scores: str) -> list[dict[str, str]]:
    lines = [(name, FOLDER.name, score, "12", "graded", "") for name, score in scores.items()]
    return [dict(zip(COLUMNS, line, strict=True)) for line in lines]


def table(path: Path, delimiter: str = ",") -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


def roster(tmp_path: Path, text: str):
    path = tmp_path / "roster.csv"
    path.write_text(text, encoding="utf-8")
    return read_roster(path)


def test_without_a_roster_folders_are_logins(lab, tmp_path):
    assert write_exports(tmp_path, lab, rows(bob="7.5", ada="12")) == []
    assert table(tmp_path / "canvas.csv") == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Lab 0: a straight line"],
        ["    Points Possible", "", "", "", "", "12"],
        ["ada", "", "", "ada", "", "12"],
        ["bob", "", "", "bob", "", "7.5"],
    ]
    assert table(tmp_path / "moodle.csv") == [
        ["Username", "Lab 0: a straight line"],
        ["ada", "12"],
        ["bob", "7.5"],
    ]


def test_canvas_gets_its_own_columns_back_and_no_other_grade(lab, tmp_path):
    graded = rows(ada="12", bob="7.5") + rows(**{"nobody": "3"})
    notes = write_exports(tmp_path, lab, graded, roster(tmp_path, CANVAS))
    assert table(tmp_path / "canvas.csv") == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Lab 0: a straight line (12)"],
        ["    Points Possible", "", "", "", "", "12"],
        ["Lovelace, Ada", "101", "u-1", "ada@school.example", "Group 1", "12"],
        ["Boole, George", "102", "u-2", "bob", "Group 1", "7.5"],
    ]
    assert notes == ["nobody fits no line of roster.csv, or several: enter that grade by hand."]
    assert table(tmp_path / "moodle.csv")[0] == ["Username", "Lab 0: a straight line"]


@pytest.mark.parametrize(
    "name", ["ada", "ADA", "u-1", "lovelaceada_101", "101", "Lovelace, Ada", "ada@school.example"]
)
def test_canvas_students_are_found_by_any_of_their_names(lab, tmp_path, name):
    assert write_exports(tmp_path, lab, rows(**{name: "1"}), roster(tmp_path, CANVAS)) == []
    assert table(tmp_path / "canvas.csv")[2][1] == "101"


def test_a_new_assignment_in_canvas_has_the_labs_title(lab, tmp_path):
    text = CANVAS.replace("Lab 0: a straight line (12)", "Something else (12)")
    write_exports(tmp_path, lab, rows(ada="12"), roster(tmp_path, text))
    assert table(tmp_path / "canvas.csv")[0][-1] == "Lab 0: a straight line"


def test_columns_apart_by_semicolons_stay_so(lab, tmp_path):
    text = CANVAS.replace('"Lovelace, Ada"', "Lovelace").replace('"Boole, George"', "Boole").replace('"', "")
    write_exports(tmp_path, lab, rows(bob="1"), roster(tmp_path, text.replace(",", ";")))
    assert table(tmp_path / "canvas.csv", ";")[2] == ["Boole", "102", "u-2", "bob", "Group 1", "1"]


def test_moodles_worksheet_comes_back_with_its_grades(lab, tmp_path):
    before = list(csv.reader(io.StringIO(MOODLE)))
    notes = write_exports(
        tmp_path, lab, rows(**{"Ada Lovelace_77": "11.25", "bob": "0"}), roster(tmp_path, MOODLE)
    )
    assert notes == []
    after = table(tmp_path / "moodle.csv")
    grade = before[0].index("Grade")
    assert after[0] == before[0]
    assert [line[grade] for line in after[1:]] == ["11.25", "0"]
    for old, new in zip(before[1:3], after[1:], strict=True):
        assert [cell for i, cell in enumerate(new) if i != grade] == [
            c for i, c in enumerate(old) if i != grade
        ]


def test_what_the_instructor_must_know_is_said(lab, tmp_path):
    text = MOODLE.replace("12.00", "100.00") + MOODLE.splitlines()[3].replace("79", "80") + "\n"
    graded = rows(ada="5", **{"Ada Lovelace_77": "6", "emmy": "7", "late": ""})
    notes = write_exports(tmp_path, lab, graded, roster(tmp_path, text))
    assert notes == [
        "late has no score and is in neither export.",
        "The assignment in Moodle is worth 100.00 points and the lab 12: "
        "set its maximum grade before you upload the worksheet.",
        "Ada Lovelace_77 and ada fit the same line of roster.csv: Ada Lovelace_77's grade is in it.",
        "emmy fits no line of roster.csv, or several: enter that grade by hand.",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name,mark\nada,3\n", "is neither a gradebook export of Canvas"),
        (b"", "is neither"),
        (b"\xff\xfe\x00S", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_a_wrong_roster_is_one_clear_sentence(tmp_path, content, message):
    path = tmp_path / "roster.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RosterError, match=message):
        read_roster(path)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r="])
def test_no_name_is_a_formula(lab, tmp_path, start):
    name = f"{start}HYPERLINK(1)"
    write_exports(tmp_path, lab, rows(**{name: "3"}))
    write_grades(tmp_path / "grades.csv", lab.name, rows(**{name: "3"}))
    write_grades(tmp_path / "grades.csv", "another lab", [])  # read and written again
    for path in ("canvas.csv", "moodle.csv", "grades.csv"):
        cells = [cell for line in table(tmp_path / path) for cell in line]
        assert safe_cell(name) in cells
        assert not [cell for cell in cells if cell[:1] in "=+-@\t\r" and cell]


@given(st.text(max_size=20))
def test_safe_cells(text):
    assert safe_cell(safe_cell(text)) == safe_cell(text)
    assert not (len(text) > 1 and safe_cell(text)[0] in "=+-@\t\r")
    assert safe_cell(text).removeprefix("'").split() == text.removeprefix("'").split()
