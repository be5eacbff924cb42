"""A process that has imported everything a lab needs, and forks a worker whenever it is asked.

Started by :mod:`autograder.sandbox.forked` as ``python -m autograder.sandbox.zygote``, with a control socket on
descriptor 0. Its first message, and each request, is a JSON object; a request comes with four descriptors: the
worker's three standard streams, and a socket for word about it. Each worker has a guardian, which waits for it, ends
what it leaves behind, and reports its exit status::

    judge -> zygote -> guardian -> worker

With the walls ``full``, zygote and guardians are in :mod:`autograder.sandbox.view`, and a worker is the first process
of namespaces of its own. The zygote runs no code of a student's, and keeps nothing of one worker for the next.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import threading
from typing import Any

from autograder.worker import cells as cells  # once landlock holds, its folder can no longer be listed
from autograder.worker import serve

LINUX = sys.platform == "linux"
READY, FAILED, ENDED = b"ready", b"failed: ", b"ended "
MAX_MESSAGE = 2**16
_TRIAL_SECONDS = 20
# Elsewhere there are no sequenced packets; but of a stream no message is sent before the last one was answered.
KIND = socket.SOCK_SEQPACKET if LINUX else socket.SOCK_STREAM
if LINUX:
    from autograder.sandbox import confine, kernel


def main() -> None:
    """Preload the modules that the first message names, say so, and fork until the socket closes."""
    control = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    settings = json.loads(control.recv(MAX_MESSAGE))
    try:
        if settings["view"]:
            from autograder.sandbox import view

            view.enter(settings["view"])
        preload(settings["preload"])
        if not LINUX:
            try_forking()
        if (threads := threading.active_count()) > 1:
            raise OSError(f"{threads} threads after imports")
    except OSError as error:
        control.send(FAILED + str(error).encode()[:1000])
        return
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # guardians need no burial
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the judge
    if LINUX and settings["walls"] != "off":
        confine.filter_of_calls(alone=settings["walls"] == "full")
    control.send(READY)
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, MAX_MESSAGE, 4)
        if not message:
            return
        if os.fork() == 0:
            control.close()
            guard(settings["walls"], json.loads(message), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def preload(names: list[str]) -> None:
    """Import modules, and do once what every worker would do again."""
    serve.preload(names)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
        weight = torch.nn.Parameter(torch.zeros(1))
        torch.optim.Adam([weight]).step()  # the first one imports torch's compiler for over a second


def try_forking() -> None:
    """Raise OSError unless a forked process can compute: libraries of some systems end there, or hang."""
    child = os.fork()
    if child == 0:
        signal.alarm(_TRIAL_SECONDS)
        import numpy as np

        square = np.ones((200, 200), dtype=np.float32)
        total = (square @ square).sum()
        if torch := sys.modules.get("torch"):
            total += (torch.ones(200, 200) @ torch.ones(200, 200)).sum().item()
        os._exit(0 if total else 1)
    _, status = os.waitpid(child, 0)
    if status:
        raise OSError(f"forked processes cannot compute here (status {status})")


def guard(walls: str, spec: dict[str, Any], stdin: int, stdout: int, stderr: int, word: int) -> None:
    """Fork the worker, wait for it, and report how it ended; never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    judge = socket.socket(fileno=word)
    code = 1
    try:
        if walls == "full":
            kernel.leave_namespaces(spec["uid"], os.getegid())
        elif LINUX:
            kernel.die_with_parent(signal.SIGKILL)
            kernel.adopt_orphans()
        child = os.fork()
        if child == 0:
            become_worker(walls, spec, (stdin, stdout, stderr), judge)
        for descriptor in (stdin, stdout, stderr):
            os.close(descriptor)
        _, status = os.waitpid(child, 0)
        if walls != "full":
            end_family(child)
        code = 0
        judge.send(ENDED + str(os.waitstatus_to_exitcode(status)).encode())
    except OSError as error:
        with contextlib.suppress(OSError):
            judge.send(FAILED + str(error).encode()[:1000])
    finally:
        os._exit(code)


def end_family(group: int) -> None:
    """End what a worker left behind; without namespaces, only orphans that were adopted are sure to be found."""
    import psutil

    with contextlib.suppress(OSError):
        os.killpg(group, signal.SIGKILL)
    while left := psutil.Process().children(recursive=True):
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, 0):
                pass


def become_worker(
    walls: str, spec: dict[str, Any], streams: tuple[int, int, int], judge: socket.socket
) -> None:
    """Shut this process in and serve one submission; never returns."""
    try:
        for target, descriptor in enumerate(streams):
            os.dup2(descriptor, target)
        if walls != "full":
            os.setsid()
        if walls == "off":
            serve.limit_resources(spec["limits"]["memory_bytes"], spec["limits"]["cpu_seconds"])
        else:
            shut_in(walls, spec)
        serve.move_in(spec["folder"], spec["environment"])
        judge.send(READY + str(os.getpid()).encode())  # Linux adds the process id as the judge sees it
    except BaseException as error:
        judge.send(FAILED + f"{type(error).__name__}: {error}".encode()[:1000])
        os._exit(1)
    judge.close()
    os.closerange(3, 1024)
    serve.run(spec["folder"], spec["module"])


def shut_in(walls: str, spec: dict[str, Any]) -> None:
    """Put up the walls around this process."""
    limits = confine.resource_limits(**spec["limits"])
    if walls == "full":
        confine.move_in(spec["uid"], spec["private"], spec["limits"]["disk_bytes"])
    else:
        kernel.die_with_parent(signal.SIGKILL)
        del limits["RLIMIT_NPROC"]  # which would count everything that this user runs
    confine.confine(spec["readable"], spec["writable"], limits, alone=walls == "full")


if __name__ == "__main__":
    main()
