"""The loop over a class: work goes to the judges in a window that follows their number, outcomes come back."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass

from autograder.intake.submission import HandedIn
from autograder.judging.verdict import Judged
from autograder.running.terms import DisagreementError, Judges, JudgesError, Terms

WINDOW = 2  # submissions per judge that are on their way: one being judged, one waiting beside it
_LOOK_AGAIN_SECONDS = 5.0  # at the number of judges


class JudgeLostError(RuntimeError):
    """A submission that ended its judge, alone as well as beside others."""


@dataclass(frozen=True)
class Outcome:
    """What came of one submission.

    Attributes
    ----------
    student : str
        Whose.
    handed_in : HandedIn or None
        What was judged; None if it could not be read.
    result : str, Judged or Exception
        The judge's result as JSON, the result of an earlier run, or what prevented one.
    """

    student: str
    handed_in: HandedIn | None
    result: str | Judged | Exception


def outcomes(
    judges: Judges,
    terms: Terms,
    students: Iterable[str],
    pack: Callable[[str], HandedIn],
    ready: Iterable[Outcome] = (),
    running: Callable[[Sequence[str]], None] = lambda students: None,
) -> Iterator[Outcome]:
    """Have submissions judged, and yield what comes of each as it comes.

    A submission whose judge ended is tried once more at the end, alone: it may have been another's fault.

    Parameters
    ----------
    judges : Judges
        Who judges.
    terms : Terms
        Under which terms.
    students : iterable of str
        Whose submissions, in this order.
    pack : callable
        Reads a student's submission; called when its turn comes, so that few are held at a time.
    ready : iterable of Outcome
        What has come already: yielded while the judges are at work.
    running : callable
        Called with the students who are being judged whenever that may have changed.

    Raises
    ------
    JudgesError
        If nobody can judge any more.
    """
    waiting, ready, lost = iter(students), iter(ready), []
    in_flight: dict[Future[str], HandedIn] = {}
    while True:
        workers = max(1, judges.workers)
        while len(in_flight) < WINDOW * workers and (student := next(waiting, None)) is not None:
            try:
                handed_in = pack(student)
            except OSError as error:
                yield Outcome(student, None, error)
                continue
            in_flight[judges.submit(terms, handed_in)] = handed_in
        running([handed_in.student for handed_in in itertools.islice(in_flight.values(), workers)])
        from_before = next(ready, None)
        if from_before is None and not in_flight:
            break
        done, _ = wait(in_flight, 0 if from_before else _LOOK_AGAIN_SECONDS, FIRST_COMPLETED)
        if from_before:
            yield from_before
        for future in done:
            handed_in = in_flight.pop(future)
            result = _result(future, judges)
            if result is None:
                lost.append(handed_in.student)
            else:
                yield Outcome(handed_in.student, handed_in, result)
    for student in lost:
        running([student])
        handed_in = pack(student)
        future = judges.submit(terms, handed_in)
        while judges.workers >= 0 and not future.done():
            wait([future], _LOOK_AGAIN_SECONDS)
        ended = JudgeLostError(
            f"its judge ended twice: it crashed, needed more than {terms.wall_seconds:.0f} s or ran out of memory"
        )
        yield Outcome(student, handed_in, _result(future, judges) or ended)


def _result(future: "Future[str]", judges: Judges) -> str | Exception | None:
    """Return what came of a submission, None if its judge ended before."""
    try:
        return future.result()
    except judges.lost:
        return None
    except DisagreementError:
        raise
    except CancelledError:
        raise JudgesError("the connection to the judges was lost; use --resume to go on") from None
    except Exception as error:
        return error
