"""Full isolation: a zygote in a read-only view of the machine, and workers that it forks.

bubblewrap (https://github.com/containers/bubblewrap) makes the view: the system's programs, this Python, the
helper package and the bundled market, and nothing else of the disk. No network, no other processes. What each
worker gets on top of that is in :mod:`autograder.sandbox.confine`.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import PurePosixPath
from types import TracebackType

from autograder.worker.launch import FOLDER, WorkerSpec, worker_environment
from itemmarket.paths import ROOT, data_dir

LIMITS = ("memory_bytes", "disk_bytes", "cpu_seconds", "processes")
_START_SECONDS = 60  # of imports, on a slow and busy machine
_FORK_SECONDS = 30
_MESSAGE = 4096
_SYSTEM = (
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/sbin",
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/etc/localtime",
)
_OWN = (
    *("itemmarket", "labkit", "autograder/__init__.py"),
    *(f"autograder/worker/{name}.py" for name in ("__init__", "serve", "watch", "cells", "codec")),
    *(f"autograder/sandbox/{name}.py" for name in ("__init__", "zygote", "confine")),
)


class SandboxError(OSError):
    """A sandbox that cannot be made, or that broke: what the system said."""


def view() -> list[str]:
    """Return bubblewrap's command line up to the program: what can be seen, and what is cut off."""
    command = ["bwrap", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    command += ["--unshare-cgroup-try", "--new-session", "--hostname", "sandbox", "--cap-drop", "ALL"]
    if os.geteuid() == 0:  # workers become an ordinary user, whom root's namespaces shut in
        for power in ("CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
            command += ["--cap-add", power]
    else:
        command += ["--unshare-user"]
    for path in visible():
        for parent in reversed(PurePosixPath(path).parents[:-1]):  # else root's view is for root only
            command += ["--perms", "0755", "--dir", str(parent)]
        command += ["--ro-bind-try", path, path]
    command += ["--proc", "/proc", "--dev", "/dev", "--dir", "/tmp", "--tmpfs", FOLDER]
    return [*command, "--remount-ro", "/", "--chdir", "/"]


def visible() -> list[str]:
    """Return the files and folders of this machine that a worker can read."""
    own = [str(ROOT / name) for name in _OWN] + [str(data_dir())]
    return list(dict.fromkeys([*_SYSTEM, sys.prefix, sys.base_prefix, *own]))


def private() -> list[str]:
    """Return the folders that each worker has for itself: not one in which this course happens to lie."""
    folders = (FOLDER, "/tmp", "/dev/shm")
    return [path for path in folders if not any(PurePosixPath(v).is_relative_to(path) for v in visible())]


class Zygote:
    """The judge's side of a zygote: a :data:`~autograder.worker.launch.Launch` with full isolation.

    Parameters
    ----------
    preload : sequence of str
        What the zygote imports before its first fork.

    Raises
    ------
    SandboxError
        If bubblewrap or the kernel refuses.
    """

    name = "full"
    folder = FOLDER

    def __init__(self, preload: list[str]) -> None:
        self._preload = preload
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        python = [sys.executable, "-P", "-m", "autograder.sandbox.zygote"]
        environment = worker_environment(FOLDER)
        self._process = subprocess.Popen(
            [*view(), *python], stdin=theirs, stderr=subprocess.PIPE, env=environment, start_new_session=True
        )
        theirs.close()
        try:
            self._control.settimeout(_START_SECONDS)
            self._control.send(json.dumps({"preload": preload}).encode())
            word = self._control.recv(_MESSAGE)
        except OSError as error:
            word = str(error).encode()
        if word != b"ready":
            self.close()
            said = self._process.stderr.read().decode("utf-8", "replace").strip()
            raise SandboxError(f"the sandbox cannot be started: {said or word.decode()}")

    def __call__(self, spec: WorkerSpec) -> "ForkedWorker":
        """Fork a worker."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        (stdin, to), (fro, stdout), (err, stderr) = os.pipe(), os.pipe(), os.pipe()
        theirs_all = [stdin, stdout, stderr, theirs.fileno()]
        limits = {name: getattr(spec, name) for name in LIMITS}
        request = {
            "uid": _uid(),
            "folder": spec.folder,
            "module": spec.module,
            "private": private(),
            "limits": limits,
        }
        try:
            socket.send_fds(self._control, [json.dumps(request).encode()], theirs_all)
        except OSError as error:
            raise SandboxError(f"the sandbox has broken: {error}") from error
        finally:
            for descriptor in theirs_all[:3]:
                os.close(descriptor)
            theirs.close()
        return ForkedWorker(ours, to, fro, err)

    @property
    def pid(self) -> int:
        """The process of bubblewrap, with which all others end."""
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
        self.stdin = os.fdopen(stdin, "wb")
        self.stdout, self.stderr = os.fdopen(stdout, "rb"), os.fdopen(stderr, "rb")
        self.returncode: int | None = None
        self._word = word
        word.settimeout(_FORK_SECONDS)
        try:
            message, sender = _with_sender(word)
        except OSError as error:
            message, sender = f"no word from the worker: {error}".encode(), 0
        if message != b"ready":
            for stream in (self.stdin, self.stdout, self.stderr):
                stream.close()
            raise SandboxError(f"a worker cannot be confined: {message.decode('utf-8', 'replace')}")
        self.pid = sender

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
        while self._await(min(1.0, max(0.0, end - time.monotonic()))) is None:
            if time.monotonic() >= end:
                raise subprocess.TimeoutExpired("worker", timeout)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the first process of the worker's namespace."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End the worker and everything in its namespace."""
        self.send_signal(signal.SIGKILL)

    def _await(self, seconds: float) -> int | None:
        if self.returncode is None:
            self._word.settimeout(seconds)
            with contextlib.suppress(BlockingIOError, TimeoutError):
                message = self._word.recv(_MESSAGE)
                ended = message.startswith(b"ended ")
                self.returncode = int(message[6:]) if ended else -signal.SIGKILL
                self._word.close()
        return self.returncode


def _with_sender(word: socket.socket) -> tuple[bytes, int]:
    """Return a message and its sender's process id as this process sees it: see SCM_CREDENTIALS in unix(7)."""
    message, extra, _, _ = word.recvmsg(_MESSAGE, socket.CMSG_SPACE(12))
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            return message, int.from_bytes(data[:4], sys.byteorder)
    return message, 0


def _uid() -> int:
    """Return who workers shall be: this user, or for root somebody whom no other worker is."""
    return os.geteuid() or 0x60000000 + os.getpid()


def available() -> str:
    """Return why full isolation cannot be had here; empty when it can."""
    if sys.platform != "linux":
        return "it needs Linux"
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed (package bubblewrap)"
    try:
        with Zygote([]) as zygote:
            worker = zygote(WorkerSpec(FOLDER, "probe", 2**33))
            worker.kill()
            worker.wait(5)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return ""
