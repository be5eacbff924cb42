"""Hostile and accidental submissions: what each earns, what leaks, what survives, and who comes after it.

All cases sit in classes that the verb `grade` grades, with one judging process, so that whatever a case does to
its judge shows in the neighbour who is graded next. The catalogue says what is right.
"""

import csv
import json
import os
import shutil
import socket
import sqlite3
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from autograder.results.grades_csv import safe_cell
from autograder.sandbox.choose import resolve
from tests.labs.handing_in import FOLDER
from tests.redteam.catalogue import CASES, Case, first_of_each_category
from tests.redteam.classroom import Seat, write_class, write_earlier
from tests.redteam.desk import LAB, LEAKED, RIGHT
from tests.redteam.later import left_behind
from tests.redteam.spying import CANARY, SECRET
from tests.redteam.watched import Watched, watch

pytestmark = pytest.mark.skipif(os.name != "posix", reason="machine: the cases speak POSIX")
ROOT = Path(__file__).resolve().parents[2]
FULL = resolve("auto") == "full"
GRADE = "import sys; from autograder import cli; sys.exit(cli.grade(sys.argv[1:]))"
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a spreadsheet's formula begins
BATCH = 16
SECONDS_EACH = 60  # a neighbour costs one, an endless loop a dozen
PEAK_BYTES = 4 * 2**30
NEVER = (LEAKED, SECRET, CANARY, "20260731", "secret_seed")


@dataclass
class Graded:
    """What came of a case."""

    seat: Seat
    scores: dict[str, float]
    row: dict[str, str]
    neighbours: dict[str, float]
    feedback: str
    public: dict[str, str]


@dataclass
class Batch:
    """What came of a class."""

    run: Watched
    graded: dict[str, Graded]
    report: str
    calls: list[str]
    left: list[str]


def _parameters() -> Iterator[pytest.param]:
    ordinary = first_of_each_category(FULL)
    for case in CASES.values():
        marks = [] if case.name in ordinary else [pytest.mark.long]
        if case.needs_full and not FULL:
            marks.append(
                pytest.mark.skip(reason="machine: only full isolation stops this, and there is none here")
            )
        if case.xfail:
            marks.append(pytest.mark.xfail(strict=True, reason=case.xfail))
        yield pytest.param(case, id=case.name, marks=marks)


@pytest.fixture(scope="session")
def batches(request, tmp_path_factory) -> dict[str, Batch]:
    """Grade all cases that this run asks for, in classes of at most ``BATCH``."""
    asked = [
        item.callspec.params["case"]
        for item in request.session.items
        if "case" in getattr(getattr(item, "callspec", None), "params", {})
        and not item.get_closest_marker("skip")
    ]
    cases = list({case.name: case for case in asked if isinstance(case, Case)}.values())
    result = {}
    for start in range(0, len(cases), BATCH):
        batch = grade_batch(cases[start : start + BATCH], tmp_path_factory.mktemp("redteam"))
        result |= dict.fromkeys(batch.graded, batch)
    return result


def grade_batch(cases: list[Case], folder: Path) -> Batch:
    """Write a class, grade it as an instructor would, and gather what students and instructors can see."""
    out, submitted, private = folder / "out", folder / "submitted", folder / "tmp"
    private.mkdir()
    environment = {**os.environ, "TMPDIR": str(private), "COURSE_GRADING_SECRET": SECRET}
    environment.pop("PYTEST_ADDOPTS", None)
    earlier = folder / "earlier"

    def grade(handed_in: Path, timeout: float) -> Watched:
        options = [f"{FOLDER}{os.sep}", str(handed_in), "--out", str(out), "--workers", "1"]
        command = [sys.executable, "-c", GRADE, *options]
        seen = watch(command, folder / f"{handed_in.name}.log", timeout, environment, ROOT)
        assert (out / "grades.csv").is_file(), seen.output
        return seen

    if write_earlier(earlier, cases, FOLDER, out):
        grade(earlier, 120)
    calls: list[str] = []
    with listening(calls) as port:
        taken = write_class(submitted, cases, FOLDER, out, port)
        run = grade(submitted, 60 + SECONDS_EACH * len(cases))
    left = [str(path) for path in left_behind(_places(folder, submitted, out))]
    left += [str(path) for path in private.rglob("*")]
    graded = {seat.case.name: collect(seat, out) for seat in taken}
    shutil.rmtree(submitted)
    report = (out / "report.html").read_text(encoding="utf-8")
    return Batch(run, graded, report, calls, left)


