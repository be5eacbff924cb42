"""All cases, by name, in the order of their files."""

from tests.redteam import (
    accidents,
    answers,
    endings,
    files,
    gradebook,
    in_the_process,
    later,
    own_tests,
    pipe,
    processes,
    resources,
    spying,
    values,
    words,
)
from tests.redteam.desk import CASES, Case

__all__ = ["CASES", "Case", "first_of_each_category"]

_FILES = (accidents, answers, endings, files, gradebook, in_the_process, later)
_FILES += (own_tests, pipe, processes, resources, spying, values, words)


def first_of_each_category(full: bool) -> set[str]:
    """Return the name of one case of each category: the first that the machine's isolation allows."""
    first: dict[str, str] = {}
    for case in CASES.values():
        if full or not case.needs_full:
            first.setdefault(case.category, case.name)
    return set(first.values())
