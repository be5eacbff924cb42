"""What holds for a class wherever it is judged, and what whoever judges it must offer."""

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from autograder.intake.submission import HandedIn
from autograder.labs.definition import Lab, Limits
from autograder.running.digests import Sources


class JudgesError(RuntimeError):
    """Judges that cannot be had, or are gone: what was wrong and what to do."""


class DisagreementError(JudgesError):
    """Machines that would judge the same work differently."""


@dataclass(frozen=True)
class Terms:
    """What holds for all submissions of a class, wherever they are judged.

    Attributes
    ----------
    lab : str
        Where the lab lies (see :func:`autograder.running.digests.place`).
    sources : Sources
        What must be the same there.
    isolation : str
        How submissions are kept apart: a resolved name.
    limits : Limits
        The lab's, with the deadline that the reference gave.
    wall_seconds : float
        When a judging process that has come to no end is ended.
    planted_bugs : bool
        Whether students' tests meet other implementations; of the lab's own tests its checks know the outcome.
    """

    lab: str
    sources: Sources
    isolation: str
    limits: Limits
    wall_seconds: float
    planted_bugs: bool = True


class Judges(Protocol):
    """Processes that judge: an executor that knows its size.

    Attributes
    ----------
    workers : int
        How many submissions are judged at the same time, now.
    lost : tuple of exception types
        What a future raises when a process ended, for whatever reason, before its submission was judged.
    """

    @property
    def lost(self) -> tuple[type[BaseException], ...]:
        """See above."""
        ...

    @property
    def machines(self) -> tuple[str, ...]:
        """Names of the machines that they are on."""
        ...

    @property
    def workers(self) -> int:
        """Processes at work."""
        ...

    def terms(self, lab: Lab, mode: str, wall_seconds: float) -> Terms:
        """Return what will hold for a class, with the isolation that ``mode`` means where it is judged."""
        ...

    def submit(self, terms: Terms, handed_in: HandedIn) -> "Future[str]":
        """Have one submission judged; the result is JSON, see :func:`autograder.running.store.read_judged`."""
        ...

    def submit_everywhere(self, terms: Terms, handed_in: HandedIn) -> list["Future[str]"]:
        """Have one submission judged on each machine."""
        ...
