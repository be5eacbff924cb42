"""How a worker process is started: the seam for isolation.

A launcher takes a :class:`WorkerSpec` and returns a process with pipes on its three standard streams.
:func:`plain_process` gives it limits, an environment of its own and no secrets; a sandbox, or a fork of a
process that has imported everything already, takes the same call.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ENGINE = Path(__file__).resolve().parent.parent
_INHERITED = (
    *("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "COMSPEC", "PATHEXT", "WINDIR", "LD_LIBRARY_PATH"),
    *("VIRTUAL_ENV", "ITEMMARKET_DATA", "USERPROFILE", "HOMEDRIVE", "HOMEPATH", "NUMBER_OF_PROCESSORS"),
)
_ONE_THREAD = (
    *("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
)


@dataclass(frozen=True)
class WorkerSpec:
    """What a launcher needs to know to start a worker.

    Attributes
    ----------
    folder : Path
        The private folder with the submission's files; the worker's working directory.
    module : str
        Name of the lab's module in it.
    memory_bytes : int
        Most memory that the worker may use.
    preload : tuple of str
        Modules to import before the first request.
    """

    folder: Path
    module: str
    memory_bytes: int
    preload: tuple[str, ...] = ()

    @property
    def command(self) -> list[str]:
        """The command line of a worker."""
        options = ["--memory", str(self.memory_bytes), "--preload", *self.preload]
        return [sys.executable, "-P", "-m", "autograder.worker", str(self.folder), self.module, *options]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a worker: nothing of the grader's but what a Python process needs."""
        private = {name: str(self.folder) for name in ("HOME", "TMPDIR", "TEMP", "TMP")}
        settings = {"PYTHONPATH": str(ENGINE), "PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}
        settings |= {"PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "Agg", "ITEMMARKET_GRADING": "1"}
        threads = dict.fromkeys(_ONE_THREAD, "1")
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return inherited | private | settings | threads


Launch = Callable[[WorkerSpec], "subprocess.Popen[bytes]"]
"""Starts a worker with pipes on all three standard streams and returns its process."""


def plain_process(spec: WorkerSpec) -> "subprocess.Popen[bytes]":
    """Start a worker without a sandbox, in a session of its own."""
    pipe = subprocess.PIPE
    own_session = {"start_new_session": True} if os.name == "posix" else {}
    return subprocess.Popen(
        spec.command,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        cwd=spec.folder,
        env=spec.environment,
        **own_session,
    )
