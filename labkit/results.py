"""What comes of a check: passed or not, why not, and by how much a figure kept its threshold."""

from dataclasses import dataclass, field
from enum import StrEnum

SLACK = 1.03  # full credit starts 3 % beyond a stated threshold: luck with a seed costs nobody a point


@dataclass(frozen=True)
class Margin:
    """How far a figure is from its threshold (``at_most`` or ``at_least``)."""

    name: str
    value: float
    threshold: float
    at_most: bool

    @property
    def passed(self) -> bool:
        """Whether the figure earns full credit, within the slack of 3 %."""
        return self.value <= self.threshold * SLACK if self.at_most else self.value >= self.threshold / SLACK


class Failure(StrEnum):
    """Why a check failed; told by the kind of what was raised, and by no word of the student's."""

    WRONG = "wrong"  # an answer came back, but not the expected one
    RAISED = "raised"  # the student's code raised
    UNDONE = "undone"  # a place is still to be filled in
    STOPPED = "stopped"  # the student's code ran into a limit, or its process ended
    MALFORMED = "malformed"  # what came back could not be compared


@dataclass
class CheckResult:
    """What came of one check.

    Attributes
    ----------
    question, title, hint : str
        The question it belongs to, the first line of its docstring, and its hint.
    weight : float
        Its share in the question's points.
    visible : bool
        Whether students have it.
    passed : bool
        The verdict.
    message, traceback : str
        What came back when it failed.
    margins : list of Margin
        Figures that it recorded.
    error : BaseException or None
        What was raised, for ``check`` in a notebook to raise again.
    tried : str
        What the check did, in words: the second paragraph of its docstring.
    kind : str
        What came back when it failed, in words from a fixed list: no data can be in it, so that it may be
        shown of hidden checks too.
    reason : Failure or None
        The same for programs; None where it passed.
    """

    question: str
    title: str
    hint: str
    weight: float
    visible: bool
    passed: bool = False
    message: str = ""
    traceback: str = ""
    margins: list[Margin] = field(default_factory=list)
    error: BaseException | None = None
    tried: str = ""
    kind: str = ""
    reason: Failure | None = None
