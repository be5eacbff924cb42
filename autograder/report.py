"""The class at a glance: ``grades.csv``, and ``report.html`` with pictures drawn as SVG, needing nothing else."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from autograder.feedback import environment
from autograder.judge import Verdict
from autograder.lab import Lab
from itemmarket.atomic import write_text

COLUMNS = ("student", "lab", "score", "max_score", "status", "flags")
Row = dict[str, str]
_BINS = 10


def grade_row(verdict: Verdict, score: float, flags: Sequence[str]) -> Row:
    """Return one line of the table; score and further flags come from the gradebook."""
    words = " ".join([*verdict.flags, *flags])
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
    writer.writerows(sorted([*others, *rows], key=lambda row: (row["lab"], row["student"])))
    write_text(path, text.getvalue())


def write_report(path: Path, lab: Lab, verdicts: Sequence[Verdict], rows: Sequence[Row]) -> None:
    """Write the page about a class: how scores are distributed, which questions were hard, who got what."""
    handed_in = [verdict for verdict in verdicts if verdict.status != "missing"]
    page = (
        environment()
        .get_template("report.html.j2")
        .render(
            lab=lab,
            rows=sorted(rows, key=lambda row: row["student"]),
            handed_in=len(handed_in),
            bars=distribution(
                [float(row["score"]) for row in rows if row["status"] not in ("missing", "not-graded")],
                lab.max_score,
            ),
            questions=difficulty(lab, handed_in),
        )
    )
    write_text(path, page)


def distribution(scores: Sequence[float], max_score: float) -> list[tuple[str, int, float]]:
    """Return label, count and relative height of each bar of the histogram of scores (ten equal bins)."""
    counts = [0] * _BINS
    for score in scores:
        counts[min(_BINS - 1, max(0, int(_BINS * score / max_score)))] += 1
    labels = [f"{max_score * i / _BINS:g}–{max_score * (i + 1) / _BINS:g}" for i in range(_BINS)]
    return [(label, n, n / max(1, *counts)) for label, n in zip(labels, counts, strict=True)]


def difficulty(lab: Lab, verdicts: Sequence[Verdict]) -> list[tuple[str, float, float]]:
    """Return title, mean share of the points, and share with full points, of each question (0 to 1)."""
    table = []
    for index, question in enumerate(lab.questions):
        shares = [verdict.questions[index].score / question.points for verdict in verdicts]
        n = max(1, len(shares))
        table.append((question.title, sum(shares) / n, sum(share == 1 for share in shares) / n))
    return table
