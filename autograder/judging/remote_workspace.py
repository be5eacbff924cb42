"""The judge's side of a submission: a workspace behind a pipe that survives what its code does.

A call that runs into its deadline is interrupted. After one that ended the process (``os._exit``, too much
memory, a loop that cannot be interrupted) the next call starts a new process and loads the module again, so
that one bad call loses one question. Objects of the old process are gone: using one raises
:class:`ObjectLost`.
"""

import collections
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autograder.labs.definition import Limits
from autograder.worker.launch import Launch, WorkerSpec, plain_process
from autograder.worker.process import TimedOut, WorkerDied, WorkerProcess
from labkit.student import StudentError, SubmissionError
from labkit.workspace import Reference, replace

# Who ran into a deadline gets a quarter of the time at the next call, then a sixteenth: a loop that every
# check runs into must not hold up a class, and a slow case must not spoil the quick ones.
_QUARTERINGS = 2
_FORGET_AT_ONCE = 32


class ObjectLost(WorkerDied):
    """An object of a process that has ended."""


class RemoteWorkspace:
    """Carries out the requests of checks in a worker process: the grader's endpoint.

    Parameters
    ----------
    files : mapping of str to Path
        The files that the submission needs, by their path in the worker's folder; the worker gets copies.
    module : str
        Name of the lab's module.
    cells : sequence of (str, str)
        Name and source of the notebook's code cells, in the order to run them; names are unique.
    limits : Limits
        Deadlines and sizes.
    preload : sequence of str
        What workers import before the first request.
    launch : Launch
        How workers are started.

    Attributes
    ----------
    folder : str
        The private folder, as the worker sees it.
    forgotten : list of Reference
        Objects that no check holds any more.
    lives : int
        Which process this is, counted from 1: objects of earlier ones are lost.
    cell_errors : dict of str to str
        What went wrong in cells that failed, by the cell's name.
    endings : dict of str to str
        Why a call was stopped or ended the process, in words for the student; the first time for each name.
    timed_out : bool
        Whether a deadline was reached.
    printed : int
        Bytes that the code printed; ``log`` holds the beginning.
    seconds : float
        Wall time of all requests so far, which is the student's code at work.
    evidence : dict of str to str
        What an instructor should see, and its flag.
    slowest_call_cpu : float
        CPU seconds of the call that took the most, of those that were answered.
    """

    def __init__(
        self,
        files: Mapping[str, Path],
        module: str,
        cells: Sequence[tuple[str, str]],
        limits: Limits,
        preload: Sequence[str] = (),
        launch: Launch = plain_process,
    ) -> None:
        self.forgotten: list[Reference] = []
        self.cell_errors: dict[str, str] = {}
        self.endings: dict[str, str] = {}
        self.timed_out = False
        self.log, self.printed = "", 0
        self.evidence: dict[str, str] = {}
        self.slowest_call_cpu = 0.0
        self._files, self._cells, self._limits, self._launch = files, cells, limits, launch
        self._temporary = None if launch.folder else tempfile.mkdtemp(prefix="submission-")
        self.folder = launch.folder or str(Path(self._temporary or ".").resolve())
        self._spec = WorkerSpec(
            self.folder,
            module,
            memory_bytes=round(limits.memory_gb * 2**30),
            cpu_seconds=round(2 * limits.submission_seconds),
            preload=tuple(preload),
        )
        self.lives = 1
        self._worker: WorkerProcess | None = None
        self._module_loaded = self._notebook_ran = False
        self._module_error: SubmissionError | None = None
        self._deadly_cells: set[str] = set()
        self._timeouts: collections.Counter[str] = collections.Counter()
        self.seconds = 0.0
        self._start()

    def __enter__(self) -> "RemoteWorkspace":
        """Return itself; the ``with`` block ends the worker."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End the worker."""
        self.close()

    def close(self) -> None:
        """End the worker and remove its folder."""
        self._stop()
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def answer(self, operation: str, arguments: dict[str, Any], label: str = "") -> Any:
        """Carry out a request, as :meth:`labkit.workspace.Workspace.answer` does.

        Raises
        ------
        labkit.student.StudentError
            What the student's code raised.
        TimedOut, ObjectLost, WorkerDied
            When the process did not live to answer, or an object was lost with an earlier one.
        """
        if arguments.get("target") in ("module", "notebook"):
            self._load_module()
            if arguments["target"] == "notebook":
                self._run_notebook()
            elif self._module_error:
                raise self._module_error
        if len(self.forgotten) >= _FORGET_AT_ONCE:
            self._forget()
        arguments = replace(arguments, Reference, self._alive)
        value = self._request(operation, arguments, label)
        return replace(value, Reference, lambda r: Reference(r.number, self.lives))

    def run_tests(self, cpu_seconds: float, **options: Any) -> Any:
        """Run the student's own tests; see :func:`labkit.own_tests.run_tests` for options and result."""
        return self._request("run_tests", options, "your tests", cpu_seconds)

    @property
    def cpu_seconds(self) -> float:
        """Computing time of the last request that was answered."""
        return self._worker.cpu_seconds if self._worker else 0.0

    def _load_module(self) -> None:
        """Load the module once per process; a module that cannot be loaded is not tried again."""
        self._start()
        if self._module_loaded or self._module_error:
            return
        try:
            self._request("load", {}, f"importing {self._spec.module}.py")
            self._module_loaded = True
        except SubmissionError as error:
            self._module_error = error

    def _run_notebook(self) -> None:
        """Run all cells once per process; one that fails is noted, one that ended the process is left out."""
        while not self._notebook_ran:
            self._load_module()
            try:
                for name, source in self._cells:
                    if name not in self._deadly_cells:
                        self._run_cell(name, source)
                self._notebook_ran = True
            except WorkerDied:
                continue  # the cell is known as deadly now: begin again without it

    def _run_cell(self, name: str, source: str) -> None:
        try:
            self._request("run_cell", {"name": name, "source": source}, f"cell {name}")
        except SubmissionError as error:
            self.cell_errors[name] = str(error)
            if self._worker is None:
                self._deadly_cells.add(name)
                raise

    def _request(
        self, operation: str, arguments: dict[str, Any], label: str, cpu_seconds: float | None = None
    ) -> Any:
        """Send one request to a living worker within what is left of the submission's time."""
        patience = 0.25 ** min(self._timeouts[label], _QUARTERINGS)
        cpu_seconds = (cpu_seconds or self._limits.call_cpu_seconds) * patience
        seconds_left = self._limits.submission_seconds - self.seconds
        wall_seconds = min(max(self._limits.call_wall_seconds, cpu_seconds), seconds_left)
        if wall_seconds <= 0:
            raise TimedOut(f"the {self._limits.submission_seconds:g} s of this submission are used up")
        worker = self._start()
        began = time.monotonic()
        try:
            answer = worker.request(operation, arguments, cpu_seconds, wall_seconds)
            self.slowest_call_cpu = max(self.slowest_call_cpu, worker.cpu_seconds)
        except WorkerDied as error:
            if not worker.alive:
                self._stop()
                self.lives += 1
            if isinstance(error, TimedOut):
                self.timed_out = True
                self._timeouts[label] += 1
            error.args = (f"{label}: {error}",)
            self.endings.setdefault(label, str(error))
            self.evidence.setdefault(str(error), error.flag)
            raise
        finally:
            self.seconds += time.monotonic() - began
        if (raised := answer.get("error")) is not None:
            raise StudentError(label, self._without_folder(raised))
        return answer.get("value")

    def _alive(self, reference: Reference) -> Reference:
        """Refuse objects of an earlier process."""
        self._start()
        if reference.generation != self.lives:
            raise ObjectLost("this object was lost when an earlier call ended the process")
        return reference

    def _forget(self) -> None:
        numbers = [r.number for r in self.forgotten if r.generation == self.lives]
        self.forgotten.clear()
        self._request("forget", {"numbers": numbers}, "forget")

    def _without_folder(self, error: Any) -> dict[str, Any]:
        """Return a described exception without the private folder's name, which differs from run to run."""
        error = error if isinstance(error, dict) else {}
        return replace(error, str, lambda text: text.replace(self.folder, "."))

    def _start(self) -> WorkerProcess:
        """Return the worker, started unless there is one."""
        if self._worker is None:
            self._module_loaded = self._notebook_ran = False
            self._worker = WorkerProcess(self._spec, self._launch, self._limits.output_bytes)
            self._worker.hand_over({f"{self.folder}/{name}": path for name, path in self._files.items()})
        return self._worker

    def _stop(self) -> None:
        """End the worker, if there is one, and keep what it printed."""
        if self._worker is not None:
            self._worker.kill()
            self.log = (self.log + self._worker.log)[: self._limits.output_bytes]
            self.printed += self._worker.printed
            self.evidence |= dict.fromkeys(self._worker.events, "escape-attempt")
            self._worker = None
