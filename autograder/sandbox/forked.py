"""Workers forked from a zygote: the judge's side of :mod:`autograder.sandbox.zygote`.

Its walls are one of these, from the strongest down:

``full``: the view and namespaces, landlock, a filter of system calls, limits;
``landlock``: the same without view and namespaces, where the kernel gives none;
``off``: limits alone, as far as the system has them.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from types import TracebackType
from typing import BinaryIO

from autograder.sandbox import bubblewrap, view
from autograder.sandbox.zygote import ENDED, KIND, LINUX, MAX_MESSAGE, READY
from autograder.worker.launch import FOLDER, WorkerSpec, worker_environment, worker_settings

if LINUX:
    from autograder.sandbox import confine

COMMAND = ("-P", "-m", "autograder.sandbox.zygote")
START = "COURSE_WORKERS"
"""Variable that makes this system one that cannot fork, when it is ``spawn``: for tests, and where forks misbehave."""

LIMITS = ("memory_bytes", "disk_bytes", "cpu_seconds", "processes")
_START_SECONDS = 60  # of imports, on a slow and busy machine
_FORK_SECONDS = 30


class SandboxError(OSError):
    """A sandbox that cannot be made, or that broke: what the system said."""


class Zygote:
    """A :data:`~autograder.worker.launch.Launch` that forks.

    Parameters
    ----------
    preload : sequence of str
        What the zygote imports before its first fork.
    walls : {"full", "landlock", "off"}
        What is around each worker.
    by : {"bubblewrap", "kernel"}, optional
        Who makes the view of full walls; by default bubblewrap, where it is installed.

    Raises
    ------
    SandboxError
        If bubblewrap or the kernel refuses.
    """

    def __init__(self, preload: list[str], walls: str = "full", by: str = "") -> None:
        self.name = walls
        self.folder = FOLDER if walls == "full" else None
        by = by or ("bubblewrap" if bubblewrap.is_installed() else "kernel")
        paths = view.visible() if walls == "full" else []
        self._control, theirs = socket.socketpair(socket.AF_UNIX, KIND)
        command = [sys.executable, *COMMAND]
        if paths and by == "bubblewrap":
            command, paths = [*bubblewrap.command(paths), *command], []
        self._process = subprocess.Popen(
            command,
            stdin=theirs.fileno(),
            stderr=subprocess.PIPE,
            env=worker_environment(self.folder or os.curdir),
            start_new_session=True,
        )
        theirs.close()
        try:
            self._control.settimeout(_START_SECONDS)
            self._control.send(json.dumps({"preload": preload, "walls": walls, "view": paths}).encode())
            word = self._control.recv(MAX_MESSAGE)
        except OSError as error:
            word = str(error).encode()
        if not word.startswith(READY):
            self.close()
            assert self._process.stderr is not None  # it is a pipe
            said = self._process.stderr.read().decode("utf-8", "replace").strip()
            raise SandboxError(f"the sandbox cannot be started: {said or word.decode('utf-8', 'replace')}")

    def __call__(self, spec: WorkerSpec) -> "ForkedWorker":
        """Fork a worker."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, KIND)
        if LINUX:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        (stdin, to), (fro, stdout), (err, stderr) = os.pipe(), os.pipe(), os.pipe()
        theirs_all = [stdin, stdout, stderr, theirs.fileno()]
        try:
            socket.send_fds(self._control, [json.dumps(self._request(spec)).encode()], theirs_all)
        except OSError as error:
            raise SandboxError(f"the sandbox has broken: {error}") from error
        finally:
            for descriptor in theirs_all[:3]:
                os.close(descriptor)
            theirs.close()
        return ForkedWorker(ours, to, fro, err)

    def _request(self, spec: WorkerSpec) -> dict[str, object]:
        private = view.private() if self.name == "full" else [spec.folder]
        return {
            "uid": _uid(),
            "folder": spec.folder,
            "module": spec.module,
            "environment": worker_settings(spec.folder),
            "private": private,
            "readable": view.readable(),
            "writable": [*private, *view.WRITABLE_DEVICES],
            "limits": {name: getattr(spec, name) for name in LIMITS},
        }

    @property
    def pid(self) -> int:
        """The process with which all others end."""
        return self._process.pid

    def close(self) -> None:
        """End the zygote and with it every worker that still runs."""
        self._control.close()
        if self._process.poll() is None:
            self._process.kill()  # its process namespace dies with it
        self._process.wait()

    def __enter__(self) -> "Zygote":
        """Return itself; the ``with`` block ends the zygote."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the zygote."""
        self.close()


