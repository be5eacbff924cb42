"""Grades for a learning platform: ``exports/canvas.csv`` and ``exports/moodle.csv``.

Both platforms import what they export. So the best roster is the platform's own file, with the identifiers that it
matches by: Canvas's gradebook export, or the grading worksheet of a Moodle assignment. Its column of this lab is
filled in and nothing else is changed. Without a roster the names of the students' folders stand in for logins.

The formats: Canvas Community, "How do I import grades in the Gradebook?" (columns Student, ID, SIS User ID, SIS Login
ID, Section; a second line "Points Possible"); Moodle, ``mod/assign/feedback/offline`` (Identifier, Grade, Last
modified (grade); other columns are ignored) and "Grade import" (any columns, which the instructor maps).
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.labs.definition import Lab
from autograder.results.grades_csv import safe_cell
from itemmarket.atomic import write_text

CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
CANVAS_EXTRA = ("Integration ID", "Root Account")  # in the export of institutions that use them
POINTS_POSSIBLE = "    Points Possible"
MOODLE = ("Identifier", "Grade")
_IDENTIFIERS = {
    "canvas": ("ID", "SIS Login ID", "SIS User ID", "Integration ID", "Student"),
    "moodle": ("Identifier", "Email address", "Username", "ID number", "Full name"),
}


class RosterError(ValueError):
    """A roster that cannot be read: which file, what was wrong and what to do."""


@dataclass(frozen=True)
class Roster:
    """A platform's own list of students.

    Attributes
    ----------
    path : Path
        The file.
    platform : str
        ``canvas`` or ``moodle``.
    columns : list of str
        The header.
    lines : list of dict
        One for each student, by column.
    delimiter : str
        What separates its columns.
    """

    path: Path
    platform: str
    columns: list[str]
    lines: list[dict[str, str]]
    delimiter: str

    def find(self, students: Sequence[str]) -> dict[str, int]:
        """Return the line of each student who has one; a name that fits several lines fits none."""
        found: dict[str, set[int]] = {}
        for number, line in enumerate(self.lines):
            for key in _keys(line, self.platform):
                found.setdefault(key, set()).add(number)
        matches = {}
        for student in students:
            for key in _wanted(student):
                if len(lines := found.get(key, set())) == 1:
                    matches[student] = next(iter(lines))
                    break
        return matches


def read_roster(path: Path) -> Roster:
    """Read a gradebook export of Canvas or a grading worksheet of Moodle.

    Raises
    ------
    RosterError
        If the file cannot be read or is neither.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise RosterError(f"{path} cannot be read ({error}): export it again, as CSV in UTF-8") from error
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restval="")
    try:
        columns = list(reader.fieldnames or ())
        lines = [{key: line[key] or "" for key in columns} for line in reader]
    except csv.Error as error:
        raise RosterError(f"{path} is no CSV ({error}): export it again") from error
    if set(CANVAS[:2]) <= set(columns):
        students = [line for line in lines if line["ID"].strip()]  # not Points Possible, not Manual Posting
        return Roster(path, "canvas", columns, students, delimiter)
    if set(MOODLE) <= set(columns):
        return Roster(path, "moodle", columns, lines, delimiter)
    raise RosterError(
        f"{path} is neither a gradebook export of Canvas (columns Student and ID) nor a grading worksheet of "
        "Moodle (columns Identifier and Grade, in English): export one of them"
    )


def write_exports(
    folder: Path, lab: Lab, rows: Sequence[Mapping[str, str]], roster: Roster | None = None
) -> list[str]:
    """Write the grades of a lab for both platforms.

    Parameters
    ----------
    folder : Path
        Where ``canvas.csv`` and ``moodle.csv`` go.
    lab : Lab
        The lab.
    rows : sequence of mapping
        The lines of ``grades.csv`` for this lab; the score is the one with penalties and points by hand.
    roster : Roster, optional
        The platform's own list; the other platform's file is written as without one.

    Returns
    -------
    list of str
        What the instructor must know, a sentence each: who has no grade or no line in the roster.
    """
    graded = {row["student"]: row["score"] for row in sorted(rows, key=lambda row: row["student"])}
    notes = [f"{name} has no score and is in neither export." for name, score in graded.items() if not score]
    graded = {name: score for name, score in graded.items() if score}
    writers = {"canvas": _canvas, "moodle": _moodle}
    for platform, table in writers.items():
        mine = roster if roster and roster.platform == platform else None
        columns, lines = table(lab, graded, mine, notes)
        write_text(folder / f"{platform}.csv", _csv(columns, lines, mine.delimiter if mine else ","))
    return notes


