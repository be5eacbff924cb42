"""How long the first commands take, beside an earlier commit: `run` on a bare machine, and a class with bubblewrap.

The earlier commit is checked out below ``build/start`` and has an environment of its own there; set-up is not counted.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks._common import BUILD, ROOT, record

COMMIT = "41ee565"
FOLDER = BUILD / "start"
# What is compared: a title, the command, variables, whether bubblewrap is found, and how many times faster it must be.
PAIRS = {
    "run": ("course.py run, without bubblewrap", ["run"], {}, False, 5.0),
    "spawn": ("course.py run, nothing isolates, no fork", ["run"], {"COURSE_WORKERS": "spawn"}, False, 3.0),
    "class": (
        "lab 1's example class, with bubblewrap",
        ["grade", "lab1_mlp", "examples/class", "--out", "build/start-class"],
        {},
        True,
        1.5,
    ),
}


def main(argv: list[str]) -> int:
    """Measure both commits, print the table and keep the result; return 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="course.py bench start", description=__doc__)
    parser.add_argument("--only", nargs="*", choices=PAIRS, default=list(PAIRS), help="default: all pairs")
    parser.add_argument("--repeat", type=int, default=1, help="times that each command runs, in turn")
    options = parser.parse_args(argv)
    if "class" in options.only and shutil.which("bwrap") is None:
        print(
            "bench start: bubblewrap is not installed, so the pair `class` cannot be measured",
            file=sys.stderr,
        )
        return 1
    try:
        old = checkout(COMMIT)
    except subprocess.CalledProcessError as error:
        print(
            f"bench start: commit {COMMIT} is not in this clone ({error.stderr.strip()}): a shallow clone gets it "
            "with `git fetch --unshallow`",
            file=sys.stderr,
        )
        return 1
    for tree in (old, ROOT):
        seconds_of(tree, ["data", "verify"], {}, bubblewrap=True)  # sets up the environment
    table = Table(title=f"Seconds, {COMMIT} and today, in turn on one machine")
    for column in ("what", "then", "today", "times faster", "asked"):
        table.add_column(column, justify="left" if column == "what" else "right")
    result: dict[str, dict[str, object]] = {}
    earlier: dict[str, list[float]] = {}  # two pairs have the same command then
    for name in options.only:
        title, command, variables, bubblewrap, asked = PAIRS[name]
        then, today = earlier.setdefault(repr((command, bubblewrap)), []), []
        for number in range(options.repeat):
            if len(then) <= number:
                then.append(seconds_of(old, command, {}, bubblewrap))
            today.append(seconds_of(ROOT, command, variables, bubblewrap))
        ratio = statistics.median(then) / statistics.median(today)
        result[name] = {"then": then, "today": today, "times_faster": ratio, "asked": asked}
        shown = [", ".join(f"{seconds:.0f}" for seconds in measured) for measured in (then, today)]
        table.add_row(title, *shown, f"{ratio:.2f}", f"{asked:g}")
    Console().print(table)
    print(f"kept in {record('start', {'commit': COMMIT, **result})}")
    return 0 if all(pair["times_faster"] >= pair["asked"] for pair in result.values()) else 1


def checkout(commit: str) -> Path:
    """Return a worktree of a commit, made if need be.

    Raises
    ------
    subprocess.CalledProcessError
        If this clone does not hold the commit.
    """
    folder = FOLDER / commit
    git = {"cwd": ROOT, "check": True, "capture_output": True, "text": True}
    subprocess.run(["git", "cat-file", "-e", f"{commit}^{{commit}}"], **git)
    if not folder.exists():
        subprocess.run(["git", "worktree", "prune"], **git)
        subprocess.run(["git", "worktree", "add", "--detach", str(folder), commit], **git)
    return folder


def seconds_of(tree: Path, command: list[str], variables: Mapping[str, str], bubblewrap: bool) -> float:
    """Return how long a verb takes in a tree, from the Python that everybody has.

    Raises
    ------
    subprocess.CalledProcessError
        If it fails.
    """
    environment = {
        key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
    environment["PATH"] = os.environ["PATH"] if bubblewrap else str(path_without("bwrap"))
    began = time.monotonic()
    python = getattr(sys, "_base_executable", sys.executable)
    print(f"{tree}: course.py {' '.join(command)}", file=sys.stderr, flush=True)
    subprocess.run(
        [python, "course.py", *command],
        cwd=tree,
        env=environment | variables,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    seconds = time.monotonic() - began
    print(f"{seconds:.1f} s", file=sys.stderr, flush=True)
    return seconds


def path_without(program: str) -> Path:
    """Return a folder with links to all programs on the path but one."""
    folder = FOLDER / f"without-{program}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for place in map(Path, os.environ["PATH"].split(os.pathsep)):
        for file in place.glob("*") if place.is_dir() and ROOT not in place.parents else ():
            link = folder / file.name
            if file.name != program and not link.is_symlink():
                link.symlink_to(file)
    return folder
