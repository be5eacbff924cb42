"""Workers for systems that cannot fork: each starts from nothing, ahead of the moment when it is needed.

A worker serves one submission or one run of tests and ends, as everywhere: what a planted bug leaves behind in a
process meets nobody.
"""

import contextlib
import os
import subprocess
import sys
from types import TracebackType

from autograder.worker.codec import write_frame
from autograder.worker.launch import WorkerSpec, worker_environment, worker_settings


class Warmed:
    """A :data:`~autograder.worker.launch.Launch` that keeps one worker waiting, its imports done.

    Parameters
    ----------
    preload : sequence of str
        What a worker imports while it waits.
    """

    name = "off"
    folder = None

    def __init__(self, preload: list[str]) -> None:
        self._command = [sys.executable, "-P", "-m", "autograder.worker.serve", "--preload", *preload]
        self._waiting = self._start()

    def __call__(self, spec: WorkerSpec) -> "subprocess.Popen[bytes]":
        """Hand out the worker that waits, and let the next one warm up."""
        worker = self._waiting if self._waiting.poll() is None else self._start()
        assert worker.stdin is not None  # it is a pipe
        what = {"folder": spec.folder, "module": spec.module, "environment": worker_settings(spec.folder)}
        limits = {"memory_bytes": spec.memory_bytes, "cpu_seconds": spec.cpu_seconds}
        write_frame(worker.stdin, what | limits)
        self._waiting = self._start()
        return worker

    def _start(self) -> "subprocess.Popen[bytes]":
        pipe = subprocess.PIPE
        return subprocess.Popen(
            self._command,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=worker_environment(os.curdir),
            start_new_session=os.name == "posix",
        )

    def close(self) -> None:
        """End the worker that waits."""
        self._waiting.kill()
        self._waiting.wait()
        for stream in (self._waiting.stdin, self._waiting.stdout, self._waiting.stderr):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()

    def __enter__(self) -> "Warmed":
        """Return itself; the ``with`` block ends the worker that waits."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the worker that waits."""
        self.close()
