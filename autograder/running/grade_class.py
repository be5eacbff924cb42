"""A whole class: submissions are judged in other processes, and one process writes what comes of them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.intake.submission import HandedIn, find_submissions, pack, read_submission
from autograder.labs.definition import Lab
from autograder.results.feedback import write_feedback
from autograder.results.gradebook import CourseRoot, check_folder
from autograder.results.grades_csv import COLUMNS, Row, grade_row, with_similarity, write_grades
from autograder.results.lms_csv import Roster, write_exports
from autograder.results.report import write_report
from autograder.results.similarity import find_groups
from autograder.running.deadline import Calibration, Deadline
from autograder.running.local_pool import LocalJudges
from autograder.running.progress import Progress
from autograder.running.scheduling import Outcome, outcomes
from autograder.running.store import Store, depends_on
from autograder.running.terms import Terms
from itemmarket.atomic import remove_leftovers

if TYPE_CHECKING:
    from autograder.running.cluster import ClusterJudges

GRACE_SECONDS = 120  # of a judge beyond what it allows the submission: the checks' own work
_WRITE_SECONDS = 1.0  # the table of grades is written no more often


@dataclass
class ClassResult:
    """What came of a class.

    Attributes
    ----------
    folder : Path
        The course root with all outputs.
    isolation : str
        How submissions were kept apart.
    deadline : Deadline
        What a call was allowed, and what the reference needed.
    rows : list of dict
        The lines of ``grades.csv`` for this lab.
    failures : dict of str to str
        Students whose submission the *grader* could not deal with, and why.
    resumed : int
        How many verdicts had been stored by an earlier run.
    notes : list of str
        What the instructor must know of the exports, a sentence each.
    """

    folder: Path
    isolation: str
    deadline: Deadline
    rows: list[Row] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    resumed: int = 0
    notes: list[str] = field(default_factory=list)


def grade_class(
    lab: Lab,
    submitted: Path,
    out: Path,
    workers: int = 1,
    isolation: str = "auto",
    scheduler: str | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    roster: Roster | None = None,
) -> ClassResult:
    """Grade all submissions of a lab.

    Results are written as they come: the verdict first, then gradebook, feedback and the table of grades.

    Parameters
    ----------
    lab : Lab
        The lab's source.
    submitted : Path
        ``SUBMITTED/STUDENT/LAB/``.
    out : Path
        The course root to make or to bring up to date.
    workers : int
        How many submissions are judged at the same time on this machine.
    isolation : str
        One of :data:`autograder.sandbox.choose.MODES`.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers judge in place of this machine.
    resume : bool
        Whether verdicts of a run that was ended count, where nothing that they depend on has changed.
    progress : Progress, optional
        Is told what goes on.
    roster : Roster, optional
        A learning platform's list of students, whose export is filled in.

    Returns
    -------
    ClassResult
        Rows and the grader's own failures.

    Raises
    ------
    SubmissionsError, GradebookError, LabError, IsolationError, JudgesError
        If nothing can be graded at all, or not on.
    """
    submissions = find_submissions(submitted, lab.name)
    check_folder(out)
    out = out.resolve()
    remove_leftovers(out)
    store = Store(out, lab)
    if not resume:
        store.clear()
    progress = progress or Progress()
    progress.begin(len(submissions))
    with open_judges(min(workers, len(submissions)), scheduler) as judges:
        terms = judges.terms(lab, isolation, 3 * lab.limits.submission_seconds + GRACE_SECONDS)
        calibration = Calibration(judges, terms, lab, store.folder / "deadline.json")
        with CourseRoot(out, lab) as course:  # while the reference is judged
            result = ClassResult(out, terms.isolation, calibration.result())
            terms = replace(terms, limits=result.deadline.limits(lab.limits))
            recorder = _Recorder(lab, out, course, store, terms, result)
            known = recorder.known(submissions) if resume else []
            for outcome in outcomes(
                judges,
                terms,
                students=[student for student in submissions if student not in known],
                pack=lambda student: pack(lab, student, submissions[student]),
                ready=(Outcome(s, pack(lab, s, submissions[s]), store.known(s)) for s in known),
                running=progress.running,
            ):
                progress.finished(*recorder.settle(outcome))
    graded = sorted(recorder.recorded)
    groups = find_groups(lab, (read_submission(lab, student, submissions[student]) for student in graded))
    result.rows = [with_similarity(row, groups) for row in result.rows]
    result.resumed = len(known)
    write_grades(out / "grades.csv", lab.name, result.rows)
    result.notes = write_exports(out / "exports", lab, result.rows, roster)
    verdicts = store.verdicts(recorder.recorded)
    write_report(out / "report.html", lab, verdicts, result.rows, groups, result.deadline.describe())
    return result


def open_judges(workers: int, scheduler: str | None) -> "LocalJudges | ClusterJudges":
    """Return the processes that judge: of this machine, or of a cluster.

    Raises
    ------
    JudgesError
        If the cluster cannot be reached or cannot judge.
    """
    if scheduler is None:
        return LocalJudges(workers)
    from autograder.running.cluster import (
        ClusterJudges,  # a second of imports that one machine need not wait for
    )

    return ClusterJudges(scheduler)


class _Recorder:
    """Writes what came of each submission to all places where it belongs."""

    def __init__(
        self, lab: Lab, out: Path, course: CourseRoot, store: Store, terms: Terms, result: ClassResult
    ) -> None:
        self._lab, self._out, self._course, self._store = lab, out, course, store
        self._terms, self._result = terms, result
        self._written = time.monotonic()
        self.recorded: list[str] = []

    def known(self, submissions: Mapping[str, Path]) -> list[str]:
        """Return the students whose verdict is stored and still holds."""
        return [
            student
            for student, folder in submissions.items()
            if self._store.read(student, self._depends_on(pack(self._lab, student, folder))) is not None
        ]

    def settle(self, outcome: Outcome) -> tuple[Row, float]:
        """Store and record one outcome; return its row and the seconds that judging took."""
        student = outcome.student
        try:
            judged = outcome.result
            if isinstance(judged, Exception):
                raise judged
            assert outcome.handed_in is not None  # who was judged has handed something in
            if isinstance(judged, str):
                judged = self._store.write(student, self._depends_on(outcome.handed_in), judged)
            verdict = judged.verdict
            row = grade_row(verdict, *self._course.record(outcome.handed_in, judged))
            write_feedback(self._out, self._lab, verdict)
            seconds = verdict.seconds
            self.recorded.append(student)
        except Exception as error:  # whatever the grader cannot do for one, it does for the others
            self._result.failures[student] = f"{type(error).__name__}: {error}"
            row, seconds = _failed_row(self._lab, student), 0.0
        self._result.rows.append(row)
        if time.monotonic() - self._written > _WRITE_SECONDS:
            write_grades(self._out / "grades.csv", self._lab.name, self._result.rows)
            self._written = time.monotonic()
        return row, seconds

    def _depends_on(self, handed_in: HandedIn) -> str:
        return depends_on(handed_in, self._terms.sources, self._terms.isolation)


def _failed_row(lab: Lab, student: str) -> Row:
    """Return the row of a submission that the grader could not deal with."""
    values = (student, lab.name, "", f"{lab.max_score:g}", "not-graded", "")
    return dict(zip(COLUMNS, values, strict=True))
