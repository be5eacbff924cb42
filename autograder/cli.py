"""The verbs ``grade`` (a class) and ``check`` (a student's own folder, visible checks only)."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autograder.intake.submission import SubmissionsError, read_submission
from autograder.judging.judge import judge
from autograder.judging.verdict import Verdict
from autograder.labs.definition import OWN_TESTS, Lab, LabError, load_lab
from autograder.results.explain import explanation
from autograder.sandbox.choose import MODES, OFF_WARNING, IsolationError, launcher, resolve, warnings
from itemmarket.paths import ROOT
from labkit.own_tests import announce_mutation, describe_own_tests
from labkit.runner import CheckFileError


def grade(argv: list[str]) -> int:
    """Grade a class; return 0 when the grader dealt with every submission, whatever their scores."""
    from autograder.results.gradebook import GradebookError
    from autograder.results.lms_csv import RosterError, read_roster
    from autograder.running.grade_class import grade_class
    from autograder.running.progress import LiveTable, printable
    from autograder.running.terms import JudgesError

    parser = argparse.ArgumentParser(prog="course.py grade", description="Grade the submissions of a lab.")
    add = parser.add_argument
    add("lab", metavar="LAB", nargs="?", help="name of the lab")
    add(
        "submitted",
        metavar="SUBMITTED",
        nargs="?",
        type=Path,
        help="folder with STUDENT/LAB/, or an LMS's ZIP",
    )
    add("--out", metavar="DIR", type=Path, help="where to write (default: build/grades/LAB)")
    add("--workers", metavar="N", type=_positive, default=os.cpu_count() or 1, help="submissions at a time")
    add("--scheduler", metavar="ADDRESS", help="let a Dask cluster judge, such as tcp://HOST:8786")
    add(
        "--roster", metavar="CSV", type=Path, help="Canvas's gradebook or Moodle's worksheet, to be filled in"
    )
    add(
        "--pattern",
        metavar="REGEX",
        help="how the ZIP names students and files (see autograder/intake/lms_zip.py)",
    )
    add("--resume", action="store_true", help="go on with a grading that was ended: keep its verdicts")
    add("--isolation", choices=MODES, default="auto", help="of submissions (default: the strongest there is)")
    add("--self-test", action="store_true", help="try escapes on this machine, print what holds, and end")
    options = parser.parse_intermixed_args(argv)  # options may stand between LAB and SUBMITTED
    if options.self_test:
        from autograder.selftest.selftest import self_test

        return self_test(options.isolation)
    if options.submitted is None:
        parser.error("LAB and SUBMITTED are needed")
    try:
        for warning in warnings(resolve(options.isolation)) if not options.scheduler else ():
            print(f"grade: WARNING: {warning}", file=sys.stderr)
        lab = load_lab(_find_lab(options.lab, ["solutions"]))
        out = options.out or ROOT / "build" / "grades" / lab.name
        roster = read_roster(options.roster) if options.roster else None
        submitted = _collected(options.submitted, lab, out, options.pattern)
        with LiveTable(lab.title, Console()) as table:
            result = grade_class(
                lab,
                submitted,
                out,
                workers=options.workers,
                isolation=options.isolation,
                scheduler=options.scheduler,
                resume=options.resume,
                progress=table,
                roster=roster,
            )
    except (
        *(SubmissionsError, GradebookError, LabError, CheckFileError),
        *(IsolationError, JudgesError, RosterError, OSError),
    ) as error:
        print(f"grade: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("grade: stopped; the same command with --resume goes on", file=sys.stderr)
        return 130
    for student, why in result.failures.items():
        print(printable(f"grade: the grader failed on {student}: {why}"), file=sys.stderr)
    if options.scheduler and result.isolation == "off":
        print(f"grade: WARNING: on the cluster {OFF_WARNING}", file=sys.stderr)
    for note in result.notes:
        print(f"exports: {note}", file=sys.stderr)
    if result.resumed:
        print(f"{result.resumed} of {len(result.rows)} verdicts were there already.")
    print(f"Isolation: {result.isolation}. {result.deadline.describe()}")
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
    parser.add_argument(
        "--github", action="store_true", help="tell GitHub, too: job summary, Classroom's points"
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
        isolation = resolve("auto")
        with launcher(isolation, lab) as launch:
            verdict = judge(lab, submission, hidden=False, launch=launch)
    except (SubmissionsError, LabError, CheckFileError, OSError) as error:
        print(f"check: {error}", file=sys.stderr)
        return 1
    if options.github:
        _tell_github(lab, verdict)
    all_right = _print_verdict(Console(), lab, verdict)
    if isolation == "off":
        print(
            "Your code ran as an ordinary program on this machine; the grader shuts it in, with equal verdicts."
        )
    return 0 if all_right else 1


def _tell_github(lab: Lab, verdict: Verdict) -> None:
    """Append the result to the summary of a run of GitHub Actions, and print Classroom's points."""
    from autograder.results.github import classroom_notices, job_summary

    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(job_summary(lab, verdict))
    for notice in classroom_notices(verdict):
        print(notice)


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


def _collected(submitted: Path, lab: Lab, out: Path, pattern: str | None) -> Path:
    """Return the folder of the submissions: unpacked, where an LMS gave a ZIP."""
    if submitted.suffix.lower() != ".zip":
        return submitted
    from autograder.intake.lms_zip import collect

    return collect(submitted, lab, out / ".grading" / lab.name / "collected", pattern)


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
