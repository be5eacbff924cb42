"""Processes that outlive their submission, and signals to those that are not its own."""

from tests.redteam.desk import NO_TESTS, RIGHT, Desk, case

FORECAST = "return self.slope * x + self.intercept"


@case("processes", RIGHT)
def children_of_children(desk: Desk) -> None:
    """A child starts a child in the background through the shell; both wait for two minutes."""
    desk.right(
        append="""
        import subprocess, sys
        try:
            subprocess.Popen(["/bin/sh", "-c", "sleep 120 & sleep 120"])
        except OSError:
            pass
        """
    )


@case("processes", NO_TESTS, needs_full=True)
def daemon(desk: Desk) -> None:
    """A daemon is made by two forks and a session of its own, ignores signals, and waits for two minutes."""
    desk.right(
        tests="",
        append="""
        import os, signal, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for _number in range(1, 32):
                    try:
                        signal.signal(_number, signal.SIG_IGN)
                    except OSError:
                        continue
                time.sleep(120)
            os._exit(0)
        """,
    )


@case("processes", NO_TESTS, needs_full=True, at_most=True)
def kills_everybody(desk: Desk) -> None:
    """SIGKILL is sent to all processes that may be sent it."""
    desk.right(f"import os\nos.kill(-1, 9)\n{FORECAST}")


@case("processes", NO_TESTS, needs_full=True, at_most=True)
def kills_its_parents(desk: Desk) -> None:
    """SIGKILL and SIGSTOP are sent to the parent, its group, and every process of a lower number."""
    desk.right(
        f"""
        import os
        for number in (os.getppid(), -os.getpgid(os.getppid()), *range(1, os.getpid())):
            for signal in (19, 9):
                if number not in (0, -1):
                    try:
                        os.kill(number, signal)
                    except OSError:
                        continue
        {FORECAST}
        """
    )


@case("processes", NO_TESTS, needs_full=True, at_most=True, absent=("the secret of the red team",))
def traces_its_parents(desk: Desk) -> None:
    """Other processes are attached to with ptrace, and their memory and environment are read and raised."""
    desk.right(
        f"""
        import ctypes, os, pathlib
        found = ""
        libc = ctypes.CDLL(None, use_errno=True)
        for number in [os.getppid(), *(int(p.name) for p in pathlib.Path("/proc").iterdir() if p.name.isdigit())]:
            if number == os.getpid():
                continue
            try:
                libc.ptrace(0x4206, number, 0, 0)
                libc.ptrace(17, number, 0, 0)
                environment = pathlib.Path(f"/proc/{{number}}/environ").read_bytes().decode(errors="replace")
                found += environment if "COURSE" in environment else ""
                with open(f"/proc/{{number}}/mem", "rb") as memory:
                    for line in open(f"/proc/{{number}}/maps"):
                        if "[heap]" in line:
                            start, end = (int(part, 16) for part in line.split()[0].split("-"))
                            memory.seek(start)
                            text = memory.read(min(end - start, 10**8)).decode("latin-1")
                            at = text.find("of the red team")
                            found += text[at - 20: at + 20] if at >= 0 else ""
            except OSError:
                continue
        if found:
            raise ValueError(found[-1500:])
        {FORECAST}
        """
    )


@case("processes", RIGHT)
def priorities(desk: Desk) -> None:
    """The process takes the highest priority, locks its memory, and binds itself to one core."""
    desk.right(
        append="""
        import ctypes, os
        for _change in (
            lambda: os.setpriority(os.PRIO_PROCESS, 0, -20),
            lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99)),
            lambda: ctypes.CDLL(None).mlockall(1),
            lambda: os.sched_setaffinity(0, {0}),
            lambda: os.setuid(65534),
        ):
            try:
                _change()
            except (OSError, AttributeError):
                continue
        """
    )


@case("processes", NO_TESTS, at_most=True)
def another_program(desk: Desk) -> None:
    """The process is replaced by another Python with a preloaded library, which answers whatever it is asked."""
    desk.file("artefact/preload.so", b"\x7fELF" + bytes(60))
    desk.right(
        f"""
        import os, sys
        program = "import os\\nfor fd in range(1, 20):\\n try: os.write(fd, b'x' * 64)\\n except OSError: pass"
        folder = os.path.dirname(os.path.abspath(__file__))
        os.environ["LD_PRELOAD"] = os.path.join(folder, "artefact", "preload.so")
        for fd in range(3, 64):
            try:
                os.set_inheritable(fd, True)
            except OSError:
                continue
        try:
            os.execv(sys.executable, [sys.executable, "-c", program])
        except OSError:
            pass
        {FORECAST}
        """
    )
