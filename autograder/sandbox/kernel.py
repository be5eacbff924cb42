"""What Linux offers for shutting a process in, called through ctypes: no program and no package is needed.

Each function raises the :class:`OSError` of the call that the kernel refused, and names that call.

Sources: unshare(2), user_namespaces(7), mount(2), mount_setattr(2), pivot_root(2), prctl(2), landlock(7).
"""

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
NAMESPACES = {
    "ns": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
NOSUID, NODEV, NOEXEC, BIND, REC, PRIVATE = 2, 4, 8, 0x1000, 0x4000, 0x40000
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_MNT_DETACH = 2
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38
_CAPABILITY_VERSION_3 = 0x20080522
_MOUNT_SETATTR, _LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = (
    442,
    444,
    445,
    446,
)  # on every architecture


def _call(function: str, *arguments: object, title: str = "") -> int:
    answer: int = getattr(_libc, function)(*arguments)
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{title or function}: {os.strerror(number)}")
    return answer


def leave_namespaces(uid: int, gid: int) -> None:
    """Leave every namespace of the calling process; its next child is the first of a new process namespace.

    Root needs no user namespace. An ordinary user makes one, in which it can be nobody but itself.

    Parameters
    ----------
    uid, gid : int
        Who an ordinary user is; the same inside and outside.
    """
    kinds = dict(NAMESPACES)
    if os.geteuid() == 0:
        del kinds["user"]
        _call("unshare", sum(kinds.values()))
        return
    _call("unshare", sum(kinds.values()))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system, or with ``BIND`` a file or folder, at ``target``."""
    words = (source, target, kind, options)
    encoded = [word.encode() or None for word in words]
    _call("mount", *encoded[:3], flags, encoded[3], title=f"mount {target}")


def make_private() -> None:
    """Keep mounts of this namespace from showing in the one that it was copied from."""
    mount("none", "/", flags=REC | PRIVATE)


def make_read_only(path: str, recursive: bool = True) -> None:
    """Make a mount read-only, without set-user-id programs and devices."""
    attributes = struct.pack("=QQQQ", _ATTR_RDONLY | _ATTR_NOSUID | _ATTR_NODEV, 0, 0, 0)
    flags = _AT_RECURSIVE if recursive else 0
    arguments = (_MOUNT_SETATTR, _AT_FDCWD, path.encode(), flags, attributes, len(attributes))
    _call("syscall", *map(_word, arguments), title="mount_setattr")


def _word(argument: object) -> object:
    """Return an argument of ``syscall``, which takes all numbers as long."""
    return ctypes.c_long(argument) if isinstance(argument, int) else argument


def change_root(path: str) -> None:
    """Make a mount the root of this namespace, and let go of the one before."""
    os.chdir(path)
    _call("pivot_root", b".", b".")
    _call("umount2", b".", _MNT_DETACH)
    os.chdir("/")


def die_with_parent(number: int) -> None:
    """Be sent a signal when the process that forked this one ends."""
    _call("prctl", _PR_SET_PDEATHSIG, number, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent ends, so that none of them is lost sight of."""
    _call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def drop_powers() -> None:
    """Lose every capability, and the ways to get one back."""
    for capability in range(64):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails past the last one that the kernel knows
    _call("capset", (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)())
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def landlock_version() -> int:
    """Return the version of landlock's interface, 0 where the kernel has none or it is switched off."""
    return max(0, _libc.syscall(_LANDLOCK_CREATE, None, 0, 1))


def landlock(readable: Iterable[str], writable: Iterable[str]) -> None:
    """Read and run what is below ``readable``, write below ``writable`` too, and nothing else.

    No TCP and no signals to other processes either, from the versions on that know these.
    """
    version = landlock_version()
    if not version:
        raise OSError("landlock: the kernel has none, or it is switched off")
    # Rights by the version of the interface that brought them, see landlock(7).
    execute, write_file, read_file, read_dir = 1, 2, 4, 8
    known = (1 << 13) - 1
    known |= (1 << 13 if version >= 2 else 0) | (1 << 14 if version >= 3 else 0)
    known |= 1 << 15 if version >= 5 else 0
    tcp, scopes = (3 if version >= 4 else 0), (3 if version >= 6 else 0)
    attributes = struct.pack("=QQQ", known, tcp, scopes)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = _call("syscall", _LANDLOCK_CREATE, attributes, len(attributes), 0, title="landlock")
    on_files = execute | write_file | read_file | (known & (1 << 14)) | (known & (1 << 15))
    rules = [(path, execute | read_file | read_dir) for path in readable]
    rules += [(path, known) for path in writable]
    for path, rights in rules:
        try:
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        on_this = rights if Path(path).is_dir() else rights & on_files
        _call(
            "syscall",
            _LANDLOCK_ADD,
            ruleset,
            1,
            struct.pack("=Qi", on_this, handle),
            0,
            title=f"landlock {path}",
        )
        os.close(handle)
    _call("syscall", _LANDLOCK_RESTRICT, ruleset, 0, title="landlock")
    os.close(ruleset)
