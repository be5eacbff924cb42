"""Judges submissions in a pool of processes; imports only what those processes need."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from autograder.judge import Verdict, judge
from autograder.lab import Lab, load_lab
from autograder.submission import Submission, read_submission

Outcome = tuple[Submission, Verdict] | Exception


def process_pool(lab: Lab, workers: int) -> ProcessPoolExecutor:
    """Return a pool whose processes have the lab loaded; any executor with such processes would do."""
    spawn = multiprocessing.get_context("spawn")  # the same on every system, and no threads are copied
    return ProcessPoolExecutor(workers, mp_context=spawn, initializer=_load, initargs=(str(lab.folder),))


def judge_one(student: str, folder: Path) -> tuple[Submission, Verdict]:
    """Judge one submission in a process of the pool."""
    submission = read_submission(_LAB, student, folder)
    return submission, judge(_LAB, submission)


_LAB: Lab | None = None  # of this process of the pool; what the checks share is cached for as long


def _load(folder: str) -> None:
    global _LAB
    _LAB = load_lab(Path(folder))


def outcomes(lab: Lab, futures: dict[Future, tuple[str, Path]]) -> Iterator[tuple[str, Outcome]]:
    """Yield what comes of each submission as it comes; one that kills its judge is tried again, alone."""
    lost = []
    for future in as_completed(futures):
        try:
            yield futures[future][0], future.result()
        except BrokenProcessPool:
            lost.append(futures[future])
        except Exception as error:
            yield futures[future][0], error
    for item in lost:
        with process_pool(lab, 1) as alone:
            try:
                yield item[0], alone.submit(judge_one, *item).result()
            except Exception as error:
                yield item[0], error
