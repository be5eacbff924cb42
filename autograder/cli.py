"""The verbs ``grade`` (a class) and ``check`` (a student's own folder, visible checks only)."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from autograder.graded import explanation
from autograder.judge import Verdict, judge
from autograder.lab import OWN_TESTS, Lab, LabError, load_lab
from autograder.report import Row
from autograder.submission import SubmissionsError, read_submission
from itemmarket.checks import CheckFileError
from itemmarket.own_tests import announce_mutation, describe_own_tests

ROOT = Path(__file__).resolve().parent.parent


def grade(argv: list[str]) -> int:
    """Grade a class; return 0 when the grader dealt with every submission, whatever their scores."""
    from autograder.grade import grade_class
    from autograder.gradebook import GradebookError

    parser = argparse.ArgumentParser(prog="course.py grade", description="Grade the submissions of a lab.")
    parser.add_argument("lab", metavar="LAB", help="name of the lab")
    parser.add_argument("submitted", metavar="SUBMITTED", type=Path, help="folder with STUDENT/LAB/ in it")
    parser.add_argument("--out", metavar="DIR", type=Path, help="where to write (default: build/grades/LAB)")
    parser.add_argument(
        "--workers", metavar="N", type=_positive, default=os.cpu_count() or 1, help="submissions at a time"
    )
    options = parser.parse_args(argv)
    try:
        lab = load_lab(_find_lab(options.lab, ["solutions"]))
        out = options.out or ROOT / "build" / "grades" / lab.name
        with _live_table(lab) as show:
            result = grade_class(lab, options.submitted, out, options.workers, show)
    except (SubmissionsError, GradebookError, LabError, CheckFileError, OSError) as error:
        print(f"grade: {error}", file=sys.stderr)
        return 1
    for student, why in result.failures.items():
        print(f"grade: the grader failed on {student}: {why}", file=sys.stderr)
    print(f"Grades, feedback and gradebook are in {result.folder}")
    print(f"Report: {result.folder / 'report.html'}")
    return 1 if result.failures else 0


def check(argv: list[str]) -> int:
    """Check a student's own folder with the visible checks; return 0 when all is right."""
    parser = argparse.ArgumentParser(
        prog="course.py check", description="Check your work on a lab in the way the grader does."
    )
    parser.add_argument("lab", metavar="LAB", help="name of the lab")
    parser.add_argument(
        "folder", metavar="FOLDER", nargs="?", type=Path, help="your files (default: labs/LAB)"
    )
    options = parser.parse_args(argv)
    try:
        lab = load_lab(_find_lab(options.lab, ["labs", "solutions"]))
        folder = options.folder or lab.folder
        submission = read_submission(lab, "you", folder.resolve())
        if submission.missing:
            raise SubmissionsError(
                f"{folder} holds none of {', '.join(lab.files)}: name the folder of your work"
            )
        verdict = judge(lab, submission, hidden=False)
    except (SubmissionsError, LabError, CheckFileError, OSError) as error:
        print(f"check: {error}", file=sys.stderr)
        return 1
    return 0 if _print_verdict(Console(), lab, verdict) else 1


def _find_lab(name: str, places: Sequence[str]) -> Path:
    """Return the folder of a lab, given by name or as a path."""
    candidates = [ROOT / place / name for place in places]
    if any(separator in name for separator in "/\\"):
        candidates.append(Path(name))
    for folder in candidates:
        if (folder / "lab.toml").is_file():
            return folder
    labs = sorted({path.parent.name for place in places for path in (ROOT / place).glob("*/lab.toml")})
    raise LabError(f"there is no lab {name!r}; labs are: {', '.join(labs) or 'none yet'}")


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of workers (1 or more)")
    return int(text)


@contextlib.contextmanager
def _live_table(lab: Lab) -> Iterator[Callable[[Row, float], None]]:
    """Show rows as they come: a table that grows on a terminal; elsewhere it is printed once, at the end."""
    table = Table(title=lab.title)
    for column, side in (("Student", "left"), ("Score", "right"), ("Status", "left"), ("Flags", "left")):
        table.add_column(column, justify=side)
    table.add_column("Seconds", justify="right")

    def show(row: Row, seconds: float) -> None:
        score = f"{row['score']} / {row['max_score']}" if row["score"] else "-"
        cells = (row["student"], score, row["status"], row["flags"], f"{seconds:.1f}")
        table.add_row(*map(escape, cells))

    console = Console()
    if console.is_terminal:
        with Live(table, console=console, refresh_per_second=4):
            yield show
    else:
        yield show
        console.print(table)


def _print_verdict(console: Console, lab: Lab, verdict: Verdict) -> bool:
    """Print what a student wants to know; return whether everything is right."""
    table = Table(title="Visible checks")
    for column in ("Question", "", "Checks"):
        table.add_column(column)
    all_right = True
    for result in verdict.questions:
        if result.question.name == OWN_TESTS or result.checks:
            passed = sum(item.passed for item in result.checks)
            counts = f"{passed} of {len(result.checks)}" if result.checks else ""
            table.add_row(escape(result.question.title), "OK" if result.right else "FAIL", counts)
            all_right &= result.right
        else:
            table.add_row(escape(result.question.title), "-", "only the grader has checks of this")
    console.print(table)
    if verdict.own_tests:
        console.print(f"Your tests: {describe_own_tests(verdict.own_tests)}", markup=False, soft_wrap=True)
        if "mutants" in lab.thresholds:
            console.print(announce_mutation(lab.module, lab.thresholds["mutants"]), soft_wrap=True)
    for margin in verdict.margins:
        word = "at most" if margin.at_most else "at least"
        line = f"{margin.name}: {margin.value:.3f}, {word} {margin.threshold:g} is asked for"
        console.print(line, markup=False, soft_wrap=True)
    for note in verdict.notes:
        console.print(f"Note: {note}", markup=False, soft_wrap=True)
    for result in verdict.questions:
        for item in result.checks:
            if not item.passed:
                text = "\n  ".join([f"FAIL {result.question.title}: {item.title}", *explanation(item)])
                console.print(f"\n{text}", markup=False, soft_wrap=True)
    return all_right
