"""What hostile code would try: run inside a worker by ``grade --self-test`` and by the tests of isolation.

Each function returns what it achieved in words, or None when it was stopped. Nothing here does harm where it
succeeds: it looks, it counts, it removes what it made.
"""

import contextlib
import ctypes
import os
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path


def read_disk(paths: list[str]) -> str | None:
    """Read the solutions, the home folder and the system's users."""
    for path in paths:
        with contextlib.suppress(OSError):
            found = _listed(path) if Path(path).is_dir() else Path(path).read_bytes()[:1]
            if found:
                return f"read {path}"
    return None


def write_disk(folders: list[str]) -> str | None:
    """Change the helper package, the environment or the system."""
    for folder in folders:
        with contextlib.suppress(OSError):
            probe = Path(folder, f".escape-{os.getpid()}")
            probe.write_bytes(b"x")
            probe.unlink()
            return f"wrote below {folder}"
    return None


def leave_message(text: str) -> None:
    """Leave a message for the next submission, in files and in shared memory."""
    for folder in ("/tmp", "/dev/shm", "/var/tmp", "/run"):
        with contextlib.suppress(OSError):
            Path(folder, "message").write_text(text)
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None, use_errno=True)
        identity = libc.shmget(0x5EED, 4096, 0o1666)
        libc.shmat.restype = ctypes.c_void_p
        address = libc.shmat(identity, None, 0)
        if address not in (None, 2**64 - 1):
            ctypes.memmove(address, text.encode(), len(text))


def find_message(text: str) -> str | None:
    """Find a message that an earlier submission left."""
    for folder in ("/tmp", "/dev/shm", "/var/tmp", "/run"):
        with contextlib.suppress(OSError):
            message = Path(folder, "message")
            if message.read_text() == text:
                message.unlink(missing_ok=True)
                return f"found it in {folder}"
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None, use_errno=True)
        identity = libc.shmget(0x5EED, 4096, 0o666)
        if identity >= 0:
            libc.shmctl(identity, 0, None)
            return "found a segment of shared memory"
    return None


def connect(port: int) -> str | None:
    """Reach a server on this machine."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
        return f"reached 127.0.0.1:{port}"
    return None


def abstract_socket(name: str) -> str | None:
    """Reach a Unix socket without a file."""
    with contextlib.suppress(OSError, AttributeError), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        client.connect("\0" + name)
        return "reached it"
    return None


def see_processes() -> str | None:
    """See other processes."""
    others = [int(n) for n in _listed("/proc") if n.isdigit() and int(n) != os.getpid()]
    family = {os.getppid()}
    return f"saw {len(others)} processes" if set(others) - family or os.getppid() in others else None


def signal_others() -> str | None:
    """Send a signal to another process (signal 0, which only asks)."""
    for target in (os.getppid(), 1):
        if target not in (0, os.getpid()):
            with contextlib.suppress(OSError):
                os.kill(target, 0)
                return f"could signal process {target}"
    return None


def read_secrets() -> str | None:
    """Find the grader's settings in the environment."""
    found = [name for name in os.environ if "SECRET" in name or name.startswith(("COURSE_", "SSH_"))]
    return f"read {found}" if found else None


def use_descriptors() -> str | None:
    """Find open files that are not this worker's pipes."""
    for number in range(3, 256):
        with contextlib.suppress(OSError):
            link = str(Path(f"/proc/self/fd/{number}").readlink())
            if not link.startswith(("pipe:", "/dev/null", "/proc/", "anon_inode:")):
                return f"descriptor {number} is {link}"
    return None


