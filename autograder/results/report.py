"""The class at a glance: ``grades.csv``, and ``report.html`` with pictures first, needing nothing but a browser."""

import os
import platform
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.judging.verdict import Verdict
from autograder.labs.definition import Lab
from autograder.results.evidence import WORDS, observed
from autograder.results.grades_csv import Row
from autograder.results.render import environment
from itemmarket.atomic import write_text

if TYPE_CHECKING:  # a student's `check` comes by here and compares nobody
    from autograder.results.similarity import Group

SLOWEST = 5
FEWEST = 5  # submissions: a correlation over fewer says nothing
_BINS = 10


@dataclass(frozen=True)
class QuestionFigures:
    """How a question did in the class.

    Attributes
    ----------
    title : str
        The question.
    mean, full : float
        Mean share of its points, and share of the class with all of them, 0 to 1.
    discrimination : float or None
        Item–rest correlation: Pearson's, of its scores with the scores of all other questions. None where
        there are fewer than five submissions, or either does not vary.
    """

    title: str
    mean: float
    full: float
    discrimination: float | None

    @property
    def in_words(self) -> str:
        """The discrimination, for readers without statistics."""
        if self.discrimination is None:
            return "nothing can be said: too few submissions, or all with the same points"
        for least, words in _DISCRIMINATION:
            if self.discrimination >= least:
                return words
        return "who did well elsewhere did worse here: look at its checks and its wording"


_DISCRIMINATION = (  # Ebel and Frisbie, Essentials of Educational Measurement, 1991
    (0.4, "tells strong from weak work very well"),
    (0.3, "tells strong from weak work well"),
    (0.2, "tells strong from weak work a little"),
    (0.0, "hardly tells strong from weak work"),
)


def write_report(
    path: Path,
    lab: Lab,
    verdicts: Iterable[Verdict],
    rows: Sequence[Row],
    groups: Sequence["Group"] = (),
    deadline: str = "",
) -> None:
    """Write the page about a class.

    Parameters
    ----------
    path : Path
        Where to; links to feedback are relative to it.
    lab : Lab
        The lab.
    verdicts : iterable of Verdict
        What came of each submission; read once.
    rows : sequence of dict
        The lines of ``grades.csv``.
    groups : sequence of Group
        From :func:`autograder.results.similarity.find_groups`.
    deadline : str
        What a call was allowed on this machine, in a sentence.
    """
    handed_in = [
        replace(verdict, log="") for verdict in verdicts if verdict.status != "missing"
    ]  # logs are long
    handed_in.sort(key=lambda verdict: verdict.student)
    scores = [float(row["score"]) for row in rows if row["status"] not in ("missing", "not-graded")]
    seconds = {verdict.student: verdict.seconds for verdict in handed_in}
    page = (
        environment()
        .get_template("report.html.j2")
        .render(
            lab=lab,
            rows=sorted(rows, key=lambda row: row["student"]),
            seconds=seconds,
            handed_in=len(scores),
            median=statistics.median(scores) if scores else None,
            bars=distribution(scores, lab.max_score),
            questions=question_figures(lab, handed_in),
            slowest=sorted(handed_in, key=lambda verdict: (-verdict.seconds, verdict.student))[:SLOWEST],
            flagged=[(v.student, found) for v in handed_in if (found := _facts(v, groups))],
            words=WORDS,
            groups=groups,
            isolation=sorted(Counter(verdict.isolation for verdict in handed_in).items()),
            machine=machine(),
            deadline=deadline,
            total_seconds=sum(seconds.values()),
            mutation=[(v.student, v.own_tests) for v in handed_in if getattr(v.own_tests, "mutation", None)],
        )
    )
    write_text(path, page)


def _facts(verdict: Verdict, groups: Iterable["Group"]) -> dict[str, list[str]]:
    """Return the facts about a submission by flag, each once."""
    facts: dict[str, list[str]] = {}
    for item in observed(verdict, groups):
        if item.fact not in facts.setdefault(item.flag, []):
            facts[item.flag].append(item.fact)
    return facts


def machine() -> str:
    """Return what graded the class, in a few words."""
    system = f"{platform.system()} {platform.machine()}".strip()
    return f"{system}, {os.cpu_count() or 1} cores, Python {platform.python_version()}"


def distribution(scores: Sequence[float], max_score: float) -> list[tuple[str, int, float]]:
    """Return label, count and relative height of each bar of the histogram of scores (ten equal bins)."""
    counts = [0] * _BINS
    for score in scores:
        counts[min(_BINS - 1, max(0, int(_BINS * score / max_score)))] += 1
    labels = [f"{max_score * i / _BINS:g}–{max_score * (i + 1) / _BINS:g}" for i in range(_BINS)]
    return [(label, n, n / max(1, *counts)) for label, n in zip(labels, counts, strict=True)]


def question_figures(lab: Lab, verdicts: Sequence[Verdict]) -> list[QuestionFigures]:
    """Return difficulty and discrimination of each question among those who handed in."""
    table = []
    for index, question in enumerate(lab.questions):
        scores = [verdict.questions[index].score for verdict in verdicts]
        rest = [verdict.score - score for verdict, score in zip(verdicts, scores, strict=True)]
        shares = [score / question.points for score in scores]
        n = max(1, len(shares))
        table.append(
            QuestionFigures(
                question.title,
                sum(shares) / n,
                sum(share >= 1 for share in shares) / n,
                item_rest_correlation(scores, rest),
            )
        )
    return table


def item_rest_correlation(scores: Sequence[float], rest: Sequence[float]) -> float | None:
    """Return Pearson's correlation of a question's scores with the scores of the rest, None where it is undefined."""
    rest = [round(score, 6) for score in rest]  # differences of sums: equal ones must be equal
    if len(scores) < FEWEST or len(set(scores)) == 1 or len(set(rest)) == 1:
        return None
    return statistics.correlation(scores, rest)
