"""Judging processes of this machine."""

import multiprocessing
import platform
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType

from autograder.intake.submission import HandedIn
from autograder.labs.definition import Lab
from autograder.running.digests import Sources, place
from autograder.running.judge_process import get_ready, judge_one, start
from autograder.running.terms import Terms
from autograder.sandbox import choose


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
        return Terms(place(lab), Sources.of(lab), choose.resolve(mode), lab.limits, wall_seconds)

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
                self.workers, mp_context=spawn, initializer=start, initargs=(self._theirs,)
            )
        return self._pool

    def _end_pool(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
