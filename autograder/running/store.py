"""Verdicts on disk: each is stored before anything else is done with it, so that a killed grader loses none.

They lie in ``OUT/.grading/LAB/``, one JSON file per student, written whole or not at all. A file holds the
digest of all that its verdict depends on, and counts only while that is the same.
"""

import contextlib
import functools
import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any, overload

from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from cattrs.preconf.json import JsonConverter, make_converter

from autograder.intake.arrangement import Arrangement
from autograder.intake.submission import HandedIn
from autograder.judging.verdict import Judged, Verdict
from autograder.labs.definition import Lab, Question
from autograder.running.digests import Sources
from itemmarket.atomic import write_text
from labkit.results import CheckResult

FOLDER = ".grading"


def write_judged(judged: Judged) -> str:
    """Return a judge's result as JSON."""
    return _converter(()).dumps(judged)


def read_judged(text: str, lab: Lab) -> Judged:
    """Return a judge's result from JSON.

    Raises
    ------
    ValueError
        If the text was written by another version of the grader, or for another lab.
    """
    try:
        return _converter(lab.questions).loads(text, Judged)
    except Exception as error:  # cattrs raises groups of all kinds
        raise ValueError(f"this is no result for {lab.name}: {error}") from error


class Store:
    """The verdicts on a lab below a course root.

    Parameters
    ----------
    out : Path
        The course root, which need not exist yet.
    lab : Lab
        The lab.
    """

    def __init__(self, out: Path, lab: Lab) -> None:
        self.folder, self._lab = out / FOLDER / lab.name, lab

    def clear(self) -> None:
        """Forget all verdicts: a new grading begins."""
        shutil.rmtree(self.folder / "verdicts", ignore_errors=True)

    def write(self, student: str, digest: str, text: str) -> Judged:
        """Keep a judge's result and return it, as it would be read."""
        judged = read_judged(text, self._lab)
        write_text(self._path(student), json.dumps({"depends_on": digest, "judged": json.loads(text)}) + "\n")
        return judged

    def read(self, student: str, digest: str | None = None) -> Judged | None:
        """Return what is stored, or None where nothing is or (with a digest) it depends on something else."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            stored = json.loads(self._path(student).read_text(encoding="utf-8"))
            if digest in (None, stored["depends_on"]):
                return read_judged(json.dumps(stored["judged"]), self._lab)
        return None

    def known(self, student: str) -> Judged:
        """Return what is stored.

        Raises
        ------
        LookupError
            If nothing is.
        """
        if (judged := self.read(student)) is None:
            raise LookupError(f"no verdict on {student} is stored in {self.folder}")
        return judged

    def verdicts(self, students: Sequence[str]) -> Sequence[Verdict]:
        """Return the verdicts on students, each read when it is looked at: a class may be large."""
        return _Verdicts(self, students)

    def _path(self, student: str) -> Path:
        return self.folder / "verdicts" / f"{student}.json"


def depends_on(handed_in: HandedIn, sources: Sources, isolation: str) -> str:
    """Return the digest of all that a verdict depends on."""
    parts = (handed_in.digest, *astuple(sources), isolation)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class _Verdicts(Sequence[Verdict]):
    """Stored verdicts as a sequence that holds none of them."""

    def __init__(self, store: Store, students: Sequence[str]) -> None:
        self._store, self._students = store, students

    def __len__(self) -> int:
        return len(self._students)

    @overload
    def __getitem__(self, index: int) -> Verdict: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Verdict]: ...
    def __getitem__(self, index: int | slice) -> Verdict | Sequence[Verdict]:
        if isinstance(index, slice):
            return _Verdicts(self._store, self._students[index])
        return self._store.known(self._students[index]).verdict


@functools.lru_cache(8)
def _converter(questions: tuple[Question, ...]) -> JsonConverter:
    """Return what turns results into JSON and back; questions are named, their words stay in the lab."""
    converter = make_converter(forbid_extra_keys=True)
    known = {question.name: question for question in questions}
    no_error: dict[str, Any] = {
        "error": override(omit=True)
    }  # an exception, which only `check` in a notebook needs
    converter.register_unstructure_hook(Question, lambda question: question.name)
    converter.register_structure_hook(Question, lambda name, _: known[name])
    converter.register_unstructure_hook(
        CheckResult, make_dict_unstructure_fn(CheckResult, converter, **no_error)
    )
    converter.register_structure_hook(CheckResult, make_dict_structure_fn(CheckResult, converter, **no_error))
    converter.register_unstructure_hook(Arrangement, _arrangement_out)
    converter.register_structure_hook(Arrangement, _arrangement_in)
    return converter


def _arrangement_out(arrangement: Arrangement) -> dict[str, Any]:
    """Mappings become lists of pairs: what precedes all cells has the key None, which JSON lacks."""
    return {
        "answers": list(arrangement.answers.items()),
        "added": list(arrangement.added.items()),
        "notes": arrangement.notes,
        "flags": arrangement.flags,
    }


def _arrangement_in(value: dict[str, Any], _: type) -> Arrangement:
    arrangement = Arrangement(notes=value["notes"], flags=value["flags"])
    for name in ("answers", "added"):
        getattr(arrangement, name).update({key: list(sources) for key, sources in value[name]})
    return arrangement
