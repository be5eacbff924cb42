"""What a worker is forbidden: each layer alone would stop most attempts, and a hole in one is no hole in all of them.

Linux only. These functions run in a process that has just been forked and holds no code of a student yet.

Sources: namespaces(7), landlock(7), seccomp(2), capabilities(7), setrlimit(2).
"""

import functools
import os
import resource
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from autograder.sandbox import kernel

try:
    import pyseccomp

    NO_SECCOMP = ""
except (
    ImportError,
    RuntimeError,
) as _error:  # it loads libseccomp, and raises a RuntimeError where that is missing
    NO_SECCOMP = f"no filter of system calls: {_error} (package libseccomp2)"

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

# Without namespaces these reach what other processes share: memory, queues, and servers behind a socket's file.
_SHARED = ("connect", "mq_open", "msgget", "semget", "shmget")

NO_LANDLOCK = "" if kernel.landlock_version() else "no landlock: the kernel has none, or it is switched off"


def lacks() -> list[str]:
    """Return which layers this machine cannot give, a sentence each; the others hold without them."""
    return [lack for lack in (NO_LANDLOCK, NO_SECCOMP) if lack]


def move_in(uid: int, private: Sequence[str], disk_bytes: int) -> None:
    """Give the calling process, the first of its namespaces, folders and a ``/proc`` of its own.

    Parameters
    ----------
    uid : int
        Who the worker is; root becomes that user.
    private : sequence of str
        Folders that become empty ones of the worker's own.
    disk_bytes : int
        What fits into each.
    """
    kernel.make_private()
    root = os.geteuid() == 0
    gid = uid if root else os.getegid()
    options = f"size={disk_bytes},nr_inodes=20000,mode=0700,uid={uid},gid={gid}"
    for path in private:
        kernel.mount("tmpfs", path, "tmpfs", kernel.NOSUID | kernel.NODEV, options)
    try:
        flags = kernel.NOSUID | kernel.NODEV | kernel.NOEXEC
        kernel.mount("proc", "/proc", "proc", flags, "hidepid=invisible")
    except OSError:  # inside a container /proc is masked, and the kernel lets nobody mount it again
        kernel.mount("tmpfs", "/proc", "tmpfs", options="size=0,mode=0555")
    if root:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)


def confine(readable: Sequence[str], writable: Sequence[str], limits: Mapping[str, int], alone: bool) -> None:
    """Shut the calling process in, with each layer that this machine has: afterwards nothing can be undone.

    Parameters
    ----------
    readable, writable : sequence of str
        The files and folders that stay in reach.
    limits : mapping of str to int
        From :func:`resource_limits`.
    alone : bool
        Whether the process has namespaces of its own.

    Raises
    ------
    OSError
        If the kernel refuses a layer that it has.
    """
    limit(limits)
    kernel.drop_powers()
    if not NO_LANDLOCK:
        kernel.landlock(readable, writable)
    if (rules := filter_of_calls(alone)) is not None:
        rules.load()


def resource_limits(memory_bytes: int, disk_bytes: int, cpu_seconds: int, processes: int) -> dict[str, int]:
    """Return the limits of a :class:`~autograder.worker.launch.WorkerSpec` by their names in setrlimit(2).

    Raises
    ------
    OSError
        Where Linux's ``/proc`` is missing.
    """
    return {
        "RLIMIT_AS": memory_bytes + _virtual_bytes(),  # what the zygote imported costs the student nothing
        "RLIMIT_CPU": cpu_seconds,
        "RLIMIT_FSIZE": disk_bytes,
        "RLIMIT_NPROC": processes,
        "RLIMIT_NOFILE": 1024,
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 2**20,
        "RLIMIT_MSGQUEUE": 2**16,
    }


def limit(limits: Mapping[str, int]) -> None:
    """Set resource limits, which cannot be lifted again."""
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, name), (value, value))


def _virtual_bytes() -> int:
    """Return how much address space this process has already: imports take gigabytes of it, unused."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


@functools.cache
def filter_of_calls(alone: bool) -> "pyseccomp.SyscallFilter | None":
    """Return what forbids the calls that no lab needs: they fail with EPERM, and end nothing. None without libseccomp.

    It is made once, before forking, because that costs milliseconds.
    """
    if NO_SECCOMP:
        return None
    fails = pyseccomp.ERRNO(1)  # EPERM
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in _known(_FORBIDDEN if alone else _FORBIDDEN + _SHARED):
        # glibc falls back to clone, whose flags can be looked at, when clone3 seems not to exist.
        rules.add_rule(pyseccomp.ERRNO(38) if name == "clone3" else fails, name)
    for flag in kernel.NAMESPACES.values():
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
