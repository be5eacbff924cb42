"""Judges submissions on a Dask cluster: the same function as in a pool of processes, on other machines.

Tasks and results cross the network as Dask's messages, which are pickles: all machines of the cluster are the
instructor's, and who can reach the scheduler can run code on it (see ``docs/cluster.md`` for TLS). Students'
code never has a connection to it where submissions are isolated.
"""

import time
import warnings
from concurrent.futures import Future

from distributed import Client
from distributed.scheduler import KilledWorker

from autograder.intake.submission import HandedIn
from autograder.labs.definition import Lab, load_lab
from autograder.running.digests import Sources, find, place
from autograder.running.judge_process import judge_one
from autograder.running.terms import DisagreementError, JudgesError, Terms
from autograder.sandbox import choose

CONNECT_SECONDS = 5
PATIENCE_SECONDS = 120  # for new workers, when all are gone


class ClusterError(JudgesError):
    """A cluster that cannot be reached or cannot judge: what was wrong and what to do."""


class ClusterJudges:
    """The workers of a Dask cluster.

    Parameters
    ----------
    address : str
        The scheduler's, such as ``tcp://host:8786``.

    Raises
    ------
    ClusterError
        If there is no scheduler, it has no workers, or one of them has several threads.
    """

    lost = (KilledWorker, MemoryError)

    def __init__(self, address: str) -> None:
        warnings.filterwarnings("ignore", "Sending large graph")  # a submission with its artefact is large
        try:
            self._client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ClusterError(
                f"no Dask scheduler answers at {address}: {error}; start one with `dask scheduler` and give "
                "its address as tcp://HOST:PORT"
            ) from error
        self._address = address
        self._executor = self._client.get_executor(pure=False)
        self._seen = time.monotonic()
        try:
            self._check_threads()
        except BaseException:
            self._client.close()
            raise

    def __enter__(self) -> "ClusterJudges":
        """Return itself; the ``with`` block cancels what has not been judged, and leaves the cluster running."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the cluster."""
        self._executor.shutdown(wait=False)
        self._client.close()

    @property
    def machines(self) -> tuple[str, ...]:
        """Addresses of the workers: each may be on a machine of its own."""
        return tuple(sorted(self._client.nthreads()))

    @property
    def workers(self) -> int:
        """Workers of the cluster, now: they may come and go.

        Raises
        ------
        ClusterError
            If there have been none for a while, or the scheduler is gone.
        """
        try:
            n = len(self._client.nthreads())
        except (OSError, ValueError, TimeoutError) as error:
            raise ClusterError(
                f"the scheduler at {self._address} is gone: {error}; start it again and use --resume"
            ) from error
        if n:
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > PATIENCE_SECONDS:
            raise ClusterError(
                f"the cluster at {self._address} has had no workers for {PATIENCE_SECONDS} s: start some "
                "and use --resume"
            )
        return n

    def terms(self, lab: Lab, mode: str, wall_seconds: float) -> Terms:
        """Return what will hold for a class, after all workers have said that they judge as this machine would.

        Raises
        ------
        ClusterError
            If one of them lacks the grader, the lab or the isolation.
        DisagreementError
            If the lab, the grader or the secret differ, or the isolation from worker to worker.
        """
        mine = Sources.of(lab)
        try:
            answers = self._client.run(_introduce, place(lab), mode, on_error="return")
        except Exception as error:
            raise ClusterError(f"the workers at {self._address} do not answer: {error}") from error
        names = set()
        for worker, answer in answers.items():
            if isinstance(answer, BaseException):
                raise ClusterError(
                    f"worker {worker} cannot judge {lab.name}: {type(answer).__name__}: {answer}; every worker "
                    "needs the course's folder on its PYTHONPATH"
                )
            theirs, name = answer
            if differences := mine.differences(theirs):
                raise DisagreementError(
                    f"{' and '.join(differences)} of worker {worker} are not those of this machine: bring both to "
                    "the same state of the course, and set the same COURSE_GRADING_SECRET"
                )
            names.add(name)
        if len(names) > 1:
            raise DisagreementError(
                f"with --isolation {mode} the workers would isolate differently ({', '.join(sorted(names))}): "
                "name one that all of them have"
            )
        return Terms(place(lab), mine, names.pop(), lab.limits, wall_seconds)

    def submit(self, terms: Terms, handed_in: HandedIn) -> "Future[str]":
        """Have one submission judged by whichever worker is free."""
        return self._executor.submit(judge_one, terms, handed_in)

    def submit_everywhere(self, terms: Terms, handed_in: HandedIn) -> list["Future[str]"]:
        """Have one submission judged by each worker, or by another should that one be gone."""
        return [
            self._executor.submit(judge_one, terms, handed_in, workers=[worker], allow_other_workers=True)
            for worker in self._client.nthreads()
        ]

    def _check_threads(self) -> None:
        """Refuse a cluster that cannot judge."""
        threads = self._client.nthreads()
        if not threads:
            raise ClusterError(
                f"the scheduler at {self._address} has no workers: start some with `dask worker {self._address} "
                "--nthreads 1`"
            )
        for worker, count in threads.items():
            if count != 1:
                raise ClusterError(
                    f"worker {worker} has {count} threads, and judging needs a process of its own: start it with "
                    "`--nthreads 1` (and as many workers as it has cores)"
                )


def _introduce(place: str, mode: str) -> tuple[Sources, str]:
    """Say, on a worker, what it would judge with."""
    return Sources.of(load_lab(find(place))), choose.resolve(mode)
