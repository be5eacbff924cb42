"""The untrusted side: loads one submission, answers the judge's requests over a pipe, and dies.

Started as ``python -m autograder.worker.serve``. Requests arrive on standard input and answers leave on standard
output; both are moved to private descriptors before any student code runs. What that code prints goes to
standard error, which the judge drains and caps, so nothing that is printed can be taken for an answer.
"""

import argparse
import contextlib
import gc
import importlib
import io
import os
import signal
import sys
import tempfile
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from autograder.worker import lazy
from autograder.worker.codec import encode, read_frame
from autograder.worker.watch import Watch
from itemmarket.paths import ROOT
from labkit.workspace import Workspace, describe


class WorkerWorkspace(Workspace):
    """A workspace that is a process of its own: it also runs the notebook and the student's tests."""

    def do_run_cell(self, name: str, source: str) -> None:
        """Run one code cell of the notebook in the process's ``__main__``."""
        from autograder.worker.cells import run_cell

        if sys.modules["__main__"].__dict__ is not self.names:
            main = types.ModuleType("__main__")
            self.names = main.__dict__
            sys.modules["__main__"] = main
        run_cell(name, source, self.names)

    def do_run_tests(self, **options: Any) -> dict[str, Any]:
        """Run the student's own tests under coverage, before anything else has imported the module."""
        from labkit.own_tests import run_tests

        return run_tests(self.folder, self.module, **options)


def serve(requests: BinaryIO, answers: BinaryIO, workspace: Workspace, watch: Watch | None = None) -> None:
    """Answer requests until the judge closes the pipe.

    A request is ``{n, operation, arguments}``; its answer ``{n, value}`` or ``{n, error}`` (see
    :func:`labkit.workspace.describe`), and ``events`` where there were any (see :mod:`autograder.worker.watch`).
    """
    running = False

    def interrupt(*signal_and_frame: object) -> None:
        if running:  # between calls the judge's signal has come too late and must do nothing
            raise KeyboardInterrupt("the time for this call is over")

    signal.signal(signal.SIGINT, interrupt)
    while True:
        try:
            request = read_frame(requests)
        except EOFError:
            return
        answer = {"n": request["n"]}
        try:
            running = True
            value = workspace.answer(request["operation"], request["arguments"])
            running = False
            frame = encode({**answer, "value": value, **_events(watch)})
        except BaseException as error:  # also SystemExit and KeyboardInterrupt: exit() costs only its call
            running = False
            frame = encode({**answer, "error": describe(error, workspace.folder), **_events(watch)})
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # the student may have closed or replaced them
                stream.flush()
        answers.write(frame)
        answers.flush()


def _events(watch: Watch | None) -> dict[str, list[str]]:
    events = watch.take() if watch else []
    return {"events": [event.encode("utf-8", "replace").decode() for event in events]} if events else {}


def private_pipe() -> tuple[BinaryIO, BinaryIO]:
    """Move the protocol off descriptors 0 and 1, and send prints to descriptor 2."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    assert isinstance(sys.stderr, io.TextIOWrapper)
    sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace")
    return requests, answers


def limit_resources(memory_bytes: int, cpu_seconds: int) -> None:
    """Set limits that student code cannot lift again, where the platform has them; the judge watches too."""
    try:
        import resource
    except ImportError:  # Windows
        return
    with contextlib.suppress(
        OSError
    ):  # what is imported already costs the student nothing, where it can be told
        memory_bytes += int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = {"RLIMIT_AS": memory_bytes, "RLIMIT_CPU": cpu_seconds, "RLIMIT_FSIZE": 2**30, "RLIMIT_CORE": 0}
    for name, value in limits.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):  # macOS refuses RLIMIT_AS
            resource.setrlimit(getattr(resource, name), (value, value))


def move_in(folder: str, environment: Mapping[str, str]) -> None:
    """Go on in the submission's folder, with the variables that belong to it."""
    os.environ.update(environment)
    tempfile.tempdir = None  # a library may have asked for it before there was a submission
    os.chdir(folder)


def preload(names: Sequence[str]) -> None:
    """Import what a submission will need: modules, and ``module:attribute`` for those that load names late."""
    gc.disable()  # what is imported stays: looking for garbage in it takes a sixth of the time
    for name in names:
        module, _, attribute = name.partition(":")
        with contextlib.suppress(Exception):  # it fails again, with a message, where the student imports it
            loaded = importlib.import_module(module)
            getattr(loaded, attribute or "__name__")
    gc.freeze()  # nor later: collections leave these objects, and with them pages shared with other workers, alone
    gc.enable()
    if torch := sys.modules.get("torch"):
        # No worker uses an accelerator. Torch believes that of a forked process; of others, it queues each seed for
        # every kind of accelerator, with a stack trace: 5 ms a seed.
        for kind in ("cuda", "xpu", "mtia"):
            with contextlib.suppress(AttributeError):
                getattr(torch, kind)._is_in_bad_fork = lambda: True


def run(folder: str, module: str, pipe: tuple[BinaryIO, BinaryIO] | None = None) -> NoReturn:
    """Serve one submission on this process's standard streams, or what they were moved to; never returns."""
    requests, answers = pipe or private_pipe()
    sys.path[:] = [folder, *(path for path in sys.path if path != str(ROOT))]
    serve(requests, answers, WorkerWorkspace(folder, module), Watch(folder))
    os._exit(0)  # no student thread or exit handler delays the end


def run_warm() -> NoReturn:
    """Serve the submission that the first message names; never returns."""
    pipe = private_pipe()
    try:
        spec = read_frame(pipe[0])
    except EOFError:  # nobody needed this worker
        os._exit(0)
    move_in(spec["folder"], spec["environment"])
    limit_resources(spec["memory_bytes"], spec["cpu_seconds"])
    run(spec["folder"], spec["module"], pipe)


def main(argv: list[str] | None = None) -> None:
    """Serve one submission without a sandbox or in a container; or be warm, and wait to be told which."""
    parser = argparse.ArgumentParser(prog="autograder.worker.serve")
    parser.add_argument("folder", nargs="?")
    parser.add_argument("module", nargs="?")
    parser.add_argument("--memory", type=int, metavar="BYTES")
    parser.add_argument("--cpu", type=int, default=3600, metavar="SECONDS")
    parser.add_argument("--preload", nargs="*", default=[], metavar="MODULE")
    options = parser.parse_args(argv)
    if options.folder is None:
        lazy.install()
        preload(options.preload)
        run_warm()
    limit_resources(options.memory, options.cpu)
    preload(options.preload)
    run(options.folder, options.module)


if __name__ == "__main__":
    main()
