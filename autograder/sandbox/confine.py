"""What the kernel is asked to forbid a worker: namespaces, mounts, landlock, seccomp and resource limits.

Linux only. :func:`detach` and :func:`confine` run in a process that has just been forked and holds no code of
a student yet. Each layer alone would stop most attempts; a hole in one is no hole in all of them.

Sources: namespaces(7), mount(2), landlock(7), seccomp(2), capabilities(7), setrlimit(2).
"""

import ctypes
import os
import resource
import struct
from collections.abc import Iterator
from pathlib import Path

import pyseccomp  # loads libseccomp, and raises a RuntimeError where that is missing

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEW = {
    "ns": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 2, 4, 8
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38
_CAPABILITY_VERSION_3 = 0x20080522
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446  # the same number on every architecture

# Calls that reach the kernel's administration, other processes, or kernel code with a history of holes.
_FORBIDDEN = (
    *("acct", "add_key", "adjtimex", "bpf", "chroot", "clock_adjtime", "clock_settime", "clone3"),
    *("create_module", "delete_module", "fanotify_init", "finit_module", "fsconfig", "fsmount", "fsopen"),
    *("fspick", "init_module", "io_uring_enter", "io_uring_register", "io_uring_setup", "ioperm", "iopl"),
    *("kcmp", "kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie", "mount", "mount_setattr"),
    *("move_mount", "move_pages", "name_to_handle_at", "nfsservctl", "open_by_handle_at", "open_tree"),
    *("perf_event_open", "personality", "pidfd_getfd", "pivot_root", "process_vm_readv"),
    *("process_vm_writev", "ptrace", "quotactl", "quotactl_fd", "reboot", "request_key", "setdomainname"),
    *("sethostname", "setns", "settimeofday", "swapoff", "swapon", "syslog", "umount2", "unshare"),
    *("uselib", "userfaultfd", "vhangup", "vmsplice"),
)


def detach(uid: int) -> None:
    """Leave every namespace of the calling process; its next child is the first of a new process namespace.

    Parameters
    ----------
    uid : int
        Who the child will be; root needs no user namespace, and an ordinary user can be nobody but itself.
    """
    kinds = dict(_CLONE_NEW)
    if os.geteuid() == 0:
        del kinds["user"]
        _call("unshare", sum(kinds.values()))
        return
    group = os.getegid()
    _call("unshare", sum(kinds.values()))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def confine(
    uid: int,
    folder: str,
    private: list[str],
    memory_bytes: int,
    disk_bytes: int,
    cpu_seconds: int,
    processes: int,
) -> None:
    """Shut the calling process in, as ``uid``: afterwards nothing can be undone.

    Each of the folders in ``private``, of which ``folder`` is where it goes on, becomes an empty one of its
    own, and nothing else can be written. The limits are those of :class:`autograder.worker.launch.WorkerSpec`.

    Raises
    ------
    OSError
        If the kernel refuses one of the layers; the message says which.
    """
    root = os.geteuid() == 0
    group = uid if root else os.getegid()
    memory_bytes += _virtual_bytes()  # what the zygote imported costs the student nothing
    for path in private:
        _mount("tmpfs", path, f"size={disk_bytes},nr_inodes=20000,mode=0700,uid={uid},gid={group}")
    try:
        _mount("proc", "/proc", "hidepid=invisible")
    except OSError:  # inside a container /proc is masked, and the kernel lets nobody mount it again
        _mount("tmpfs", "/proc", "size=0,mode=0555")
    for capability in range(64):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails past the last one that the kernel knows
    if root:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    _call("capset", (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)())
    os.chdir(folder)
    _limit(memory_bytes, disk_bytes, cpu_seconds, processes)
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _landlock(writable=[*private, "/dev/null", "/dev/zero", "/dev/full"])
    _FILTER.load()


def landlock_version() -> int:
    """Return the version of landlock's interface, 0 where the kernel has none."""
    return max(0, _libc.syscall(_LANDLOCK_CREATE, None, 0, 1))


def _call(function: str, *arguments: object) -> None:
    if getattr(_libc, function)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def _mount(kind: str, folder: str, options: str) -> None:
    flags = _MS_NOSUID | _MS_NODEV | (_MS_NOEXEC if kind == "proc" else 0)
    _call("mount", kind.encode(), folder.encode(), kind.encode(), flags, options.encode())


def _limit(memory_bytes: int, disk_bytes: int, cpu_seconds: int, processes: int) -> None:
    limits = {
        "RLIMIT_AS": memory_bytes,
        "RLIMIT_CPU": cpu_seconds,
        "RLIMIT_FSIZE": disk_bytes,
        "RLIMIT_NPROC": processes,
        "RLIMIT_NOFILE": 1024,
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 2**20,
        "RLIMIT_MSGQUEUE": 2**16,
    }
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, name), (value, value))


def _virtual_bytes() -> int:
    """Return how much address space this process has already: imports take gigabytes of it, unused."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _landlock(writable: list[str]) -> None:
    """Read and run anything that is visible, write below ``writable`` only, no TCP, no signals to others."""
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
    ruleset = _libc.syscall(_LANDLOCK_CREATE, attributes, len(attributes), 0)
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "landlock: no ruleset")
    on_files = execute | write_file | read_file | (known & (1 << 14)) | (known & (1 << 15))
    rules = [("/", execute | read_file | read_dir)]
    rules += [(path, known if Path(path).is_dir() else known & on_files) for path in writable]
    for path, rights in rules:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        _call("syscall", _LANDLOCK_ADD, ruleset, 1, struct.pack("=Qi", rights, handle), 0)
        os.close(handle)
    _call("syscall", _LANDLOCK_RESTRICT, ruleset, 0)
    os.close(ruleset)


def _make_filter() -> pyseccomp.SyscallFilter:
    """Return what forbids the calls that no lab needs: they fail with EPERM, and end nothing.

    It is made once, before forking, because that costs milliseconds.
    """
    fails = pyseccomp.ERRNO(1)  # EPERM
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in _known(_FORBIDDEN):
        # glibc falls back to clone, whose flags can be looked at, when clone3 seems not to exist.
        rules.add_rule(pyseccomp.ERRNO(38) if name == "clone3" else fails, name)
    for flag in _CLONE_NEW.values():
        rules.add_rule(fails, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, flag, flag))
    unix, terminal_input = 1, 0x5412
    rules.add_rule(fails, "socket", pyseccomp.Arg(0, pyseccomp.NE, unix))
    rules.add_rule(fails, "ioctl", pyseccomp.Arg(1, pyseccomp.EQ, terminal_input))
    return rules


def _known(names: tuple[str, ...]) -> Iterator[str]:
    """Yield the calls that this architecture has."""
    for name in names:
        if pyseccomp.resolve_syscall(pyseccomp.system_arch(), name) >= 0:
            yield name


_FILTER = _make_filter()
