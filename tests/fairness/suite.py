"""What a lab's fairness suite consists of."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autograder.labs.definition import Lab, load_lab
from tests.fairness.submissions import Files, without_markers

Style = Callable[[Lab, Files], Files]


@dataclass(frozen=True)
class Mistake:
    """A submission with one mistake: how it is made, points lost by question, and what the feedback must say."""

    make: Style
    costs: Mapping[str, float]
    names: str
    mutate: bool = False


@dataclass(frozen=True)
class Suite:
    """Right solutions and mistakes of one lab.

    Attributes
    ----------
    folder : Path
        The lab's source.
    styles : mapping of str to callable
        Right solutions.
    slips : mapping of str to Mistake
        Mistakes beside the planted bugs: in the notebook, the tests, the documentation.
    one_each : mapping of str to str
        A planted bug for each question that is quick to judge by itself.
    variant : str
        The right module that earns these questions in the ordinary run.
    small : bool
        Whether all of the suite is quick enough for the ordinary run.
    """

    folder: Path
    styles: Mapping[str, Style]
    slips: Mapping[str, Mistake]
    one_each: Mapping[str, str] = field(default_factory=dict)
    variant: str = ""
    small: bool = False

    @functools.cached_property
    def lab(self) -> Lab:
        """The lab."""
        return load_lab(self.folder)

    @functools.cached_property
    def mistakes(self) -> dict[str, Mistake]:
        """All mistakes: planted bugs that a student could hand in, and slips."""
        return planted(self.lab) | dict(self.slips)


def planted(lab: Lab) -> dict[str, Mistake]:
    """Return the planted bugs that a student could hand in; without tests, whose points are lost as well."""
    own_tests = {q.name: q.points for q in lab.questions if q.name == "own_tests"}

    def mistake(text: str, costs: Mapping[str, float], names: str) -> Mistake:
        def make(lab: Lab, files: Files) -> Files:
            kept = {name: content for name, content in files.items() if name != lab.files.tests}
            return kept | {lab.files.module: without_markers(text)}

        return Mistake(make, {**costs, **own_tests}, names)

    return {m.name: mistake(m.text, dict(m.costs), m.names) for m in lab.mutants if m.costs}
