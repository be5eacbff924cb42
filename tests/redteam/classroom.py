"""Writes a class in which every case sits between two neighbours who did nothing but good work."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.redteam.desk import LAB, Case, Desk
from tests.redteam.spying import CANARY


@dataclass(frozen=True)
class Seat:
    """Where a case sits: its own folder's name, and the names of the neighbours graded before and after it."""

    case: Case
    student: str
    before: str
    after: str


def seats(cases: Sequence[Case]) -> list[Seat]:
    """Return who sits where; students are graded in the order of their names."""
    taken = []
    previous = "000-good"
    for number, case in enumerate(cases, start=1):
        student = f"{number:03d}b-{case.name}" if case.student == case.name else case.student
        taken.append(Seat(case, student, previous, f"{number:03d}d-good"))
        previous = taken[-1].after
    return taken


def write_class(submitted: Path, cases: Sequence[Case], lab: Path, out: Path, port: int = 0) -> list[Seat]:
    """Write the submissions of a class.

    Parameters
    ----------
    submitted : Path
        ``SUBMITTED``, to be made.
    cases : sequence of Case
        Who takes part.
    lab, out : Path
        Where attackers shall look for the solution and for the grades.
    port : int
        Where somebody listens, for those who call.
    """
    taken = seats(cases)
    for student in dict.fromkeys(["000-good", *(seat.after for seat in taken)]):
        _desk(submitted, student, lab, out, port).right(append=f"# {CANARY}")
    for number, seat in enumerate(taken, start=1):
        if seat.case.accomplice:
            seat.case.accomplice(_desk(submitted, f"{number:03d}a-accomplice", lab, out, port))
        seat.case.write(_desk(submitted, seat.student, lab, out, port))
    return taken


def write_earlier(submitted: Path, cases: Sequence[Case], lab: Path, out: Path) -> bool:
    """Write what the same students handed in before; return whether anybody did."""
    for seat in seats(cases):
        if seat.case.earlier:
            seat.case.earlier(_desk(submitted, seat.student, lab, out, 0))
    return submitted.is_dir()


def _desk(submitted: Path, student: str, lab: Path, out: Path, port: int) -> Desk:
    folder = submitted / student / LAB
    folder.mkdir(parents=True)
    return Desk(folder, lab, submitted, out, port)
