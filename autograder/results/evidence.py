"""What an instructor should see of a submission: flags, and the facts behind them. Never shown to students."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from autograder.judging.verdict import Evidence, Verdict

if TYPE_CHECKING:  # a student's `check` comes by here and compares nobody
    from autograder.results.similarity import Group

WORDS = {
    "escape-attempt": "reached beyond its folder",
    "tampering": "interfered with the grading protocol",
    "time-out": "ran into a time limit",
    "memory": "ran into the memory limit",
    "process-ended": "ended its process",
    "output-cut": "printed more than is kept",
    "impossible-arcs": "reported coverage that its source cannot have",
    "identical-code": "same code as another submission",
    "similar-code": "much code in common with another submission",
}


def observed(verdict: Verdict, groups: Iterable["Group"] = ()) -> list[Evidence]:
    """Return everything observed of a submission: what the judge noted, what was cut, what is alike.

    Parameters
    ----------
    verdict : Verdict
        The submission's.
    groups : iterable of Group
        Groups of similar submissions of the class.
    """
    found = list(verdict.evidence)
    for group in groups:
        if verdict.student in group.facts:
            found.append(Evidence(similarity_flag(group, verdict.student), group.facts[verdict.student]))
    return found


def similarity_flag(group: "Group", student: str) -> str:
    """Return the flag of a member of a group."""
    return "identical-code" if student in group.identical else "similar-code"
