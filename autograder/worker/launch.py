"""How a worker process is started: the seam for isolation.

A launch takes a :class:`WorkerSpec` and returns a running worker with pipes on its three standard streams.
:func:`plain_process` gives it limits, an environment of its own and no secrets;
:class:`autograder.sandbox.forked.Zygote` and :class:`autograder.sandbox.container.Container` shut it in as well.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, Protocol

from itemmarket.paths import ROOT

_INHERITED = (
    *("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "COMSPEC", "PATHEXT", "WINDIR", "LD_LIBRARY_PATH"),
    *("VIRTUAL_ENV", "ITEMMARKET_DATA", "USERPROFILE", "HOMEDRIVE", "HOMEPATH", "NUMBER_OF_PROCESSORS"),
)
_ONE_THREAD = (
    *("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
)

FOLDER = "/submission"
"""Where an isolated worker has its files, as it sees them."""


@dataclass(frozen=True)
class WorkerSpec:
    """What a launch needs to know to start a worker.

    Attributes
    ----------
    folder : str
        Where the worker keeps the submission's files, as the worker sees it; its working directory.
    module : str
        Name of the lab's module.
    memory_bytes : int
        Most memory that the worker may use.
    disk_bytes : int
        Most that it may write, where the isolation can tell.
    cpu_seconds : int
        CPU time after which the kernel ends a worker, should the judge not do so.
    processes : int
        Processes and threads: data loaders and joblib need some, a fork bomb ends here.
    preload : tuple of str
        Modules to import before the first request.
    """

    folder: str
    module: str
    memory_bytes: int
    disk_bytes: int = 2**29
    cpu_seconds: int = 3600
    processes: int = 256
    preload: tuple[str, ...] = ()

    @property
    def arguments(self) -> list[str]:
        """What follows the name of Python on a worker's command line."""
        options = [
            "--memory",
            str(self.memory_bytes),
            "--cpu",
            str(self.cpu_seconds),
            "--preload",
            *self.preload,
        ]
        return ["-P", "-m", "autograder.worker.serve", self.folder, self.module, *options]


class Worker(Protocol):
    """A running worker: the part of :class:`subprocess.Popen` that the judge uses."""

    pid: int

    @property
    def stdin(self) -> Any:
        """Where requests go: a pipe that is open for writing bytes."""

    @property
    def stdout(self) -> Any:
        """Where answers come from: a pipe that is open for reading bytes."""

    @property
    def stderr(self) -> Any:
        """What the worker prints: a pipe that is open for reading bytes."""

    @property
    def returncode(self) -> int | Any:
        """The exit status, None while the worker runs."""

    def poll(self) -> int | None:
        """Return the exit status, None while the worker runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end."""

    def send_signal(self, number: int) -> None:
        """Send a signal to the worker."""

    def kill(self) -> None:
        """End the worker."""


class Launch(Protocol):
    """Starts workers.

    Attributes
    ----------
    name : str
        The isolation that it gives: ``full``, ``container``, ``landlock`` or ``off``.
    folder : str or None
        Where every worker has its files, as it sees them; None where each needs a folder of this machine.
    """

    @property
    def name(self) -> str:
        """See above."""

    @property
    def folder(self) -> str | None:
        """See above."""

    def __call__(self, spec: WorkerSpec) -> Worker:
        """Start one worker."""


def worker_settings(folder: str) -> dict[str, str]:
    """Return the variables that are the same for every worker, wherever it runs."""
    private = dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP"), folder)
    settings = {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    settings |= {"MPLBACKEND": "Agg", "ITEMMARKET_GRADING": "1", "USER": "student"}
    return private | settings | dict.fromkeys(_ONE_THREAD, "1")


def worker_environment(folder: str) -> dict[str, str]:
    """Return the environment of a worker here: nothing of the grader's but what a Python process needs."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return inherited | {"PYTHONPATH": str(ROOT)} | worker_settings(folder)


class _PlainProcess:
    """Starts workers without a sandbox, each in a session of its own."""

    name = "off"
    folder = None

    def __call__(self, spec: WorkerSpec) -> "subprocess.Popen[bytes]":
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, *spec.arguments],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            cwd=spec.folder,
            env=worker_environment(spec.folder),
            start_new_session=os.name == "posix",
        )


plain_process = _PlainProcess()
"""The simplest launch: no isolation, and every worker starts from nothing."""
