"""``grade --self-test``: tries each escape on the machine at hand and says which are stopped."""

import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psutil
from rich.console import Console
from rich.table import Table

from autograder.judging.remote_workspace import RemoteWorkspace
from autograder.labs.schema import Limits
from autograder.sandbox import choose
from autograder.selftest import escapes
from autograder.worker.launch import Launch, WorkerSpec
from itemmarket.paths import ROOT
from labkit.student import Student, StudentError, SubmissionError

MODULE = "escapes"
LIMITS = Limits(
    call_cpu_seconds=20,
    call_cpu_factor=1,
    call_wall_seconds=60,
    submission_seconds=300,
    memory_gb=2,
    output_bytes=10_000,
    mutation_cpu_seconds=1,
)
SPEC = WorkerSpec("", MODULE, round(LIMITS.memory_gb * 2**30))
SURVIVAL_SECONDS = 5
_HARMFUL = {"mount", "trace_parent", "kill_all"}  # to this machine, where nothing stops them


def try_escapes(launch: Launch) -> Iterator[tuple[str, str | None]]:
    """Try each escape in a worker.

    Parameters
    ----------
    launch : Launch
        How the worker is started.

    Yields
    ------
    tuple of (str, str or None)
        What was tried, in words, and what it achieved: None when it was stopped.
    """
    message = uuid4().hex
    with _workspace(launch) as student, _servers() as (port, name):
        student.leave_message(message)
        for attempt, arguments in _attempts(port, name).items():
            if launch.name == "full" or attempt not in _HARMFUL:
                yield _title(attempt), _outcome(getattr(student, attempt), *arguments)
    with _workspace(launch) as student:
        yield _title("find_message"), _outcome(student.find_message, message)
    yield _title("survive"), _survivors(launch)


def self_test(mode: str = "auto") -> int:
    """Try everything under an isolation of this machine, print what holds; return 0 when all does.

    Parameters
    ----------
    mode : str
        One of :data:`autograder.sandbox.choose.MODES`: by default the strongest.
    """
    console = Console()
    for name in choose.MODES[1:-1]:
        console.print(f"{name}: {choose.why_not(name) or 'available'}", markup=False, soft_wrap=True)
    try:
        name = choose.resolve(mode)
    except choose.IsolationError as error:
        console.print(str(error), markup=False, soft_wrap=True)
        return 1
    for warning in choose.warnings(name):
        console.print(f"WARNING: {warning}", markup=False, soft_wrap=True)
    with choose.workers(name, []) as launch:
        return _print_table(console, launch)


def _print_table(console: Console, launch: Launch) -> int:
    table = Table(title=f"Isolation {launch.name}: what a submission tried")
    table.add_column("Attempt")
    table.add_column("Outcome")
    open_doors = 0
    for title, achieved in try_escapes(launch):
        table.add_row(title, "stopped" if achieved is None else f"OPEN: {achieved}")
        open_doors += achieved is not None
    console.print(table)
    console.print(f"{table.row_count - open_doors} stopped, {open_doors} open")
    return 1 if open_doors else 0


def _attempts(port: int, name: str) -> dict[str, tuple[object, ...]]:
    """Return the names of what to try, and their arguments."""
    pythons = [Path(sys.prefix), Path(sys.base_prefix), ROOT]
    home = [p for p in Path.home().glob("*") if not any(one.is_relative_to(p) for one in pythons)]
    places = [ROOT / "solutions", ROOT / "autograder" / "judging" / "judge.py", Path("/etc/passwd"), *home]
    return {
        "read_disk": ([str(path) for path in places],),
        "write_disk": ([str(ROOT / "itemmarket"), sys.prefix, "/usr/bin", "/etc", "/"],),
        "connect": (port,),
        "abstract_socket": (name,),
        "see_processes": (),
        "signal_others": (),
        "read_secrets": (),
        "use_descriptors": (),
        "raise_limits": (),
        "take_memory": (SPEC.memory_bytes + 2**29,),  # beyond the lab's limit and what is preloaded
        "fill_disk": (SPEC.disk_bytes,),
        "fork_bomb": (SPEC.processes,),
        "new_namespace": (),
        "mount": (),
        "trace_parent": (),
        "raw_packets": (),
        "gain_powers": (),
        "kernel_interfaces": (),
        "type_into_terminal": (),
        "kill_all": (),
    }


def _title(attempt: str) -> str:
    line = getattr(escapes, attempt).__doc__.splitlines()[0].rstrip(".")
    return line[0].lower() + line[1:]


def _outcome(attempt: Callable[..., str | None], *arguments: object) -> str | None:
    """Return what an attempt achieved; one that the system refused, or that ended its worker, was stopped."""
    try:
        return attempt(*arguments)
    except StudentError as error:
        if not error.is_a((OSError, MemoryError)):
            raise  # the attempt itself is wrong
    except SubmissionError:
        pass
    return None


@contextmanager
def _workspace(launch: Launch) -> Iterator[Student]:
    files = {f"{MODULE}.py": Path(__file__).with_name("escapes.py")}
    with RemoteWorkspace(files, MODULE, [], LIMITS, launch=launch) as workspace:
        yield Student(workspace, "")


@contextmanager
def _servers() -> Iterator[tuple[int, str]]:
    """Listen on a TCP port and on an abstract Unix socket of this machine."""
    name = f"escape-{uuid4().hex}"
    with socket.create_server(("127.0.0.1", 0)) as server:
        unix = socket.socket(socket.AF_UNIX) if sys.platform == "linux" else None
        if unix:
            unix.bind("\0" + name)
            unix.listen()
        try:
            yield server.getsockname()[1], name
        finally:
            if unix:
                unix.close()


def _survivors(launch: Launch) -> str | None:
    with _workspace(launch) as student:
        student.survive()
        time.sleep(0.3)
    end = time.monotonic() + SURVIVAL_SECONDS
    while left := [
        p for p in psutil.process_iter(["cmdline"]) if "escape-survivor" in (p.info["cmdline"] or [])
    ]:
        if time.monotonic() > end:
            for process in left:
                process.kill()
            return f"process {left[0].pid} lived on"
        time.sleep(0.1)
    return None


if __name__ == "__main__":
    sys.exit(self_test(*sys.argv[1:]))
