"""`grade --resume`: a grader that was killed goes on where it was, and nobody can tell from the results."""

import contextlib
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from nbgrader.api import Gradebook

from autograder import cli
from autograder.intake.submission import pack, read_submission
from autograder.judging.judge import judge
from autograder.judging.verdict import Judged
from autograder.running.digests import Sources
from autograder.running.store import Store, depends_on, read_judged, write_judged
from labkit.results import Failure
from tests.conftest import ROOT
from tests.labs.handing_in import FOLDER, hand_in, hand_in_stub, slope_lab, without_bugs

LAB = slope_lab()
PREDICT = "        return self.slope * x + self.intercept\n"
MEASURED = ("seconds", "timings", "slowest_call_cpu")  # parts of a verdict that differ from run to run


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Path:
    return without_bugs(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def submitted(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("submitted")
    hand_in(folder, "ada")
    for student in ("bob", "cyd", "dee"):
        hand_in_stub(folder, student)
    hand_in(folder, "fay", replace={PREDICT: "        import os; os._exit(3)\n"})
    hand_in(folder, "gus", append="print('x' * 30_000)\n")
    (folder / "nil" / LAB.name).mkdir(parents=True)
    return folder


def start(lab: Path, submitted: Path, out: Path, *options: str) -> subprocess.Popen:
    """Start the real verb in a process of its own."""
    script = "import sys\nfrom autograder.cli import grade\nif __name__ == '__main__': sys.exit(grade(sys.argv[1:]))"
    (submitted / ".go.py").write_text(script)  # a file: judging processes import what started the grader
    arguments = [str(lab) + os.sep, str(submitted), "--out", str(out), "--workers", "2", *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, str(submitted / ".go.py"), *arguments],
        env=environment,
        stdout=-1,
        stderr=-2,
        text=True,
    )


def finish(grader: subprocess.Popen) -> str:
    """Wait for a grader that must end well and return what it printed."""
    with grader:
        printed = grader.communicate(timeout=300)[0]
    assert grader.returncode == 0, printed
    return printed


def kill(grader: subprocess.Popen) -> None:
    """Kill a grader; what it had started must end by itself."""
    with grader:
        grader.send_signal(signal.SIGSTOP)  # it starts nothing between the look and the end
        started = psutil.Process(grader.pid).children(recursive=True)
        grader.kill()
    _, alive = psutil.wait_procs(started, timeout=15)
    assert alive == [], "processes that outlive the grader"


def stored(out: Path) -> dict[str, tuple[int, int]]:
    """Return what changes when a verdict is written again, by student."""
    files = (out / ".grading" / LAB.name / "verdicts").glob("[!.]*.json")
    return {path.stem: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def results(out: Path) -> dict[str, object]:
    """Return all that people see, without what is measured."""
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as gradebook:
        submissions = gradebook.assignment_submissions(LAB.name)
        scores = {s.student.id: [(g.name, g.auto_score) for g in s.notebooks[0].grades] for s in submissions}
    verdicts = {}
    for path in (out / ".grading" / LAB.name / "verdicts").iterdir():
        verdict = json.loads(path.read_text(encoding="utf-8"))["judged"]
        verdict["verdict"] = {k: v for k, v in verdict["verdict"].items() if k not in MEASURED}
        verdicts[path.name] = verdict
    files = [p for part in ("autograded", "submitted", "feedback") for p in sorted((out / part).rglob("*"))]
    return {
        "scores": {student: sorted(grades) for student, grades in scores.items()},
        "verdicts": verdicts,
        "grades": (out / "grades.csv").read_text(encoding="utf-8"),
        "files": {p.relative_to(out): p.read_bytes() for p in files if p.is_file()},
        "top": sorted(p.name for p in out.iterdir() if p.name != "gradebook.db-journal"),
    }


@pytest.fixture(scope="module")
def uninterrupted(lab, submitted, tmp_path_factory) -> tuple[dict[str, object], float]:
    out = tmp_path_factory.mktemp("whole") / "out"
    began = time.monotonic()
    finish(start(lab, submitted, out))
    return results(out), time.monotonic() - began


def moments(n: int, seed: int) -> list[float]:
    """Return n random moments, as shares of a whole run, spread over all of it."""
    rng = random.Random(seed)
    return [(i + rng.random()) / n for i in range(n)]


def interrupt(
    lab: Path, submitted: Path, out: Path, seconds: float, *options: str
) -> dict[str, tuple[int, int]]:
    """Kill a grading after so many seconds, or let it end before; return what it had stored."""
    grader = start(lab, submitted, out, *options)
    with contextlib.suppress(subprocess.TimeoutExpired):
        grader.communicate(timeout=seconds)
    kill(grader) if grader.poll() is None else finish(grader)
    return stored(out)


def test_killed_again_and_again(lab, submitted, uninterrupted, tmp_path):
    """Four kills in one grading: each run goes on, what was stored is never judged again."""
    whole, seconds = uninterrupted
    out, before = tmp_path / "out", {}
    for share in moments(4, seed=3):
        now = interrupt(lab, submitted, out, share * seconds, "--resume")
        assert {student: now[student] for student in before} == before
        before = now
    printed = finish(start(lab, submitted, out, "--resume"))
    after = stored(out)
    assert {student: after[student] for student in before} == before
    assert (f"{len(before)} of {len(after)} verdicts were there already." in printed) == bool(before)
    assert results(out) == whole


@pytest.mark.long
@pytest.mark.parametrize("share", moments(20, seed=1))
def test_killed_once_at_a_random_moment(lab, submitted, uninterrupted, tmp_path, share):
    whole, seconds = uninterrupted
    out = tmp_path / "out"
    before = interrupt(lab, submitted, out, share * seconds)
    finish(start(lab, submitted, out, "--resume"))
    after = stored(out)
    assert {student: after[student] for student in before} == before
    assert results(out) == whole


def test_only_what_has_changed_is_judged_again(lab, submitted, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "autograder.running.digests._engine", lambda: "this one"
    )  # whoever edits it meanwhile
    folder = tmp_path / "in"
    for student in ("cyd", "bob", "nil"):
        shutil.copytree(submitted / student, folder / student)
    out = tmp_path / "out"
    arguments = [str(lab) + os.sep, str(folder), "--out", str(out)]
    assert cli.grade(arguments) == 0
    first = stored(out)
    shutil.copytree(submitted / "ada", folder / "bob", dirs_exist_ok=True)
    assert cli.grade([*arguments, "--resume"]) == 0
    second = stored(out)
    assert {s for s in first if first[s] != second[s]} == {"bob"}
    assert "2 of 3 verdicts were there already." in capsys.readouterr().out
    with (out / "grades.csv").open(encoding="utf-8", newline="") as file:
        assert {row["student"]: row["score"] for row in csv.DictReader(file)} == {
            "bob": "12",
            "cyd": "0",
            "nil": "0",
        }
    assert cli.grade(arguments) == 0
    assert not set(second.items()) & set(stored(out).items())  # a new grading starts afresh


def test_a_verdict_holds_for_its_submission_lab_secret_and_isolation(submitted, tmp_path, monkeypatch):
    folder = tmp_path / LAB.name
    shutil.copytree(FOLDER, folder)
    lab = type(LAB)(**{**vars(LAB), "folder": folder})
    handed_in = pack(LAB, "ada", submitted / "ada" / LAB.name)
    digests = [depends_on(handed_in, Sources.of(lab), "full"), depends_on(handed_in, Sources.of(lab), "off")]
    digests.append(depends_on(pack(LAB, "ada", submitted / "bob" / LAB.name), Sources.of(lab), "full"))
    (folder / "__pycache__").mkdir(exist_ok=True)
    (folder / "__pycache__" / "x.pyc").write_bytes(b"")
    (folder / ".coverage").write_bytes(b"")
    assert depends_on(handed_in, Sources.of(lab), "full") == digests[0]
    with (folder / "hidden_checks.py").open("a") as file:
        file.write("# changed\n")
    digests.append(depends_on(handed_in, Sources.of(lab), "full"))
    monkeypatch.setenv("COURSE_GRADING_SECRET", "rosebud")
    digests.append(depends_on(handed_in, Sources.of(lab), "full"))
    assert len(set(digests)) == 5


@pytest.mark.parametrize("student", ["ada", "bob", "fay", "nil"])
def test_a_verdict_survives_the_disk(submitted, tmp_path, student):
    submission = read_submission(LAB, student, submitted / student / LAB.name)
    judged = Judged(judge(LAB, submission), submission.arrangement)
    text = write_judged(judged)
    assert read_judged(text, LAB) == judged
    checks = [check for result in read_judged(text, LAB).verdict.questions for check in result.checks]
    why = {"bob": Failure.UNDONE, "fay": Failure.STOPPED}.get(student)
    assert all(check.passed or check.reason is why for check in checks)  # the enum itself, and no text
    store = Store(tmp_path, LAB)
    store.write(student, "digest", text)
    assert store.read(student, "digest") == judged
    assert store.read(student, "another digest") is None
    assert list(store.verdicts([student])) == [judged.verdict]
    path = next((tmp_path / ".grading").rglob("*.json"))
    path.write_bytes(path.read_bytes()[:-100])
    assert store.read(student, "digest") is None
