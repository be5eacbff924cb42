"""Hostile and accidental submissions: what plain nbgrader gives them, and what our grader does."""

import argparse
import contextlib
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat

from autograder.labs.definition import Lab, load_lab
from autograder.results.grades_csv import safe_cell
from autograder.sandbox.choose import resolve
from benchmarks._common import BUILD, ROOT, record
from benchmarks._nbgrader_lab import autograde, make_nbgrader_course

CLASS_SIZE = 16
NBGRADER_SECONDS = 150
FULL_MARKS = 12.0
_HARMLESS = (
    "accidents",
    "in the process",
    "values",
    "words",
    "own tests",
)  # without a box nothing else is tried
_LIMITS = ("sh", "-c", 'ulimit -v 6000000 -f 2000000 -c 0; exec "$@"', "sh")


def main(argv: list[str]) -> int:
    """Run every case through both graders and print the table; fail when ours is wrong anywhere."""
    parser = argparse.ArgumentParser(prog="course.py bench redteam", description=__doc__)
    parser.add_argument("--only", default="", metavar="WORD", help="cases with this in name or category")
    parser.add_argument("--one-each", action="store_true", help="only the first case of each category")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="runs of nbgrader at a time")
    options = parser.parse_args(argv)
    selection = ["--only", options.only, *["--one-each"] * options.one_each]
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="redteam-", dir=BUILD) as folder:
        cases = _run_ours(Path(folder) / "ours", selection)
        for name, seen in _run_nbgrader(Path(folder) / "nbgrader", selection, options.workers).items():
            cases.setdefault(name, seen).update(seen)
        labs = json.loads(_redteam(Path(folder), "--labs", *selection))
    rows = [_judged(case) for case in [*cases.values(), *labs]]
    _print_table(rows)
    totals = {grader: _totals(rows, grader) for grader in ("nbgrader", "ours")}
    for grader, total in totals.items():
        print(f"{grader:9} " + ", ".join(f"{count} {what}" for what, count in total.items()))
    file = record("redteam", {"isolation": resolve("auto"), "totals": totals, "cases": rows})
    print(f"The table is in {file}")
    wrong = [row["case"] for row in rows if row["ours"]["verdict"] not in ("right", "not run")]
    if wrong:
        print(f"bench redteam: our grader is wrong on {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


def _run_ours(folder: Path, selection: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Grade the cases in classes with the verb ``grade``; return what was seen, by case."""
    full = ["--full"] if resolve("auto") == "full" else []
    made = _write(folder, "--size", str(CLASS_SIZE), *selection, *full)
    seen = {}
    for one in made["classes"]:
        place = Path(one["folder"])
        for handed_in in ["earlier"] * one["earlier"] + ["submitted"]:
            command = [sys.executable, "course.py", "grade", made["lab"] + os.sep, str(place / handed_in)]
            subprocess.run(
                [*command, "--out", str(place / "out"), "--workers", "1"],
                cwd=ROOT,
                env={**os.environ, "COURSE_GRADING_SECRET": made["secret"]},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        scores: dict[str, float | None] = {}
        with (
            contextlib.suppress(OSError),
            (place / "out" / "grades.csv").open(encoding="utf-8", newline="") as file,
        ):
            scores = {row["student"]: float(row["score"] or "nan") for row in csv.DictReader(file)}
        for seat in one["seats"]:
            page = place / "out" / "feedback" / seat["student"] / f"{Path(made['lab']).name}.html"
            text = page.read_text(encoding="utf-8") if page.is_file() else ""
            seen[seat["case"]] = seat | {"ours": _observed(seat, scores, text)}
        shutil.rmtree(place)
        print(f"ours: {len(seen)} cases graded", file=sys.stderr)
    return seen


def _run_nbgrader(folder: Path, selection: Sequence[str], workers: int) -> dict[str, dict[str, Any]]:
    """Autograde each case in a course of its own, between two neighbours; return what was seen, by case."""
    made = _write(folder, "--plain", *selection)
    lab = load_lab(Path(made["lab"]))
    boxed = shutil.which("bwrap") is not None
    classes = [c for c in made["classes"] if boxed or c["seats"][0]["category"] in _HARMLESS]
    (folder / "nobody").mkdir(parents=True)
    make_nbgrader_course(folder / "course", lab, folder / "nobody")
    seen = {}
    with ThreadPoolExecutor(workers) as pool:
        for seat in pool.map(
            lambda one: _autograde_one(one, lab, folder / "course", boxed, made["secret"]), classes
        ):
            seen[seat["case"]] = seat
            print(f"nbgrader: {len(seen)} of {len(classes)} cases", file=sys.stderr)
    return seen


def _autograde_one(one: dict[str, Any], lab: Lab, course: Path, boxed: bool, secret: str) -> dict[str, Any]:
    """Run nbgrader on one case: on what was handed in earlier, too, where there is such a thing."""
    place, seat = Path(one["folder"]), one["seats"][0]
    root = place / "out"
    shutil.copytree(course, root)
    scores: dict[str, float | None] = {}
    for handed_in in ["earlier"] * one["earlier"] + ["submitted"]:
        shutil.rmtree(root / "submitted")
        (place / handed_in).rename(root / "submitted")
        command = (*_LIMITS, *(_box(root) if boxed else ()), "env", f"COURSE_GRADING_SECRET={secret}")
        with contextlib.suppress(Exception):  # a gradebook that an attack has spoilt cannot be read
            scores = autograde(root, lab, command, timeout=NBGRADER_SECONDS)[1]
    text = ""
    for path in (root / "autograded" / seat["student"]).rglob("*.ipynb"):
        with contextlib.suppress(Exception):
            text += json.dumps([cell.get("outputs") for cell in nbformat.read(path, as_version=4).cells])
    shutil.rmtree(place)
    return seat | {"nbgrader": _observed(seat, scores, text)}


def _box(root: Path) -> Iterator[str]:
    """Yield a command that runs another one without network, with nothing to write to but the course."""
    yield from ("bwrap", "--ro-bind", "/", "/", "--tmpfs", "/tmp", "--dev", "/dev", "--proc", "/proc")
    yield from ("--bind", str(root), str(root), "--chdir", str(root))
    yield from ("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--die-with-parent")


def _write(folder: Path, *options: str) -> dict[str, Any]:
    """Let the red team write its classes."""
    return json.loads(_redteam(folder, *options))


def _redteam(folder: Path, *options: str) -> str:
    """Return what the red team prints."""
    command = [sys.executable, "-m", "tests.redteam", str(folder), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _observed(seat: dict[str, Any], scores: dict[str, float | None], text: str) -> dict[str, Any]:
    """Return a case's score, what students could read that they must not, and neighbours without full marks."""
    score = scores.get(seat["student"], scores.get(safe_cell(seat["student"])))
    return {
        "score": score if score == score else None,
        "leaks": [word for word in seat["absent"] if word in text],
        "neighbours lost": sum(scores.get(name) != FULL_MARKS for name in set(seat["neighbours"])),
    }


def _judged(case: dict[str, Any]) -> dict[str, Any]:
    """Add a verdict on each grader to a case."""
    for grader in ("nbgrader", "ours"):
        seen = case.setdefault(grader, {"verdict": "not run"})
        if "verdict" not in seen:
            seen["verdict"] = _verdict(case, seen)
    return case


def _verdict(case: dict[str, Any], seen: dict[str, Any]) -> str:
    if seen["neighbours lost"]:
        return "harms others"
    if seen["leaks"]:
        return "leaks"
    if seen["score"] is None:
        return "not graded"
    difference = seen["score"] - case["right"]
    if difference > 0.005:
        return "awards too much"
    return "right" if case["at_most"] or difference > -0.005 else "takes too much"


def _print_table(rows: list[dict[str, Any]]) -> None:
    print(f"{'category':18} {'case':38} {'right':>6}  {'nbgrader':24} ours")
    for row in rows:
        right = f"{'≤ ' if row['at_most'] else ''}{row['right']:g}"
        cells = []
        for grader in ("nbgrader", "ours"):
            score = row[grader].get("score")
            shown = "-" if score is None else f"{score:g}"
            cells.append(f"{shown:>5}  {row[grader]['verdict']}")
        print(f"{row['category']:18} {row['case']:38} {right:>6}  {cells[0]:24} {cells[1]}")


def _totals(rows: list[dict[str, Any]], grader: str) -> dict[str, int]:
    """Return how many cases ended in each verdict."""
    counts = Counter(row[grader]["verdict"] for row in rows)
    return {"right": counts.pop("right", 0)} | dict(sorted(counts.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
