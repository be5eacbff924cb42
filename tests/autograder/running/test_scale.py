"""A large class costs what a small one does: per submission in time, and not at all in memory."""

import itertools
import shutil
import statistics
import time
from pathlib import Path

import psutil
import pytest

from tests.autograder.running.test_resume import LAB, start
from tests.labs.handing_in import hand_in_stub, without_bugs

MB = 2**20


def grade_stubs(folder: Path, n: int) -> tuple[dict[str, int], list[float]]:
    """Grade n untouched labs; return the most memory of grader and judges, and when each verdict was stored."""
    first = hand_in_stub(folder / "in", "student000").parent
    for i in range(1, n):
        shutil.copytree(first, folder / "in" / f"student{i:03d}")
    out = folder / "out"
    peaks = {"grader": 0, "judge": 0}
    with start(without_bugs(folder), folder / "in", out) as grader:
        process = psutil.Process(grader.pid)
        while grader.poll() is None:
            peaks["grader"] = max(peaks["grader"], memory(process))
            for child in children(process):
                peaks["judge"] = max(peaks["judge"], memory(child))
            time.sleep(0.2)
    assert grader.returncode == 0
    stored = [path.stat().st_mtime for path in (out / ".grading" / LAB.name / "verdicts").iterdir()]
    assert len(stored) == n
    return peaks, sorted(stored)


def children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children()
    except psutil.Error:
        return []


def memory(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_time_per_submission_and_memory_do_not_grow(tmp_path):
    small, _ = grade_stubs(tmp_path / "small", 20)
    large, stored = grade_stubs(tmp_path / "large", 200)
    print({name: (small[name] / MB, large[name] / MB) for name in small})
    for name in small:
        assert large[name] < small[name] + 32 * MB, name
    begin, end = (
        statistics.mean(b - a for a, b in itertools.pairwise(part)) for part in (stored[10:70], stored[-60:])
    )
    print(f"seconds per submission: {begin:.3f} at the beginning, {end:.3f} at the end")
    assert end < 1.5 * begin