def _canvas(
    lab: Lab, graded: Mapping[str, str], roster: Roster | None, notes: list[str]
) -> tuple[list[str], list[list[str]]]:
    """Return header and lines of Canvas's gradebook, with the students' columns and the lab's, no others."""
    title = lab.title
    if roster is None:
        columns = list(CANVAS)
        lines = [[student, "", "", student, "", score] for student, score in graded.items()]
    else:
        columns = [name for name in roster.columns if name in (*CANVAS, *CANVAS_EXTRA)]
        title = next((name for name in roster.columns if _is_of(name, lab)), lab.title)
        lines = [
            [line[name] for name in columns] + [score] for line, score in _matched(graded, roster, notes)
        ]
    possible = [POINTS_POSSIBLE, *[""] * (len(columns) - 1), f"{lab.max_score:g}"]
    return [*columns, title], [possible, *lines]


def _moodle(
    lab: Lab, graded: Mapping[str, str], roster: Roster | None, notes: list[str]
) -> tuple[list[str], list[list[str]]]:
    """Return header and lines of Moodle's grading worksheet, or of a table for its grade import."""
    if roster is None:
        return ["Username", lab.title], [list(line) for line in graded.items()]
    most = {line.get("Maximum Grade", "").strip() for line in roster.lines} - {"", f"{lab.max_score:.2f}"}
    if most - {f"{lab.max_score:g}"}:
        notes.append(
            f"The assignment in Moodle is worth {', '.join(sorted(most))} points and the lab {lab.max_score:g}: "
            "set its maximum grade before you upload the worksheet."
        )
    lines = [line | {"Grade": score} for line, score in _matched(graded, roster, notes)]
    return roster.columns, [[line[name] for name in roster.columns] for line in lines]


def _matched(
    graded: Mapping[str, str], roster: Roster, notes: list[str]
) -> Iterator[tuple[dict[str, str], str]]:
    """Yield the roster's lines in its order with their scores; students without a grade keep what they have."""
    matches = roster.find(list(graded))
    student_of: dict[int, str] = {}
    for student in graded:
        if student not in matches:
            notes.append(
                f"{student} fits no line of {roster.path.name}, or several: enter that grade by hand."
            )
        elif (first := student_of.get(matches[student])) is not None:
            notes.append(
                f"{first} and {student} fit the same line of {roster.path.name}: {first}'s grade is in it."
            )
        else:
            student_of[matches[student]] = student
    for number, line in enumerate(roster.lines):
        if number in student_of:
            yield line, graded[student_of[number]]


def _keys(line: Mapping[str, str], platform: str) -> set[str]:
    """Return what a line of the roster may be called."""
    keys = {_plain(line.get(name) or "") for name in _IDENTIFIERS[platform]}
    keys |= {key.removeprefix("participant ") for key in keys}
    return (keys | {key.partition("@")[0] for key in keys if "@" in key}) - {""}


def _wanted(student: str) -> Iterator[str]:
    """Yield what a student's folder may mean, the surest first: collected ones end in the platform's number."""
    if number := re.search(r"_(\d+)$", student):
        yield number[1]
    yield _plain(student)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _is_of(column: str, lab: Lab) -> bool:
    """Tell whether a column of Canvas ("Title (12345)") is the lab's."""
    return _plain(re.sub(r"\s*\(\d+\)$", "", column)) in (_plain(lab.title), _plain(lab.name))


def _csv(columns: Sequence[str], lines: Sequence[Sequence[str]], delimiter: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerows([[safe_cell(cell) for cell in line] for line in [columns, *lines]])
    return text.getvalue()
