"""Which isolation a machine has, and the launch that gives it.

``full``: a sandbox made of Linux namespaces, landlock, seccomp and limits (:mod:`autograder.sandbox.bubblewrap`).
``container``: every worker in a container of podman or docker (:mod:`autograder.sandbox.container`).
``off``: a process of its own with limits, which can read the disk and reach the network.
"""

import contextlib
import functools
from collections.abc import Iterator

from autograder.labs.definition import Lab
from autograder.labs.preload import preloadable
from autograder.sandbox import bubblewrap, container
from autograder.worker.launch import Launch, plain_process

MODES = ("auto", "full", "container", "off")
OFF_WARNING = (
    "isolation is off: submissions run as your user, can read your files and use your network. "
    "Grade on Linux with bubblewrap, or with --isolation container."
)


class IsolationError(RuntimeError):
    """An isolation that cannot be had here: what is missing and what to do."""


def resolve(mode: str) -> str:
    """Return the isolation that ``mode`` means on this machine: ``full``, ``container`` or ``off``.

    Raises
    ------
    IsolationError
        If the machine lacks what the mode needs; ``auto`` takes the strongest that there is and never fails.
    """
    if mode == "off":
        return "off"
    lacks = {name: why_not for name, find in _FINDERS.items() if (why_not := find())}
    if mode == "auto":
        return next((name for name in _FINDERS if name not in lacks), "off")
    if mode in lacks:
        raise IsolationError(f"isolation {mode!r} cannot be had here: {lacks[mode]}")
    return mode


@contextlib.contextmanager
def launcher(name: str, lab: Lab) -> Iterator[Launch]:
    """Yield what starts workers in the isolation ``name``; it lives as long as the judging process needs it."""
    if name == "full":
        with bubblewrap.Zygote([*preloadable(lab), "labkit.own_tests"]) as zygote:  # pytest and coverage
            yield zygote
    elif name == "container":
        yield container.find()
    else:
        yield plain_process


_FINDERS = {"full": functools.cache(bubblewrap.available), "container": functools.cache(container.available)}
