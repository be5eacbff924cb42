"""`grade --scheduler`: a real Dask scheduler and workers, processes of their own on the loopback device."""

import contextlib
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from nbgrader.api import Gradebook

from autograder import cli
from tests.conftest import ROOT
from tests.labs.handing_in import FOLDER, hand_in, hand_in_stub, without_bugs

LAB = FOLDER.name
STUDENTS = ["ada", "bob", "cyd", "dee", "eli", "fay"]
PREDICT = "        return self.slope * x + self.intercept\n"


@contextlib.contextmanager
def program(name: str, *arguments: str) -> Iterator[subprocess.Popen]:
    """Run a program of Dask, and end it and what it started."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", f"distributed.cli.dask_{name}", *arguments]
    with subprocess.Popen(command, env=environment, stdout=-3, stderr=-3, cwd=Path(sys.prefix)) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(psutil.Error):
                children = psutil.Process(process.pid).children(recursive=True)
                for one in children:
                    one.kill()
            process.kill()


def worker(address: str, threads: int = 1) -> contextlib.AbstractContextManager[subprocess.Popen]:
    options = ["--nthreads", str(threads), "--no-nanny", "--no-dashboard", "--memory-limit", "0"]
    return program("worker", address, "--host", "127.0.0.1", *options)


def wait_for_workers(address: str, n: int) -> None:
    from distributed import Client

    with Client(address, timeout=30, set_as_default=False) as client:
        deadline = time.monotonic() + 60
        while len(client.nthreads()) != n:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    file = tmp_path_factory.mktemp("cluster") / "scheduler.json"
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    with contextlib.ExitStack() as stack:
        stack.enter_context(program("scheduler", *options))
        deadline = time.monotonic() + 60
        while not file.exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        workers = [stack.enter_context(worker(address)) for _ in range(2)]
        wait_for_workers(address, 2)
        yield address, workers


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Path:
    return without_bugs(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def submitted(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("submitted")
    for student in STUDENTS:
        hand_in(folder, student, append=f"# {student}\n")
    hand_in_stub(folder, "ida")
    hand_in(folder, "jon", replace={PREDICT: "        return 0 * x\n"})
    return folder


def grades(out: Path) -> list[tuple[str, str, str, str]]:
    with (out / "grades.csv").open(encoding="utf-8", newline="") as file:
        return [(r["student"], r["score"], r["status"], r["flags"]) for r in csv.DictReader(file)]


def refusal(submitted: Path, tmp_path: Path, capsys, address: str) -> str:
    """Grade in vain and return what was said."""
    arguments = [str(FOLDER) + os.sep, str(submitted), "--out", str(tmp_path / "out"), "--scheduler", address]
    assert cli.grade(arguments) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("grade: ") and "Traceback" not in printed and printed.count("\n") == 1
    return printed


def test_an_address_where_nothing_answers_is_told_in_seconds(submitted, tmp_path, capsys):
    began = time.monotonic()
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in refusal(
        submitted, tmp_path, capsys, "tcp://127.0.0.1:9"
    )
    assert "no Dask scheduler answers at nonsense" in refusal(submitted, tmp_path, capsys, "nonsense")
    assert time.monotonic() - began < 30


def test_another_secret_is_noticed_and_never_sent(submitted, tmp_path, capsys, cluster, monkeypatch):
    monkeypatch.setenv("COURSE_GRADING_SECRET", "rosebud")
    printed = refusal(submitted, tmp_path, capsys, cluster[0])
    assert "the grading secret of worker tcp://127.0.0.1:" in printed and "rosebud" not in printed


def test_a_worker_with_threads_is_refused(submitted, tmp_path, capsys, cluster):
    with worker(cluster[0], threads=2):
        wait_for_workers(cluster[0], 3)
        assert "has 2 threads" in refusal(submitted, tmp_path, capsys, cluster[0])
    wait_for_workers(cluster[0], 2)


def test_a_lab_that_a_worker_lacks_is_named(submitted, tmp_path, capsys, cluster, monkeypatch):
    monkeypatch.setattr("autograder.running.cluster.place", lambda lab: "solutions/lab99")
    printed = refusal(submitted, tmp_path, capsys, cluster[0])
    assert "cannot judge lab0_slope" in printed and "lab99: there is no such lab" in printed


def test_a_worker_that_is_killed_half_way_costs_nothing(lab, submitted, tmp_path, cluster):
    """Its submissions are judged by the other; every one is in every output once; grades are the pool's."""
    address, workers = cluster
    out = tmp_path / "out"
    script = "import sys; from autograder.cli import grade; sys.exit(grade(sys.argv[1:]))"
    arguments = [str(lab) + os.sep, str(submitted), "--out", str(out), "--scheduler", address]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    verdicts = out / ".grading" / LAB / "verdicts"
    with subprocess.Popen([sys.executable, "-c", script, *arguments], env=environment, stdout=-1) as grader:
        deadline = time.monotonic() + 120
        while not verdicts.is_dir() or len(list(verdicts.glob("[!.]*.json"))) < 2:
            assert grader.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        workers[0].kill()
        assert len(list(verdicts.glob("[!.]*.json"))) < 5  # it was killed half-way
        assert grader.wait(timeout=120) == 0
    assert sorted(path.stem for path in verdicts.iterdir()) == [*STUDENTS, "ida", "jon"]
    assert cli.grade([str(lab) + os.sep, str(submitted), "--out", str(tmp_path / "local")]) == 0
    assert grades(out) == grades(tmp_path / "local")
    assert [row[0] for row in grades(out)] == [*STUDENTS, "ida", "jon"]
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as gradebook:
        entries = gradebook.assignment_submissions(LAB)
        assert sorted((s.student.id, s.score) for s in entries) == [
            *((student, 12.0) for student in STUDENTS),
            ("ida", 0.0),
            ("jon", float(dict(row[:2] for row in grades(out))["jon"])),
        ]
    assert (out / "report.html").is_file() and len(list((out / "feedback").iterdir())) == 8
