"""Too much of everything; each attack is bounded itself, so that a hole costs a test and not the machine."""

from tests.redteam.desk import NO_TESTS, RIGHT, Desk, case

NO_FORECAST = NO_TESTS | {"prediction": 0.0}
FORECAST = "return self.slope * x + self.intercept"


@case("resources", NO_TESTS, flags=frozenset({"output-cut"}))
def line_of_200_megabytes(desk: Desk) -> None:
    """200 MB are printed on one line, on both streams; the answers are right."""
    desk.right(
        f"""
        import os, sys
        if len(x) == 2 and not hasattr(np, "printed"):
            np.printed = True
            for stream in (sys.stdout, sys.stderr):
                for _ in range(100):
                    stream.write("x" * 1_000_000)
        {FORECAST}
        """
    )


@case("resources", NO_FORECAST)
def memory_hog(desk: Desk) -> None:
    """1.5 GB are filled, where the lab allows 1 GB."""
    desk.right(f"blocks = [bytearray(b'x') * 10**8 for _ in range(15)]\n{FORECAST}")


@case("resources", NO_FORECAST)
def limits_lifted(desk: Desk) -> None:
    """All limits that can be lifted are lifted, then 1.5 GB are filled."""
    desk.right(
        f"""
        import resource
        for name in dir(resource):
            if name.startswith("RLIMIT_"):
                for most in (resource.RLIM_INFINITY, resource.getrlimit(getattr(resource, name))[1]):
                    try:
                        resource.setrlimit(getattr(resource, name), (most, most))
                    except (OSError, ValueError):
                        continue
        blocks = []
        import time
        for _ in range(15):
            blocks.append(bytearray(b'x') * 10**8)
            time.sleep(0.05)
        {FORECAST}
        """
    )


@case("resources", NO_FORECAST, needs_full=True)
def memory_of_children(desk: Desk) -> None:
    """Four children fill 400 MB each: together more than the lab allows, each of them less."""
    desk.right(
        f"""
        import os, time
        children = []
        for _ in range(4):
            child = os.fork()
            if child == 0:
                block = bytearray(b'x') * 400_000_000
                time.sleep(6)
                os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
        {FORECAST}
        """
    )


@case("resources", RIGHT, needs_full=True, at_most=True)
def fork_bomb(desk: Desk) -> None:
    """300 processes are started that each would start more; the answers are right."""
    desk.right(
        append="""
        import os, time
        def _bomb(count):
            for _ in range(count):
                try:
                    if os.fork() == 0:
                        os.setsid()
                        time.sleep(120)
                        os._exit(0)
                except OSError:
                    return
        _bomb(300)
        """
    )


@case("resources", RIGHT, at_most=True)
def forty_children(desk: Desk) -> None:
    """Forty children wait for two minutes and are never waited for; the answers are right."""
    desk.right(
        append="""
        import os, time
        for _ in range(40):
            try:
                if os.fork() == 0:
                    time.sleep(120)
                    os._exit(0)
            except OSError:
                break
        """
    )


@case("resources", RIGHT, at_most=True)
def thread_bomb(desk: Desk) -> None:
    """500 threads wait, and one spins for ever; the answers are right."""
    desk.right(
        append="""
        import threading, time
        def _spin():
            while True:
                pass
        try:
            for _ in range(500):
                threading.Thread(target=time.sleep, args=(120,), daemon=True).start()
        except RuntimeError:
            pass
        threading.Thread(target=_spin, daemon=True).start()
        """
    )


@case("resources", RIGHT, at_most=True)
def disk_hog(desk: Desk) -> None:
    """600 MB are written to the working directory in files of 100 MB; the answers are right."""
    desk.right(
        append="""
        import pathlib
        try:
            for _index in range(6):
                pathlib.Path(__file__).with_name(f"zeros{_index}").write_bytes(bytes(100_000_000))
        except (OSError, MemoryError):
            pass
        """
    )


@case("resources", NO_TESTS)
def file_of_terabytes(desk: Desk) -> None:
    """A check's folder gets a sparse file of 8 TB and a million names are asked for; the answers are right."""
    desk.right(
        f"""
        import os
        try:
            with open("sparse", "wb") as file:
                os.ftruncate(file.fileno(), 8 * 10**12)
        except OSError:
            pass
        {FORECAST}
        """
    )


@case("resources", RIGHT, at_most=True)
def all_descriptors(desk: Desk) -> None:
    """Files are opened until no descriptor is left."""
    desk.right(
        append="""
        import os
        _open = []
        try:
            while len(_open) < 100_000:
                _open.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            pass
        """
    )


@case("resources", NO_TESTS)
def regular_expression(desk: Desk) -> None:
    """A regular expression backtracks for ever in `report`, which an unnecessary cell calls first."""
    from tests.redteam.desk import before

    desk.right(tests="", edit=before("report_code", "import re\nre.match('(a*)*b', 'a' * 60)"))
