"""Judges submissions in processes beside the grader: what such a process does, and a pool of them on this machine.

A process imports this module and what judging needs, and no more. :mod:`autograder.cluster` runs the same
function on other machines.
"""

import atexit
import contextlib
import faulthandler
import multiprocessing
import os
import platform
import signal
import tempfile
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Protocol

import psutil

from autograder import isolation
from autograder.judge import judge
from autograder.lab import Lab, Limits, load_lab
from autograder.launch import Launch
from autograder.sources import Sources, find, place
from autograder.store import Judged, write_judged
from autograder.submission import HandedIn, unpack


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
        Where the lab lies (see :func:`autograder.sources.place`).
    sources : Sources
        What must be the same there.
    isolation : str
        How submissions are kept apart: a resolved name.
    limits : Limits
        The lab's, with the deadline that the reference gave.
    wall_seconds : float
        When a judging process that has come to no end is ended.
    """

    lab: str
    sources: Sources
    isolation: str
    limits: Limits
    wall_seconds: float


class Judges(Protocol):
    """Processes that judge: an executor that knows its size.

    Attributes
    ----------
    workers : int
        How many submissions are judged at the same time, now.
    lost : tuple of exception types
        What a future raises when a process ended, for whatever reason, before its submission was judged.
    """

    lost: tuple[type[BaseException], ...]

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
        """Have one submission judged; the result is JSON, see :func:`autograder.store.read_judged`."""
        ...

    def submit_everywhere(self, terms: Terms, handed_in: HandedIn) -> list["Future[str]"]:
        """Have one submission judged on each machine."""
        ...


# ---------------------------------------------------------------- in a judging process


class _Kept:
    """What a judging process keeps from one submission to the next: the lab, and the launcher of its workers.

    Attributes
    ----------
    at_home : bool
        Whether the grader itself started this process, from its own files and with its own secret.
    """

    def __init__(self) -> None:
        self.at_home = False
        self._of: tuple[str, Sources, str] | None = None
        self._open = contextlib.ExitStack()
        atexit.register(self._open.close)

    def get(self, terms: Terms) -> tuple[Lab, Launch]:
        """Return lab and launcher, made anew when the terms are others."""
        of = (terms.lab, terms.sources, terms.isolation)
        if of != self._of:
            self._of = None
            self._open.close()
            self._lab = load_lab(find(terms.lab))
            if not self.at_home and (differences := Sources.of(self._lab).differences(terms.sources)):
                raise DisagreementError(
                    f"{' and '.join(differences)} of {platform.node()}, which joined the cluster, are not the grader's"
                )
            self._launch = self._open.enter_context(isolation.launcher(terms.isolation, self._lab))
            self._of = of
        return self._lab, self._launch


_kept = _Kept()


def judge_one(terms: Terms, handed_in: HandedIn) -> str:
    """Judge one submission in this process and return the result as JSON.

    Should that come to no end, the process ends: faulthandler's clock goes on even where Python's stands still.
    """
    lab, launch = _kept.get(terms)
    lab = replace(lab, limits=terms.limits)
    faulthandler.dump_traceback_later(terms.wall_seconds, exit=True)
    try:
        with tempfile.TemporaryDirectory(prefix="handed-in-", ignore_cleanup_errors=True) as folder:
            submission = unpack(lab, handed_in, Path(folder))
            return write_judged(Judged(judge(lab, submission, launch=launch), submission.arrangement))
    finally:
        faulthandler.cancel_dump_traceback_later()


def get_ready(terms: Terms) -> None:
    """Load in this process what judging needs: seconds, which the first submission need not wait for."""
    _kept.get(terms)


def _start(grader: Connection) -> None:
    """Make this process end with the grader, however that ends, and leave interrupts from the keyboard to it."""
    _kept.at_home = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: _end())  # sent to all when one of them broke
    threading.Thread(target=_end_with, args=(grader,), daemon=True).start()


def _end_with(grader: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        grader.recv()
    _end()


def _end() -> None:
    """End this process at once, and what it started first."""
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()
    os._exit(1)


# ---------------------------------------------------------------- in the grader


class LocalJudges:
    """Judging processes of this machine.

    Parameters
    ----------
    workers : int
        How many there are at most; each starts when there is work for it.
    """

    lost = (BrokenProcessPool, MemoryError)
    machines = (platform.node(),)

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._theirs, self._mine = multiprocessing.Pipe(duplex=False)

    def __enter__(self) -> "LocalJudges":
        """Return itself; the ``with`` block ends the processes, after an error at once."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """End the processes."""
        if kind is not None:
            self._mine.close()
        self._end_pool()
        self._mine.close()
        self._theirs.close()

    def terms(self, lab: Lab, mode: str, wall_seconds: float) -> Terms:
        """Return what will hold for a class on this machine."""
        return Terms(place(lab), Sources.of(lab), isolation.resolve(mode), lab.limits, wall_seconds)

    def submit(self, terms: Terms, handed_in: HandedIn) -> "Future[str]":
        """Have one submission judged, by new processes when the others broke."""
        try:
            return self._running().submit(judge_one, terms, handed_in)
        except BrokenProcessPool:
            self._end_pool()
            return self._running().submit(judge_one, terms, handed_in)

    def submit_everywhere(self, terms: Terms, handed_in: HandedIn) -> list["Future[str]"]:
        """Have one submission judged, there is one machine; the other processes get ready meanwhile."""
        judged = self.submit(terms, handed_in)
        for _ in range(self.workers - 1):
            self._running().submit(get_ready, terms)
        return [judged]

    def _running(self) -> ProcessPoolExecutor:
        if self._pool is None:
            spawn = multiprocessing.get_context(
                "spawn"
            )  # the same on every system, and no threads are copied
            self._pool = ProcessPoolExecutor(
                self.workers, mp_context=spawn, initializer=_start, initargs=(self._theirs,)
            )
        return self._pool

    def _end_pool(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