def collect(seat: Seat, out: Path) -> Graded:
    """Read a case's results where people read them."""
    with (out / "grades.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    scores = read_gradebook(out / "gradebook.db")
    page = out / "feedback" / seat.student / f"{LAB}.html"
    feedback = page.read_text(encoding="utf-8", errors="replace") if page.is_file() else ""
    public = {"feedback": feedback}
    graded = out / "autograded" / seat.student / LAB / f"{LAB}.ipynb"
    if graded.is_file():
        cells = nbformat.read(graded, as_version=4).cells
        public["graded notebook"] = json.dumps([cell.get("outputs") for cell in cells], ensure_ascii=False)
    neighbours = {name: sum(scores.get(name, {}).values()) for name in (seat.before, seat.after)}
    row = rows.get(safe_cell(seat.student), {})
    assert not [cell for line in rows.values() for cell in line.values() if cell.startswith(FORMULA)]
    return Graded(seat, scores.get(seat.student, {}), row, neighbours, feedback, public)


def read_gradebook(path: Path) -> dict[str, dict[str, float]]:
    """Return scores by student and question, as nbgrader exports them."""
    query = """
        select a.student_id, b.name, coalesce(g.manual_score, g.auto_score)
        from grade g join submitted_notebook n on g.notebook_id = n.id
        join submitted_assignment a on n.assignment_id = a.id join base_cell b on g.cell_id = b.id
    """
    scores: dict[str, dict[str, float]] = {}
    with sqlite3.connect(path) as database:
        for student, question, score in database.execute(query):
            scores.setdefault(student, {})[question] = score
    return scores


class listening:
    """Listens on a port of this machine, by TCP and UDP, and notes who calls."""

    def __init__(self, calls: list[str]) -> None:
        self.calls = calls

    def __enter__(self) -> int:
        """Return the port."""
        self.tcp = socket.create_server(("127.0.0.1", 0))
        port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", port))
        self.threads = [threading.Thread(target=self._accept), threading.Thread(target=self._receive)]
        for thread in self.threads:
            thread.start()
        return port

    def _accept(self) -> None:
        while True:
            try:
                self.tcp.settimeout(0.2)
                self.tcp.accept()[0].close()
                self.calls.append("TCP")
            except TimeoutError:
                continue
            except OSError:
                return

    def _receive(self) -> None:
        while True:
            try:
                self.udp.settimeout(0.2)
                self.udp.recv(100)
                self.calls.append("UDP")
            except TimeoutError:
                continue
            except OSError:
                return

    def __exit__(self, *exception: object) -> None:
        """Stop listening."""
        self.tcp.close()
        self.udp.close()
        for thread in self.threads:
            thread.join()


def _places(*folders: Path) -> list[Path]:
    import numpy

    import autograder
    import itemmarket

    packages = [Path(module.__file__).parent for module in (numpy, autograder, itemmarket)]
    packages += [package.parent for package in packages]
    places = [*folders, *FOLDER.parents, FOLDER, *packages, *(p / "__pycache__" for p in packages)]
    return [place for place in places if place.is_dir()]


@pytest.fixture(params=list(_parameters()))
def case(request) -> Case:
    return request.param


@pytest.fixture
def graded(case, batches) -> Graded:
    return batches[case.name].graded[case.name]


def test_each_case_earns_what_is_right_and_leaks_nothing(case, graded, batches):
    seen = f"{case.tries}\n{graded.row}\n{batches[case.name].run.output[-3000:]}"
    if case.at_most:
        assert all(graded.scores[question] <= most + 1e-9 for question, most in case.earns.items()), seen
    else:
        assert graded.scores == pytest.approx(dict(case.earns)), seen
    assert float(graded.row["score"]) == pytest.approx(sum(graded.scores.values())), seen
    assert case.flags <= set(graded.row["flags"].split()), seen
    assert case.says in graded.feedback, seen
    for place, text in graded.public.items():
        for secret in {*case.absent, *NEVER}:
            assert secret not in text, f"{secret!r} stands in the {place}. {seen}"
    for markup in case.markup:
        assert markup not in graded.feedback and markup not in batches[case.name].report, seen
    assert graded.neighbours == dict.fromkeys(graded.neighbours, sum(RIGHT.values())), seen


@pytest.mark.usefixtures("batches")
def test_the_grader_survives_everything_and_leaves_nothing_behind(batches):
    for batch in {id(batch): batch for batch in batches.values()}.values():
        names = ", ".join(batch.graded)
        assert batch.run.code == 0, f"{names}\n{batch.run.output[-3000:]}"
        assert batch.run.survivors == [], names
        assert batch.left == [], names
        assert batch.calls == [], names
        assert batch.run.peak_bytes < PEAK_BYTES, names
        assert len(batch.run.output) < 100_000 and "\x1b" not in batch.run.output, names


def test_the_catalogue_is_large_enough():
    assert len(CASES) >= 45
    assert all(case.tries.endswith(".") and set(case.earns) == set(RIGHT) for case in CASES.values())