def raise_limits() -> str | None:
    """Lift the limits on memory and processes."""
    import resource

    for name in ("RLIMIT_AS", "RLIMIT_NPROC", "RLIMIT_CPU"):
        _, hard = resource.getrlimit(getattr(resource, name))
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(getattr(resource, name), (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            return f"{name} had been {hard}"
    return None


def take_memory(limit: int) -> str | None:
    """Take a gigabyte more memory than allowed."""
    with contextlib.suppress(MemoryError, ValueError, OSError):
        import mmap

        mmap.mmap(-1, limit + 2**30).close()
        return f"mapped {limit + 2**30:,} bytes"
    return None


def fill_disk(limit: int) -> str | None:
    """Write a tenth more than allowed."""
    path, written = Path("full"), 0
    with contextlib.suppress(OSError), path.open("wb") as file:
        while written <= 1.1 * limit:
            written += file.write(bytes(2**24))
    path.unlink(missing_ok=True)
    return f"wrote {written:,} bytes" if written > limit else None


def fork_bomb(limit: int) -> str | None:
    """Start more processes than allowed (at most 300)."""
    children: list[int] = []
    try:
        while len(children) < min(300, limit + 20):
            child = os.fork()
            if child == 0:
                time.sleep(30)
                os._exit(0)
            children.append(child)
    except OSError:
        pass
    finally:
        for child in children:
            os.kill(child, 9)
            os.waitpid(child, 0)
    return f"started {len(children)} processes" if len(children) >= limit else None


def new_namespace() -> str | None:
    """Become root in a user namespace of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.fork() == 0:
        os._exit(7 if libc.unshare(0x10000000) == 0 else 0)
    return "it was made" if os.waitstatus_to_exitcode(os.wait()[1]) == 7 else None


def mount() -> str | None:
    """Mount a file system."""
    libc = ctypes.CDLL(None, use_errno=True)
    Path("mountpoint").mkdir(exist_ok=True)
    if libc.mount(b"tmpfs", b"mountpoint", b"tmpfs", 0, None) == 0:
        libc.umount2(b"mountpoint", 0)
        return "mounted one"
    return None


def trace_parent() -> str | None:
    """Attach to another process as a debugger."""
    libc = ctypes.CDLL(None, use_errno=True)
    for target in {1, os.getppid()} - {0, os.getpid()}:
        if libc.ptrace(0x4206, target, None, None) == 0:  # PTRACE_SEIZE: it stops nothing
            return f"attached to {target}"
    return None


def raw_packets() -> str | None:
    """Open raw, packet and netlink sockets."""
    for family, kind in ((2, 3), (17, 3), (16, 3), (40, 1)):
        with contextlib.suppress(OSError), socket.socket(family, kind):
            return f"opened family {family}"
    return None


def gain_powers() -> str | None:
    """Become root through a program that may (sudo, su), or keep a capability."""
    status = Path("/proc/self/status")
    text = status.read_text() if status.exists() else ""
    if text and "CapEff:\t0000000000000000" not in text:
        return "has capabilities"
    return None if "NoNewPrivs:\t1" in text or not text else "a set-user-id program would be obeyed"


def kernel_interfaces() -> str | None:
    """Use interfaces of the kernel that have had holes: io_uring, bpf, perf, userfaultfd, keyrings."""
    libc = ctypes.CDLL(None, use_errno=True)
    numbers = {"io_uring": 425}
    if sys.platform == "linux" and os.uname().machine == "x86_64":
        numbers |= {"bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "add_key": 248}
    for name, number in numbers.items():
        ctypes.set_errno(0)
        if libc.syscall(number, 0, 0, 0, 0, 0) >= 0 or ctypes.get_errno() not in (1, 38):
            return f"{name} answers"
    return None


def type_into_terminal() -> str | None:
    """Type into the terminal of whoever grades."""
    with contextlib.suppress(OSError):
        import fcntl

        for number in (0, 1, 2):
            if os.isatty(number):
                fcntl.ioctl(number, 0x5412, struct.pack("B", 10))
                return "typed"
        with Path("/dev/tty").open("wb") as terminal:
            fcntl.ioctl(terminal, 0x5412, struct.pack("B", 10))
            return "typed"
    return None


def survive() -> None:
    """Leave a process behind that outlives the worker (for a minute)."""
    program = "import os, time; os.setsid(); time.sleep(60)"
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            subprocess.Popen([sys.executable, "-c", program, "escape-survivor"])
        os._exit(0)
    os.wait()


def kill_all() -> None:
    """Kill every process that can be reached."""
    os.kill(-1, 9)


def _listed(folder: str) -> list[str]:
    with contextlib.suppress(OSError):
        return [path.name for path in Path(folder).iterdir()]
    return []
