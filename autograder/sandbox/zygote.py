"""A process that has imported everything a lab needs, and forks a confined worker whenever it is asked.

Started in the view of :mod:`autograder.sandbox.bubblewrap` as ``python -m autograder.sandbox.zygote``, with a
control socket on descriptor 0. A request is a JSON object with four descriptors: the worker's three standard
streams, and a socket for word about it. Each worker has a guardian, which waits for it and reports its exit status::

    judge -> bubblewrap -> zygote -> guardian -> worker (the first process of its own namespaces)

The zygote runs no code of a student's, and keeps nothing of one worker for the next.
"""

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading
from typing import Any

from autograder.sandbox import confine
from autograder.worker import serve

READY, FAILED, ENDED = b"ready", b"failed: ", b"ended "
MAX_MESSAGE = 4096


def main() -> None:
    """Preload the modules that the first message names, say so, and fork until the socket closes."""
    control = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    settings = json.loads(control.recv(2**16))
    preload(settings["preload"])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # guardians need no burial
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the judge
    threads = threading.active_count()
    control.send(READY if threads == 1 else FAILED + f"{threads} threads after imports".encode())
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, MAX_MESSAGE, 4)
        if not message:
            return
        if os.fork() == 0:
            control.close()
            guard(json.loads(message), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def preload(names: list[str]) -> None:
    """Import modules, and do once what every worker would do again."""
    for name in names:
        with contextlib.suppress(Exception):  # it fails again, with a message, where the student imports it
            importlib.import_module(name)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
        weight = torch.nn.Parameter(torch.zeros(1))
        torch.optim.Adam([weight]).step()  # the first one imports torch's compiler for over a second
    gc.collect()
    gc.freeze()  # collections in workers leave these objects, and so the shared pages, alone


def guard(spec: dict[str, Any], stdin: int, stdout: int, stderr: int, word: int) -> None:
    """Fork the worker into namespaces of its own, wait for it, and report how it ended; never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    judge = socket.socket(fileno=word)
    code = 1
    try:
        confine.detach(spec["uid"])
        child = os.fork()
        if child == 0:
            become_worker(spec, (stdin, stdout, stderr), judge)
        for descriptor in (stdin, stdout, stderr):
            os.close(descriptor)
        _, status = os.waitpid(child, 0)
        code = 0
        judge.send(ENDED + str(os.waitstatus_to_exitcode(status)).encode())
    except OSError as error:
        with contextlib.suppress(OSError):
            judge.send(FAILED + str(error).encode()[:1000])
    finally:
        os._exit(code)


def become_worker(spec: dict[str, Any], streams: tuple[int, int, int], judge: socket.socket) -> None:
    """Confine this process and serve one submission; never returns."""
    try:
        for target, descriptor in enumerate(streams):
            os.dup2(descriptor, target)
        confine.confine(spec["uid"], spec["folder"], spec["private"], **spec["limits"])
        judge.send(READY)  # the kernel adds this process's id, as the judge sees it
    except BaseException as error:
        judge.send(FAILED + f"{type(error).__name__}: {error}".encode()[:1000])
        os._exit(1)
    judge.close()
    os.closerange(3, 1024)
    serve.run(spec["folder"], spec["module"])


if __name__ == "__main__":
    main()
