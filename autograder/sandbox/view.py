"""What a worker sees of the disk: the system's programs, this Python, the helper packages, the bundled market.

:mod:`autograder.sandbox.bubblewrap` makes this view where that program is installed, and :func:`enter` where not.
"""

import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from autograder.sandbox import kernel
from autograder.worker.launch import FOLDER
from itemmarket.paths import ROOT, data_dir

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
    *(f"autograder/worker/{name}.py" for name in ("__init__", "serve", "lazy", "watch", "cells", "codec")),
    *(f"autograder/sandbox/{name}.py" for name in ("__init__", "zygote", "confine", "kernel")),
)
_DEVICES = ("null", "zero", "full", "random", "urandom")
WRITABLE_DEVICES = ("/dev/null", "/dev/zero", "/dev/full")
_BASES = ("/tmp", "/mnt", "/var/tmp", "/srv", "/media", "/run")  # where the new tree can be put together


def visible() -> list[str]:
    """Return the files and folders of this machine that a worker can read."""
    own = [str(ROOT / name) for name in _OWN] + [str(data_dir())]
    return list(dict.fromkeys([*_SYSTEM, sys.prefix, sys.base_prefix, *own]))


def readable() -> list[str]:
    """Return what landlock lets a worker read: what is visible, and what the kernel shows of itself."""
    return [*visible(), "/proc", *(f"/dev/{name}" for name in (*_DEVICES, "fd"))]


def private() -> list[str]:
    """Return the folders that each worker has for itself: not one in which this course happens to lie."""
    return [path for path in (FOLDER, "/tmp", "/dev/shm") if not _holds(path, visible())]


def _holds(folder: str, paths: Sequence[str]) -> bool:
    return any(PurePosixPath(path).is_relative_to(folder) for path in paths)


def enter(paths: Sequence[str]) -> None:
    """Go on in a child of this process that sees ``paths`` read-only, and no network and no other processes.

    This process waits for that child, ends as it ends, and takes it along.

    Parameters
    ----------
    paths : sequence of str
        From :func:`visible`, asked before: here nothing of the machine may be looked at any more.

    Raises
    ------
    OSError
        If the kernel refuses a namespace or a mount; the message says which.
    """
    kernel.leave_namespaces(os.geteuid(), os.getegid())
    child = os.fork()
    if child:
        os.closerange(0, 1024)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    kernel.die_with_parent(signal.SIGKILL)
    socket.sethostname("sandbox")
    kernel.make_private()
    real = [os.path.realpath(path) for path in paths]
    base = next((path for path in _BASES if Path(path).is_dir() and not _holds(path, real)), None)
    if base is None:
        raise OSError("no folder is free in which to put the sandbox together")
    kernel.mount("tmpfs", base, "tmpfs", kernel.NOSUID | kernel.NODEV, "size=1m,mode=0755")
    for folder in ("dev/shm", "proc", "tmp", FOLDER.strip("/")):
        Path(base, folder).mkdir(parents=True)
    for source, path in zip(real, paths, strict=True):
        if Path(source).exists():
            _show(source, base + path)
            kernel.make_read_only(base + path)
    for name in _DEVICES:
        _show(f"/dev/{name}", f"{base}/dev/{name}")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        Path(base, "dev", name).symlink_to(f"/proc/self/fd/{number}")
    Path(base, "dev/fd").symlink_to("/proc/self/fd")
    try:
        kernel.mount("proc", f"{base}/proc", "proc", kernel.NOSUID | kernel.NODEV | kernel.NOEXEC)
    except OSError:  # inside a container /proc is masked, and the kernel lets nobody mount it again
        kernel.mount("tmpfs", f"{base}/proc", "tmpfs", options="size=0,mode=0555")
    for folder in (
        FOLDER,
        "/dev/shm",
    ):  # libraries that are preloaded write caches; each worker gets empty ones
        kernel.mount("tmpfs", base + folder, "tmpfs", kernel.NOSUID | kernel.NODEV, "size=64m,mode=0700")
    kernel.make_read_only(base, recursive=False)
    kernel.change_root(base)


def _show(source: str, target: str) -> None:
    """Make a file or folder of this machine appear at ``target``."""
    if Path(source).is_dir():
        Path(target).mkdir(parents=True, exist_ok=True)
    else:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).touch()
    kernel.mount(source, target, flags=kernel.BIND | kernel.REC)
