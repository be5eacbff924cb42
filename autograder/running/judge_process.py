"""What a judging process does, on this machine or another: it imports what judging needs, and no more."""

import atexit
import contextlib
import faulthandler
import os
import platform
import signal
import tempfile
import threading
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from autograder.intake.submission import HandedIn, unpack
from autograder.judging.judge import judge
from autograder.judging.verdict import Judged
from autograder.labs.definition import Lab, load_lab
from autograder.running.digests import Sources, find
from autograder.running.store import write_judged
from autograder.running.terms import DisagreementError, Terms
from autograder.sandbox import choose
from autograder.worker.launch import Launch


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
            self._launch = self._open.enter_context(choose.launcher(terms.isolation, self._lab))
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
            return write_judged(
                Judged(
                    judge(lab, submission, launch=launch, planted_bugs=terms.planted_bugs),
                    submission.arrangement,
                )
            )
    finally:
        faulthandler.cancel_dump_traceback_later()


def get_ready(terms: Terms) -> None:
    """Load in this process what judging needs: seconds, which the first submission need not wait for."""
    _kept.get(terms)


def start(grader: Connection) -> None:
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
