"""One worker process as the judge sees it: requests with deadlines, a capped log, a certain end."""

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from autograder.worker.codec import CodecError, read_frame, write_frame
from autograder.worker.launch import Launch, WorkerSpec
from autograder.worker.watch import MAX_CHARS, MAX_EVENTS
from labkit.student import SubmissionError


class WorkerDied(SubmissionError):
    """The process ended, was ended, or sent what is no answer; ``flag`` is the word for it in the table."""

    flag = "process-ended"


class TimedOut(WorkerDied):
    """A request took too long; the process is dead unless it could be interrupted."""

    flag = "time-out"


class TooMuchMemory(WorkerDied):
    """The process used more memory than the lab allows."""

    flag = "memory"


class ProtocolBroken(WorkerDied):
    """What came over the pipe was no answer: the process's own code does not send such things."""

    flag = "tampering"


class WorkerProcess:
    """A running worker.

    Parameters
    ----------
    spec : WorkerSpec
        What to start.
    launch : Launch
        How to start it.
    log_bytes : int
        How much of what the worker prints is kept; the rest is read and dropped.
    """

    def __init__(self, spec: WorkerSpec, launch: Launch, log_bytes: int) -> None:
        self._spec = spec
        self._process = launch(spec)
        self._dies_as_a_whole = launch.name in ("full", "container")
        self._handle = psutil.Process(self._process.pid)
        self._outbox: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._children: list[psutil.Process] = []
        self._preloaded = self._usage()[1]
        self._sent = 0
        self._killed = False
        self._log = bytearray()
        self._log_limit = log_bytes
        self.printed = 0
        self.cpu_seconds = 0.0  # of the last request that was answered
        self.events: list[str] = []
        self._drainer = threading.Thread(target=self._drain, daemon=True)
        self._drainer.start()
        threading.Thread(target=self._exchange, daemon=True).start()

    def hand_over(self, files: Mapping[str, Path]) -> None:
        """Give the worker its files, by their path there: it writes them itself."""
        for path, source in files.items():
            content = {"path": path, "content": source.read_bytes()}
            self.request("write_file", content, cpu_seconds=60, wall_seconds=120)

    def request(
        self, operation: str, arguments: dict[str, Any], cpu_seconds: float, wall_seconds: float
    ) -> dict[str, Any]:
        """Send a request and return the worker's answer, which holds either ``value`` or ``error``.

        Raises
        ------
        TimedOut
            When a limit was reached; :attr:`alive` tells whether the process could be interrupted.
        WorkerDied
            When the process ended, used too much memory, or broke the protocol; it is dead then, too.
        """
        start, (cpu_before, _) = time.monotonic(), self._usage()
        self._sent += 1
        self._outbox.put({"n": self._sent, "operation": operation, "arguments": arguments})
        pause = 0.005
        while (answer := self._receive(pause)) is None:
            pause = min(2 * pause, 0.1)
            cpu_now, memory = self._usage(look_for_children=pause == 0.1)
            if cpu_now - cpu_before > cpu_seconds:
                self._interrupt()
                raise TimedOut(f"no answer within {cpu_seconds:g} s of computing time")
            if time.monotonic() - start > wall_seconds:
                self._interrupt()
                raise TimedOut(f"no answer within {wall_seconds:g} s")
            if memory > self._spec.memory_bytes + self._preloaded:
                self.kill()
                raise TooMuchMemory(f"more than {self._spec.memory_bytes / 2**30:g} GB of memory used")
        if isinstance(answer, Exception):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=1)  # the pipe closes a moment before the exit status is there
            self.kill()
            if isinstance(answer, CodecError):
                raise ProtocolBroken(f"the process was ended: {answer}")
            raise WorkerDied(f"the process ended before it answered (exit status {self._process.returncode})")
        self._note(answer.get("events"))
        self.cpu_seconds = self._usage()[0] - cpu_before
        return answer

    @property
    def alive(self) -> bool:
        """Whether the process can take another request."""
        return not self._killed and self._process.poll() is None

    @property
    def log(self) -> str:
        """What the worker printed so far, capped."""
        return bytes(self._log).decode("utf-8", "replace")

    def kill(self) -> None:
        """End the worker and what it started; returns when it is gone."""
        self._killed = True
        if not self._dies_as_a_whole:
            self._kill_children()
        self._process.kill()
        self._process.wait()
        self._outbox.put(None)
        self._drainer.join(timeout=1)

    def _kill_children(self) -> None:
        """End what a plain process started; only what has left both its family and its group survives this."""
        with contextlib.suppress(psutil.Error):
            for child in self._handle.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    child.kill()
        if hasattr(os, "killpg") and self._process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _note(self, events: Any) -> None:
        """Keep what the worker's watch has seen; like all that it sends, it is not trusted."""
        if isinstance(events, list):
            room = MAX_EVENTS - len(self.events)
            self.events += [event[:MAX_CHARS] for event in events[:room] if isinstance(event, str)]

    def _interrupt(self) -> None:
        """Stop the call that is running; a process that does not give in within a second is killed.

        A new process would have to import everything again, and would lose the objects that checks hold.
        """
        if os.name == "posix":  # elsewhere a signal cannot be sent to one process that shares the console
            self._process.send_signal(signal.SIGINT)
            end = time.monotonic() + 1
            while (answer := self._receive(0.1)) is None and time.monotonic() < end:
                continue
            if isinstance(answer, dict):
                return
        self.kill()

    def _exchange(self) -> None:
        """Carry requests and answers, so that a worker that neither reads nor writes cannot block the judge."""
        requests, answers = self._process.stdin, self._process.stdout
        try:
            while (message := self._outbox.get()) is not None:
                write_frame(requests, message)
                answer = read_frame(answers)
                if type(answer) is not dict or answer.get("n") != message["n"]:
                    raise CodecError("it answered what was not asked")
                self._inbox.put(answer)
        except (CodecError, EOFError, OSError, ValueError) as error:
            self._inbox.put(error)
        finally:
            for stream in (requests, answers):
                with contextlib.suppress(OSError):
                    stream.close()

    def _drain(self) -> None:
        """Read all that is printed and keep the beginning."""
        with contextlib.suppress(OSError, ValueError), self._process.stderr as stream:
            while chunk := stream.read1(65536):
                self.printed += len(chunk)
                self._log += chunk[: max(0, self._log_limit - len(self._log))]

    def _receive(self, seconds: float) -> Any:
        """Return the answer or what prevented it, None when there is nothing yet."""
        ended = self._process.poll() is not None  # asked first: an answer may still be on its way
        try:
            return self._inbox.get(timeout=seconds)
        except queue.Empty:
            return EOFError() if ended and seconds > 0.05 else None

    def _usage(self, look_for_children: bool = False) -> tuple[float, int]:
        """CPU seconds so far and resident bytes, of the worker and its children (a look costs milliseconds)."""
        cpu, memory = 0.0, 0
        with contextlib.suppress(psutil.Error):
            if look_for_children:
                self._children = self._handle.children(recursive=True)
        for process in (self._handle, *self._children):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                cpu += times.user + times.system + sum(times[2:4])  # children that ended count, where known
                memory += process.memory_info().rss
        return cpu, memory
