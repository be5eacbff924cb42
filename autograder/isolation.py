"""Which isolation a machine has, and the launcher that gives it."""

import contextlib
from collections.abc import Iterator

from autograder.lab import Lab
from autograder.launch import Launch, plain_process

MODES = ("auto", "full", "container", "off")


class IsolationError(RuntimeError):
    """An isolation that cannot be had here: what is missing and what to do."""


def resolve(mode: str) -> str:
    """Return the isolation that ``mode`` means on this machine: ``full``, ``container`` or ``off``."""
    if mode in ("auto", "off"):
        return "off"
    raise IsolationError(f"isolation {mode!r} is not available here")


@contextlib.contextmanager
def launcher(name: str, lab: Lab) -> Iterator[Launch]:
    """Yield what starts workers in the isolation ``name``; it holds a preloaded process where there is one."""
    yield plain_process
