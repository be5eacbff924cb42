"""Deadlines that follow the machine: what the lab's own solution needs on it, times a factor."""

import contextlib
import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import asdict, astuple, dataclass, fields, replace
from pathlib import Path

from autograder.intake.submission import HandedIn
from autograder.judging.verdict import Verdict
from autograder.labs.definition import Lab, LabError, Limits
from autograder.labs.notebooks import notebook_bytes
from autograder.running.store import read_judged
from autograder.running.terms import Judges, Terms
from itemmarket.atomic import write_json

REFERENCE = "the reference"


@dataclass(frozen=True)
class Deadline:
    """The deadline of one call, where a class is judged.

    Attributes
    ----------
    lab_seconds : float
        What the lab asks for, in CPU seconds.
    reference_seconds : float
        What the slowest call of the reference took, on the slowest machine.
    factor : float
        How many times that a call may take.
    """

    lab_seconds: float
    reference_seconds: float
    factor: float

    @property
    def seconds(self) -> float:
        """CPU seconds that a call may take: what the lab allows, and more on a slow machine."""
        return max(self.lab_seconds, self.factor * self.reference_seconds)

    def describe(self) -> str:
        """Return the figures in a sentence."""
        return (
            f"A call may take {self.seconds:.3g} s of computing time; the reference's slowest took "
            f"{self.reference_seconds:.2g} s here."
        )

    def limits(self, limits: Limits) -> Limits:
        """Return a lab's limits with this deadline."""
        return replace(limits, call_cpu_seconds=self.seconds)


class Calibration:
    """The reference, judged on every machine before a class is; done once while nothing changes.

    Parameters
    ----------
    judges, terms, lab : Judges, Terms, Lab
        Where, under which terms, and which lab.
    path : Path
        Where the result is kept.
    """

    def __init__(self, judges: Judges, terms: Terms, lab: Lab, path: Path) -> None:
        self._judges, self._lab, self._path = judges, lab, path
        parts = (*astuple(terms.sources), terms.isolation, *judges.machines)
        self._depends_on = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        self._deadline = self._read()
        self._futures: Sequence[Future[str]] = ()
        if self._deadline is None:
            # Its own deadlines are as generous as a student's can become.
            generous = replace(
                terms, limits=_scaled(lab.limits), wall_seconds=terms.wall_seconds * 10, planted_bugs=False
            )
            self._futures = judges.submit_everywhere(generous, reference(lab))

    def result(self) -> Deadline:
        """Return the deadline, when it is known.

        Raises
        ------
        LabError
            If the reference does not earn all points: what is wrong is not the students' fault.
        """
        if self._deadline is None:
            try:
                verdicts = [read_judged(future.result(), self._lab).verdict for future in self._futures]
            except self._judges.lost as error:
                raise LabError(
                    f"judging the reference of {self._lab.name} ended its process: {error}"
                ) from error
            for verdict in verdicts:
                _require_full_marks(verdict)
            slowest = max(verdict.slowest_call_cpu for verdict in verdicts)
            limits = self._lab.limits
            self._deadline = Deadline(limits.call_cpu_seconds, slowest, limits.call_cpu_factor)
            write_json(self._path, {"depends_on": self._depends_on, **asdict(self._deadline)})
        return self._deadline

    def _read(self) -> Deadline | None:
        with contextlib.suppress(OSError, ValueError, KeyError):
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            if stored["depends_on"] == self._depends_on:
                return Deadline(**{field.name: float(stored[field.name]) for field in fields(Deadline)})
        return None


def reference(lab: Lab) -> HandedIn:
    """Return the lab's own solution as if it had been handed in."""
    trained = [path for path in sorted((lab.folder / "artefact").rglob("*")) if path.is_file()]
    paths = [*(lab.folder / name for name in lab.files.python), *trained]
    files = {path.relative_to(lab.folder).as_posix(): path.read_bytes() for path in paths}
    return HandedIn(REFERENCE, {lab.files.notebook: notebook_bytes(lab.notebook), **files})


def _scaled(limits: Limits) -> Limits:
    names = ("call_cpu_seconds", "call_wall_seconds", "submission_seconds")
    return replace(limits, **{name: getattr(limits, name) * limits.call_cpu_factor for name in names})


def _require_full_marks(verdict: Verdict) -> None:
    wrong = [result for result in verdict.questions if not result.right]
    if wrong:
        reasons = [check.message for check in wrong[0].checks if not check.passed]
        reasons += verdict.notes if not reasons else []
        why = " ".join("; ".join(reasons).split())
        raise LabError(
            f"the reference of {verdict.lab} earns {verdict.score:g} of {verdict.max_score:g} points on this "
            f"machine, so nobody is graded: question {wrong[0].question.name!r}: {why[:500]}"
        )
