"""Which isolation a machine has, and the launch that gives it.

``full``: namespaces with a view of their own, landlock, a filter of system calls, limits
    (:mod:`autograder.sandbox.view`).
``container``: every worker in a container of podman or docker (:mod:`autograder.sandbox.container`).
``landlock``: what of ``full`` a kernel gives that gives no namespaces.
``off``: a process of its own with limits, which can read the disk and reach the network.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence

from _pytest.config import default_plugins

from autograder.labs.definition import Lab
from autograder.labs.preload import preloadable
from autograder.sandbox import container, forked, warmed
from autograder.worker.launch import Launch

MODES = ("auto", "full", "container", "landlock", "off")
OFF_WARNING = (
    "isolation is off: submissions run as your user, can read your files and use your network. "
    "Grade on Linux, or with --isolation container."
)
LANDLOCK_WARNING = (
    "this kernel gives no namespaces ({why}), so isolation is reduced to landlock: submissions cannot reach your files "
    "or the network, but they can see which processes run, and start many. Grade with --isolation container."
)
_TEST_RUNNER = ("labkit.own_tests", *(f"_pytest.{plugin}" for plugin in default_plugins))


class IsolationError(RuntimeError):
    """An isolation that cannot be had here: what is missing and what to do."""


def resolve(mode: str) -> str:
    """Return the isolation that ``mode`` means on this machine: ``full``, ``container``, ``landlock`` or ``off``.

    Raises
    ------
    IsolationError
        If the machine lacks what the mode needs; ``auto`` takes the strongest that there is and never fails.
    """
    if mode == "off":
        return "off"
    if mode == "auto":
        return next((name for name, find in _FINDERS.items() if not find()), "off")
    if lack := why_not(mode):
        raise IsolationError(f"isolation {mode!r} cannot be had here: {lack}")
    return mode


def warnings(name: str) -> list[str]:
    """Return what an instructor must know of an isolation on this machine, a sentence each."""
    if name == "off":
        return [OFF_WARNING]
    if name == "container":
        return []
    reduced = [LANDLOCK_WARNING.format(why=why_not("full"))] if name == "landlock" else []
    return reduced + [f"isolation {name!r} has {lack}" for lack in forked.lacks()]


def why_not(name: str) -> str:
    """Return why an isolation cannot be had here; empty when it can."""
    return _FINDERS[name]()


def launcher(name: str, lab: Lab) -> contextlib.AbstractContextManager[Launch]:
    """Return what starts a lab's workers in the isolation ``name``; it lives as long as a judging process needs it."""
    return workers(name, preloadable(lab), preloadable(lab, module_only=True))


@contextlib.contextmanager
def workers(name: str, preload: list[str], least: Sequence[str] = ()) -> Iterator[Launch]:
    """Yield what starts workers in the isolation ``name``.

    Parameters
    ----------
    name : str
        A resolved one.
    preload, least : sequence of str
        What workers that are forked import before, once for all; and what those import that start from nothing.
    """
    if name == "container":
        yield container.find()
        return
    zygote = None
    if name != "off" or not forked.available("off"):
        try:
            zygote = forked.start([*preload, *_TEST_RUNNER], name)
        except forked.SandboxError:
            if name != "off":
                raise  # without walls there are other ways to start a worker
    with zygote or warmed.Warmed([*least, *_TEST_RUNNER]) as launch:
        yield launch


_FINDERS: dict[str, Callable[[], str]] = {
    "full": functools.cache(functools.partial(forked.available, "full")),
    "container": functools.cache(container.available),
    "landlock": functools.cache(functools.partial(forked.available, "landlock")),
}
