"""``grades.csv``: one line per student and lab."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.judging.verdict import Verdict
from autograder.results.evidence import observed, similarity_flag
from itemmarket.atomic import write_text

if TYPE_CHECKING:  # which compares nobody unless it is asked to
    from autograder.results.similarity import Group

COLUMNS = ("student", "lab", "score", "max_score", "status", "flags")
Row = dict[str, str]
_FORMULA = ("=", "+", "-", "@", "\t")


def grade_row(verdict: Verdict, score: float, flags: Sequence[str]) -> Row:
    """Return one line of the table; score and further flags come from the gradebook."""
    seen = [*verdict.flags, *(item.flag for item in observed(verdict)), *flags]
    words = " ".join(dict.fromkeys(seen))
    values = (verdict.student, verdict.lab, f"{score:g}", f"{verdict.max_score:g}", verdict.status, words)
    return dict(zip(COLUMNS, values, strict=True))


def write_grades(path: Path, lab: str, rows: Sequence[Row]) -> None:
    """Write the grades of a lab, replacing its earlier ones; lines of other labs stay."""
    others: list[Row] = []
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as file:
            others = [row for row in csv.DictReader(file) if row.get("lab") != lab]
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    lines = sorted([*others, *rows], key=lambda row: (row["lab"], row["student"]))
    writer.writerows(line | {"student": safe_cell(line["student"])} for line in lines)
    write_text(path, text.getvalue())


def with_similarity(row: Row, groups: Iterable["Group"]) -> Row:
    """Return a row with the flag of the group that its student is in."""
    flags = [similarity_flag(group, row["student"]) for group in groups if row["student"] in group.facts]
    return row | {"flags": " ".join(dict.fromkeys([*row["flags"].split(), *flags]))}


def safe_cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: one that begins like it gets an apostrophe.

    A lone carriage return, which Python's ``csv`` would not quote, becomes a blank.
    """
    text = text.replace("\r\n", "\n").replace("\r", " ")
    return f"'{text}" if text.startswith(_FORMULA) and len(text) > 1 else text
