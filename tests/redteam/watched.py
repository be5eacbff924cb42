"""Runs a program and sees what it costs and what it leaves: memory, time, output, and processes that survive it."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_SET_CHILD_SUBREAPER = 36
_LOOK_EVERY = 0.1


@dataclass
class Watched:
    """What was seen of a program.

    Attributes
    ----------
    code : int or None
        Its exit status; None when it had to be ended.
    seconds : float
        How long it ran.
    peak_bytes : int
        The most resident memory that it and its descendants had together when it was looked at.
    output : str
        Both streams.
    survivors : list of str
        Command lines of descendants that were alive a second after its end; they have been ended.
    """

    code: int | None = None
    seconds: float = 0.0
    peak_bytes: int = 0
    output: str = ""
    survivors: list[str] = field(default_factory=list)


def watch(
    command: Sequence[str], log: Path, timeout: float, environment: Mapping[str, str], cwd: Path
) -> Watched:
    """Run a command to its end or for ``timeout`` seconds."""
    seen = Watched()
    began = time.monotonic()
    with log.open("wb") as stream, _adopting_orphans():
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=environment, cwd=cwd
        )
        others = {child.pid for child in psutil.Process().children()} - {process.pid}
        handle = psutil.Process(process.pid)
        while process.poll() is None and time.monotonic() - began < timeout:
            seen.peak_bytes = max(seen.peak_bytes, _memory(handle))
            time.sleep(_LOOK_EVERY)
        seen.code = process.poll()
        if seen.code is None:
            process.send_signal(signal.SIGINT)  # a grader that is interrupted cleans up
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
        seen.seconds = time.monotonic() - began
        end = time.monotonic() + 1
        while (left := _orphans(others)) and time.monotonic() < end:
            time.sleep(_LOOK_EVERY)
        for orphan in left:
            with contextlib.suppress(psutil.Error):
                seen.survivors.append(" ".join(orphan.cmdline())[:200] or orphan.name())
                orphan.kill()
        time.sleep(_LOOK_EVERY)
        _orphans(others)
    seen.output = log.read_text(encoding="utf-8", errors="replace")
    return seen


@contextlib.contextmanager
def _adopting_orphans() -> Iterator[None]:
    """Become the parent of descendants whose own parent ends, however often they forked (Linux)."""
    adopt = ctypes.CDLL(None).prctl if sys.platform == "linux" else lambda *arguments: None
    adopt(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        adopt(_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _orphans(others: set[int]) -> list[psutil.Process]:
    """Bury the dead among adopted processes, and return those that live."""
    alive = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error, OSError):
            if child.pid in others or any(parent.pid in others for parent in child.parents()):
                continue
            if child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, os.WNOHANG)
            else:
                alive.append(child)
    return alive


def _memory(handle: psutil.Process) -> int:
    """Return the memory of a tree of processes; pages that forks share count once (PSS), where that is known."""
    total = 0
    with contextlib.suppress(psutil.Error):
        for process in (handle, *handle.children(recursive=True)):
            with contextlib.suppress(psutil.Error, OSError):
                total += process.memory_info().rss
    return total
