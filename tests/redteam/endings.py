"""Calls that never end, or end the process: one bad call loses one question."""

from tests.redteam.desk import NO_TESTS, Desk, before, case

NO_FORECAST = NO_TESTS | {"prediction": 0.0}


@case("endings", NO_FORECAST, says="ended")
def exits_at_once(desk: Desk) -> None:
    """The process is left with os._exit in the middle of a call."""
    desk.right("import os\nos._exit(0)")


@case("endings", NO_FORECAST)
def kills_itself(desk: Desk) -> None:
    """The process sends itself SIGKILL."""
    desk.right("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")


@case("endings", NO_FORECAST)
def segmentation_fault(desk: Desk) -> None:
    """The process reads from address 0."""
    desk.right("import ctypes\nctypes.string_at(0)")


@case("endings", NO_FORECAST, says="no answer within")
def catches_interrupts(desk: Desk) -> None:
    """An endless loop catches every interrupt."""
    desk.right(
        """
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass
        """
    )


@case("endings", NO_FORECAST, says="no answer within")
def holds_the_interpreter(desk: Desk) -> None:
    """One operation in C takes for ever and lets no signal handler run."""
    desk.right("return sum(range(10**18))")


@case("endings", NO_FORECAST)
def stops_itself(desk: Desk) -> None:
    """The process stops itself with SIGSTOP: it uses no CPU time and takes no signal but one."""
    desk.right("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)")


@case("endings", NO_FORECAST, says="no answer within")
def sleeps(desk: Desk) -> None:
    """A call sleeps for an hour, with signals blocked."""
    desk.right(
        """
        import signal, time
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
        time.sleep(3600)
        """
    )


@case("endings", NO_FORECAST)
def recursion(desk: Desk) -> None:
    """A function calls itself with the limit of recursion lifted, until the stack is used up."""
    desk.right("import sys\nsys.setrecursionlimit(10**9)\nreturn self.predict(x)")


@case("endings", NO_TESTS)
def cell_that_never_ends(desk: Desk) -> None:
    """A cell before the answer runs for ever, and another one leaves the process: the answer counts all the same."""
    desk.right(
        tests="",
        edit=before(
            "report_code", "while True:\n    pass", "import os\nos._exit(1)", "import sys\nsys.exit(3)"
        ),
    )


@case("endings", NO_TESTS)
def exit_handlers(desk: Desk) -> None:
    """Exit handlers, threads and finalisers would wait for minutes when the process ends; the work is right."""
    desk.right(
        tests="",
        append="""
        import atexit, threading, time
        atexit.register(time.sleep, 600)
        threading.Thread(target=time.sleep, args=(600,)).start()
        class _Slow:
            def __del__(self): time.sleep(600)
        _slow = _Slow()
        """,
    )
