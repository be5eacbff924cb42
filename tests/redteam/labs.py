"""Attacks that fit one lab only: on its data, its artefact, its figures. Judged question by question.

What fits any lab is tried on lab 0, which costs a second a case; see ``catalogue.py``. Here a case hands in a lab's
own solution with something changed, and says what the questions that it aims at must earn.
"""

import functools
import inspect
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from autograder.labs.definition import Lab, load_lab
from autograder.worker.launch import Launch
from tests.conftest import ROOT
from tests.fairness.submissions import Files, hand_in, launches, points_for, solve

Submit = Callable[[Files], Files]


@dataclass(frozen=True)
class LabCase:
    """One submission of a lab and the right points of the questions that it aims at.

    Attributes
    ----------
    lab, name, category, tries : str
        ``tries`` is a sentence.
    make : callable
        Changes the solution's files.
    earns : mapping of str to float
        The right share of each question's points; upper bounds where ``at_most`` says so.
    at_most : bool
        Whether fewer points are right as well.
    afterwards : callable
        Called with the folder that was handed in, before it is read: for what a mapping of files cannot say.
    quick : bool
        Whether it takes seconds, and no training.
    """

    lab: str
    name: str
    category: str
    tries: str
    make: Submit
    earns: Mapping[str, float]
    at_most: bool = False
    afterwards: Callable[[Path], object] = lambda folder: None
    quick: bool = True


LAB_CASES: dict[str, LabCase] = {}


def lab_case(
    lab: str, category: str, earns: Mapping[str, float], **more: object
) -> Callable[[Submit], Submit]:
    """Register a function as a case: its name is the case's, its docstring what it tries."""

    def register(make: Submit) -> Submit:
        tries = " ".join(inspect.getdoc(make).split())
        assert make.__name__ not in LAB_CASES
        LAB_CASES[make.__name__] = LabCase(lab, make.__name__, category, tries, make, earns, **more)
        return make

    return register


def judge_case(
    case: LabCase, folder: Path, launch: Callable[[Lab], Launch]
) -> tuple[dict[str, float], list[str]]:
    """Hand a case in and return the share of points by question, and what the checks said."""
    lab, files = solved(case.lab)
    submission = hand_in(lab, case.make(dict(files)), folder, case.afterwards)
    points, told = points_for(lab, submission, list(case.earns), launch(lab))
    return {q.name: points[q.name] / q.points for q in lab.questions if q.name in points}, told


@functools.cache
def solved(name: str) -> tuple[Lab, Files]:
    """Return a lab and its solution as handed in."""
    lab = load_lab(ROOT / "solutions" / name)
    return lab, solve(lab)


def is_right(case: LabCase, shares: Mapping[str, float]) -> bool:
    """Tell whether the shares are what the case says."""
    over = {question: shares[question] - right for question, right in case.earns.items()}
    return all(excess < 0.011 and (case.at_most or excess > -0.011) for excess in over.values())


def judge_all(cases: Iterable[LabCase]) -> Iterator[dict[str, object]]:
    """Judge cases for the benchmark; yield its rows, in points of the questions that a case aims at."""
    with launches() as launch:
        for case in cases:
            with tempfile.TemporaryDirectory(prefix="redteam-") as folder:
                shares, _ = judge_case(case, Path(folder), launch)
            points = {question.name: question.points for question in solved(case.lab)[0].questions}
            yield {
                "case": case.name,
                "category": f"{case.lab.partition('_')[0]}: {case.category}",
                "tries": case.tries,
                "right": round(sum(points[q] * share for q, share in case.earns.items()), 2),
                "at_most": case.at_most,
                "ours": {
                    "score": round(sum(points[q] * share for q, share in shares.items()), 2),
                    "verdict": "right" if is_right(case, shares) else "wrong",
                },
            }
