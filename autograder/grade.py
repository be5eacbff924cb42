"""A whole class: submissions are judged in a pool of processes, and one process writes what comes of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from autograder.feedback import write_feedback
from autograder.gradebook import CourseRoot, check_folder
from autograder.judge import Verdict
from autograder.lab import Lab
from autograder.pool import judge_one, outcomes, process_pool
from autograder.report import COLUMNS, Row, grade_row, write_grades, write_report
from autograder.submission import find_submissions


@dataclass
class ClassResult:
    """What came of a class.

    Attributes
    ----------
    folder : Path
        The course root with all outputs.
    rows : list of dict
        The lines of ``grades.csv`` for this lab.
    failures : dict of str to str
        Students whose submission the *grader* could not deal with, and why.
    """

    folder: Path
    rows: list[Row] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


def grade_class(
    lab: Lab,
    submitted: Path,
    out: Path,
    workers: int,
    show: Callable[[Row, float], None] = lambda row, seconds: None,
) -> ClassResult:
    """Grade all submissions of a lab.

    Results are written as they come: to the gradebook, the table of grades and the student's feedback.

    Parameters
    ----------
    lab : Lab
        The lab's source.
    submitted : Path
        ``SUBMITTED/STUDENT/LAB/``.
    out : Path
        The course root to make or to bring up to date.
    workers : int
        How many submissions are judged at the same time.
    show : callable
        Called with each row and the seconds that it took.

    Returns
    -------
    ClassResult
        Rows and the grader's own failures.

    Raises
    ------
    SubmissionsError, GradebookError, LabError
        If nothing can be graded at all.
    """
    submissions = find_submissions(submitted, lab.name)
    check_folder(out)
    verdicts: list[Verdict] = []
    result = ClassResult(out.resolve())
    with process_pool(lab, min(workers, len(submissions))) as pool:
        futures = {pool.submit(judge_one, *item): item for item in submissions.items()}
        try:
            course = CourseRoot(out, lab)  # while the pool is at work already
            for student, outcome in outcomes(lab, futures):
                try:
                    if isinstance(outcome, Exception):
                        raise outcome
                    submission, verdict = outcome
                    row, seconds = grade_row(verdict, *course.record(submission, verdict)), verdict.seconds
                    write_feedback(out, lab, verdict)
                    verdicts.append(verdict)
                except Exception as error:  # whatever the grader cannot do for one, it does for the others
                    result.failures[student] = f"{type(error).__name__}: {error}"
                    row, seconds = _failed_row(lab, student), 0.0
                result.rows.append(row)
                write_grades(out / "grades.csv", lab.name, result.rows)
                show(row, seconds)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    write_report(out / "report.html", lab, verdicts, result.rows)
    return result


def _failed_row(lab: Lab, student: str) -> Row:
    """Return the row of a submission that the grader could not deal with."""
    values = (student, lab.name, "", f"{lab.max_score:g}", "not-graded", "")
    return dict(zip(COLUMNS, values, strict=True))
