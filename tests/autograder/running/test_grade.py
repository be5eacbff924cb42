"""The verbs `grade` and `check` on a class of lab 0, from the folder that was handed in to the last file."""

import csv
import html
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from traitlets.config import PyFileConfigLoader

from autograder import cli
from tests.labs.handing_in import FOLDER, hand_in, hand_in_stub, without_bugs

LAB = FOLDER.name
PREDICT = "        return self.slope * x + self.intercept\n"


def read_grades(out: Path) -> dict[str, dict[str, str]]:
    with (out / "grades.csv").open(encoding="utf-8", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def grade(lab: Path, *arguments: object) -> int:
    return cli.grade([str(lab) + os.sep, *map(str, arguments)])


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Path:
    return without_bugs(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def submitted(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("submitted")
    hand_in(folder, "ada")
    hand_in_stub(folder, "bob")
    hand_in(folder, "loop & co", replace={PREDICT: "        while True: pass\n"})
    (folder / "nil" / LAB).mkdir(parents=True)
    (folder / "ada" / LAB / "timestamp.txt").write_text("2026-03-01 12:00:00 UTC")
    return folder


@pytest.fixture(scope="module")
def out(lab, submitted, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("grades") / "out"
    assert grade(lab, submitted, "--out", out, "--workers", 2) == 0
    return out


def test_grades_are_in_the_table(out):
    rows = read_grades(out)
    assert {name: (row["score"], row["status"]) for name, row in rows.items()} == {
        "ada": ("12", "graded"),
        "bob": ("0", "graded"),
        "loop & co": ("6", "timed-out"),
        "nil": ("0", "missing"),
    }
    assert list(rows["ada"]) == ["student", "lab", "score", "max_score", "status", "flags"]
    assert {row["max_score"] for row in rows.values()} == {"12"} and {r["lab"] for r in rows.values()} == {
        LAB
    }


def test_the_gradebook_agrees_and_is_nbgraders(out):
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as gradebook:
        assert gradebook.find_assignment(LAB).max_score == 12
        assert {s.student.id: s.score for s in gradebook.assignment_submissions(LAB)} == {
            "ada": 12,
            "bob": 0,
            "loop & co": 6,
            "nil": 0,
        }
        grade_cell = gradebook.find_grade("fitting", LAB, LAB, "ada")
        assert (grade_cell.auto_score, grade_cell.manual_score, grade_cell.needs_manual_grade) == (
            4,
            None,
            False,
        )
        assert gradebook.find_submission(LAB, "ada").timestamp.isoformat() == "2026-03-01T12:00:00"


def test_it_is_a_course_root_that_gives_nothing_away(out):
    release = {path.name for path in (out / "release" / LAB).iterdir()}
    assert release == {f"{LAB}.ipynb", "slope.py", "test_slope.py", "visible_checks.py", "lab.toml"}
    for path in (out / "release" / LAB).iterdir():
        assert "BEGIN SOLUTION" not in path.read_text(encoding="utf-8")
    assert "NotImplementedError" in (out / "release" / LAB / "slope.py").read_text(encoding="utf-8")
    assert {path.name for path in (out / "submitted").iterdir()} == set(read_grades(out))


def test_graded_notebooks_are_valid_and_hold_the_students_code(out):
    for student in read_grades(out):
        notebook = nbformat.read(out / "autograded" / student / LAB / f"{LAB}.ipynb", as_version=4)
        nbformat.validate(notebook)
        assert sum(cell.metadata.get("nbgrader", {}).get("grade", False) for cell in notebook.cells) == 4
    cells = {c.id: c for c in nbformat.read(out / "autograded" / "ada" / LAB / f"{LAB}.ipynb", 4).cells}
    assert "slope {value:.2f}" in cells["report_code"].source


def test_feedback_says_what_was_tried_and_what_came_back(out):
    good = (out / "feedback" / "ada" / f"{LAB}.html").read_text(encoding="utf-8")
    assert "12 of 12 points" in good and "Noise averages out." in good and "FAIL" not in good
    stub = (out / "feedback" / "bob" / f"{LAB}.html").read_text(encoding="utf-8")
    assert "centre raised NotImplementedError" in stub and "Subtract the mean." in stub
    assert "Task 1: Fitting a line" in stub
    loop = (out / "feedback" / "loop & co" / f"{LAB}.html").read_text(encoding="utf-8")
    assert html.escape("loop & co") in loop and "<b>" not in loop
    assert "no answer within 2 s of computing time" in html.unescape(loop)
    assert "Nothing was handed in." in (out / "feedback" / "nil" / f"{LAB}.html").read_text(encoding="utf-8")


def test_the_report_needs_nothing_else(out):
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "3 of 4 students handed in" in report and "A call may take 2 s of computing time" in report
    assert "://" not in report and "loop & co" not in report
    assert 'href="feedback/loop%20%26%20co/lab0_slope.html"' in report


def test_an_instructors_overrides_survive_a_regrade(lab, submitted, out, capsys):
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as gradebook:
        gradebook.find_grade("fitting", LAB, LAB, "bob").manual_score = 1.5
        gradebook.find_comment("report_code", LAB, LAB, "bob").manual_comment = "Come and see me."
        gradebook.db.commit()
    before = read_grades(out)
    feedback = (out / "feedback" / "ada" / f"{LAB}.html").read_bytes()
    notebook = (out / "autograded" / "ada" / LAB / f"{LAB}.ipynb").read_bytes()
    assert grade(lab, submitted, "--out", out) == 0
    after = read_grades(out)
    assert (after["bob"]["score"], after["bob"]["flags"]) == ("1.5", "own-tests-fail score-by-hand")
    assert {n: r for n, r in after.items() if n != "bob"} == {n: r for n, r in before.items() if n != "bob"}
    assert (out / "feedback" / "ada" / f"{LAB}.html").read_bytes() == feedback
    assert (out / "autograded" / "ada" / LAB / f"{LAB}.ipynb").read_bytes() == notebook
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as gradebook:
        entry = gradebook.find_grade("fitting", LAB, LAB, "bob")
        assert (entry.auto_score, entry.manual_score) == (0, 1.5)
        assert gradebook.find_comment("report_code", LAB, LAB, "bob").comment == "Come and see me."
    printed = capsys.readouterr()
    assert "report.html" in printed.out and printed.err == ""


def test_nbgraders_penalty_for_lateness_is_kept(lab, submitted, out):
    with (out / "nbgrader_config.py").open("a") as file:
        file.write('c.LateSubmissionPlugin.penalty_method = "zero"\n')
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as gradebook:
        gradebook.update_or_create_assignment(LAB, duedate="2026-02-28 12:00:00 UTC")
    only_ada = out.parent / "only"
    shutil.copytree(submitted / "ada", only_ada / "ada")
    assert grade(lab, only_ada, "--out", out) == 0
    assert (read_grades(out)["ada"]["score"], read_grades(out)["ada"]["flags"]) == ("0", "late-penalty")
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as gradebook:
        assert gradebook.find_submission(LAB, "ada").score == 12
        gradebook.grant_extension(LAB, "ada", days=2)
    assert grade(lab, only_ada, "--out", out) == 0
    assert read_grades(out)["ada"]["score"] == "12"


def test_formgraders_autograde_button_runs_no_code_and_changes_no_score(lab, tmp_path):
    folder = hand_in(tmp_path / "in", "eve", append=f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    out = tmp_path / "out"
    assert grade(lab, tmp_path / "in", "--out", out, "--isolation", "off") == 0
    (tmp_path / "ran").unlink()
    config = PyFileConfigLoader("nbgrader_config.py", path=str(out)).load_config()
    config.Autograde.force = True
    course = CourseDirectory(root=str(out), assignment_id=LAB, config=config)
    Autograde(coursedir=course, config=config).start()
    assert not (tmp_path / "ran").exists() and folder.exists()
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as gradebook:
        assert gradebook.find_submission(LAB, "eve").score == 12


def test_lines_of_other_labs_stay_in_the_table(tmp_path):
    from autograder.results.grades_csv import write_grades

    row = dict.fromkeys(("student", "score", "max_score", "status", "flags"), "x")
    write_grades(tmp_path / "grades.csv", "one", [row | {"lab": "one"}])
    write_grades(tmp_path / "grades.csv", "two", [row | {"lab": "two"}])
    write_grades(tmp_path / "grades.csv", "one", [row | {"lab": "one", "score": "y"}])
    with (tmp_path / "grades.csv").open() as file:
        assert [(r["lab"], r["score"]) for r in csv.DictReader(file)] == [("one", "y"), ("two", "x")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lab9", "x"], "there is no lab 'lab9'; labs are: lab1_mlp"),
        ([str(FOLDER), "{tmp}/nowhere"], "is no folder: expected SUBMITTED/STUDENT/lab0_slope/"),
        ([str(FOLDER), "{tmp}"], "holds no submissions of lab0_slope"),
        ([str(FOLDER), "{in}", "--out", "{tmp}"], "is not empty and no nbgrader course"),
        ([str(FOLDER), "{in}", "--out", "{tmp}/file"], "is a file: name a folder for the grades"),
    ],
)
def test_bad_arguments_are_one_clear_sentence(arguments, message, tmp_path, submitted, capsys):
    (tmp_path / "file").write_text("")
    places = {"{tmp}": str(tmp_path), "{in}": str(submitted)}
    for old, new in places.items():
        arguments = [argument.replace(old, new) for argument in arguments]
    assert cli.grade(arguments) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("grade: ") and message in printed.err
    assert "Traceback" not in printed.err and printed.err.count("\n") == 1


@pytest.mark.parametrize("workers", ["0", "-1", "two"])
def test_a_number_of_workers_is_asked_for(workers, capsys):
    with pytest.raises(SystemExit) as ended:
        grade(FOLDER, "x", f"--workers={workers}")
    assert ended.value.code == 2 and "not a number of workers" in capsys.readouterr().err


WAIT = "    while 'endless' in student.source:\n        pass\n"


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_failure_of_the_grader_is_told_and_spares_the_others(tmp_path, capsys, monkeypatch):
    """A judge that ends or hangs on some submissions still grades the other, though it was beside them."""
    # Beyond three times 60 s: six in all.
    monkeypatch.setattr("autograder.running.grade_class.GRACE_SECONDS", 6 - 3 * 60)
    lab = without_bugs(tmp_path)
    with (lab / "reference.py").open("a") as file:
        file.write("\n\ndef die():\n    import os\n\n    os._exit(1)\n")
    hidden = (lab / "hidden_checks.py").read_text(encoding="utf-8")
    trap = '    assert student.notebook.report(2.718) == "slope 2.72"\n'
    (lab / "hidden_checks.py").write_text(
        hidden.replace(trap, trap + "    'deadly' in student.source and reference.die()\n" + WAIT)
    )
    hand_in(tmp_path / "in", "ada")
    hand_in(tmp_path / "in", "bob", append="# deadly\n")
    hand_in(tmp_path / "in", "cyd", append="# endless\n")
    out = tmp_path / "out"
    assert cli.grade([str(lab) + os.sep, str(tmp_path / "in"), "--out", str(out)]) == 1
    printed = capsys.readouterr().err
    assert all(f"the grader failed on {name}: JudgeLostError" in printed for name in ("bob", "cyd"))
    rows = read_grades(out)
    assert [(row["status"], row["score"]) for row in rows.values()] == [
        ("graded", "12"),
        ("not-graded", ""),
        ("not-graded", ""),
    ]
    with sqlite3.connect(out / "gradebook.db") as database:
        assert database.execute("select count(*) from submitted_assignment").fetchone() == (1,)


def busy(seconds: float) -> str:
    """Return a forecast that needs so much computing time."""
    loop = f"        import time\n        end = time.process_time() + {seconds}\n"
    return loop + "        while time.process_time() < end: pass\n" + PREDICT


def test_deadlines_follow_the_machine(tmp_path, capsys):
    """The reference needs four times what the lab allows: a student who needs five times as much is right, too."""
    lab = without_bugs(tmp_path)
    rewrite(lab / "lab.toml", "call_cpu_seconds = 2", "call_cpu_seconds = 0.05")
    rewrite(lab / "slope.py", PREDICT, busy(0.2))
    hand_in(tmp_path / "in", "ada", replace={PREDICT: busy(1.0)})
    hand_in(tmp_path / "in", "bob", replace={PREDICT: "        while True: pass\n"})
    arguments = [str(lab) + os.sep, str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    assert cli.grade(arguments) == 0
    rows = read_grades(tmp_path / "out")
    assert (rows["ada"]["score"], rows["bob"]["status"]) == ("12", "timed-out")
    allowed, measured = re.search(
        r"A call may take (\S+) s of computing time; .* took (\S+) s here", capsys.readouterr().out
    ).groups()
    assert 0.2 <= float(measured) < 0.5 and float(allowed) == pytest.approx(10 * float(measured), rel=0.1)


def test_a_reference_that_fails_stops_the_grader_and_is_asked_once(tmp_path, capsys):
    lab = without_bugs(tmp_path)
    (tmp_path / "in" / "nil" / LAB).mkdir(parents=True)
    arguments = [str(lab) + os.sep, str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    assert cli.grade(arguments) == 0
    kept = tmp_path / "out" / ".grading" / LAB / "deadline.json"
    first = kept.stat().st_mtime_ns
    assert cli.grade(arguments) == 0
    assert kept.stat().st_mtime_ns == first
    rewrite(lab / "slope.py", "values - values.mean()", "values - 1")
    capsys.readouterr()
    assert cli.grade(arguments) == 1
    printed = capsys.readouterr().err
    assert "the reference of lab0_slope earns" in printed and "question 'fitting'" in printed
    assert printed.startswith("grade: ") and printed.count("\n") == 1


def test_a_changed_lab_needs_a_new_folder(tmp_path, capsys):
    lab = without_bugs(tmp_path)
    (tmp_path / "in" / "nil" / LAB).mkdir(parents=True)
    arguments = [str(lab) + os.sep, str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    assert cli.grade(arguments) == 0
    source = (lab / f"{LAB}.py").read_text(encoding="utf-8")
    (lab / f"{LAB}.py").write_text(source.replace('"report_code"', '"other_code"'))
    assert cli.grade(arguments) == 1
    assert "have changed since" in capsys.readouterr().err


def test_check_gives_a_student_the_visible_verdict(tmp_path, capsys):
    folder = hand_in(tmp_path, "ada")
    assert cli.check([str(FOLDER) + os.sep, str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "Fitting a line" in printed and "FAIL" not in printed
    assert "2 of 2 tests passed; branch coverage of the module is 100%, and 80% is asked for." in printed
    assert "Noise averages out" not in printed


def test_check_shows_what_is_wrong_and_how_to_go_on(tmp_path, capsys):
    folder = hand_in(tmp_path, "ada", replace={PREDICT: "        raise KeyError(3)\n"})
    assert cli.check([str(FOLDER) + os.sep, str(folder)]) == 1
    printed = capsys.readouterr().out
    assert "FAIL Forecasting: Forecasts lie on the line." in printed
    assert "raised KeyError: 3" in printed and "Hint: slope * x + intercept" in printed


def test_check_without_work_or_lab_says_so(tmp_path, capsys):
    assert cli.check([str(FOLDER) + os.sep, str(tmp_path)]) == 1
    assert "holds none of lab0_slope.ipynb, slope.py, test_slope.py" in capsys.readouterr().err
    assert cli.check(["lab9"]) == 1
    assert "there is no lab 'lab9'" in capsys.readouterr().err


def test_grading_works_where_alembic_is_not_on_the_path(lab, submitted, tmp_path, root):
    """nbgrader starts alembic by name; the environment need not be activated."""
    script = (
        "import sys; from autograder.cli import grade\n"
        "if __name__ == '__main__': sys.exit(grade(sys.argv[1:]))"
    )
    (tmp_path / "go.py").write_text(script)
    (tmp_path / "in" / "nil" / LAB).mkdir(parents=True)
    environment = {k: v for k, v in os.environ.items() if k != "PATH"} | {
        "PATH": os.defpath,
        "PYTHONPATH": str(root),
    }
    arguments = [str(lab) + os.sep, str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    command = [sys.executable, str(tmp_path / "go.py"), *arguments]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert read_grades(tmp_path / "out")["nil"]["status"] == "missing"