class ForkedWorker:
    """A worker that is no child of this process, with what :class:`subprocess.Popen` offers of one."""

    def __init__(self, word: socket.socket, stdin: int, stdout: int, stderr: int) -> None:
        self.stdin: BinaryIO = os.fdopen(stdin, "wb")
        self.stdout: BinaryIO = os.fdopen(stdout, "rb")
        self.stderr: BinaryIO = os.fdopen(stderr, "rb")
        self.returncode: int | None = None
        self._word = word
        word.settimeout(_FORK_SECONDS)
        try:
            message, self.pid = _with_sender(word)
        except OSError as error:
            message, self.pid = f"no word from the worker: {error}".encode(), 0
        if not message.startswith(READY):
            for stream in (self.stdin, self.stdout, self.stderr):
                stream.close()
            raise SandboxError(f"a worker cannot be confined: {message.decode('utf-8', 'replace')}")

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""
        return self._await(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end.

        Raises
        ------
        subprocess.TimeoutExpired
            If it does not come in time.
        """
        end = time.monotonic() + (timeout if timeout is not None else 1e9)
        while (code := self._await(min(1.0, max(0.0, end - time.monotonic())))) is None:
            if time.monotonic() >= end:
                raise subprocess.TimeoutExpired("worker", timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal to the worker's first process."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End the worker; its guardian ends everything that it started."""
        self.send_signal(signal.SIGKILL)

    def _await(self, seconds: float) -> int | None:
        if self.returncode is None:
            self._word.settimeout(seconds)
            with contextlib.suppress(BlockingIOError, TimeoutError):
                message = self._word.recv(MAX_MESSAGE)
                ended = message.startswith(ENDED)
                self.returncode = int(message.removeprefix(ENDED)) if ended else -signal.SIGKILL
                self._word.close()
        return self.returncode


def _with_sender(word: socket.socket) -> tuple[bytes, int]:
    """Return a worker's first message and its process id as this process sees it: see SCM_CREDENTIALS in unix(7)."""
    if not LINUX:
        message = word.recv(MAX_MESSAGE)
        return message, int(message.removeprefix(READY)) if message.startswith(READY) else 0
    message, extra, _, _ = word.recvmsg(MAX_MESSAGE, socket.CMSG_SPACE(12))
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            return message, int.from_bytes(data[:4], sys.byteorder)
    return message, 0


def _uid() -> int:
    """Return who workers shall be: this user, or for root somebody whom no other worker is."""
    return os.geteuid() or 0x60000000 + os.getpid()


def start(preload: list[str], walls: str) -> Zygote:
    """Return a zygote with these walls, by whichever means this machine has.

    Raises
    ------
    SandboxError
        If there is none: what each of them said.
    """
    means = ["kernel"] if walls != "full" or not bubblewrap.is_installed() else ["bubblewrap", "kernel"]
    said = []
    for by in means:
        try:
            return Zygote(preload, walls, by)
        except SandboxError as error:
            said.append(str(error))
    raise SandboxError("; ".join(said))


def lacks() -> list[str]:
    """Return which layers of walls this machine cannot give, in words."""
    return confine.lacks() if LINUX else []


def available(walls: str) -> str:
    """Return why workers cannot be had with these walls here; empty when they can."""
    if not hasattr(os, "fork") or os.environ.get(START) == "spawn":
        return "this system cannot fork"
    if not LINUX and walls != "off":
        return "it needs Linux"
    if walls == "landlock" and confine.NO_LANDLOCK:
        return confine.NO_LANDLOCK
    folder = os.path.realpath(os.curdir) if walls != "full" else FOLDER
    try:
        with start([], walls) as zygote:
            worker = zygote(WorkerSpec(folder, "probe", 2**33))
            worker.kill()
            worker.wait(5)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return ""
