"""``check`` in a notebook: one line per check, the student's own exception, the grader's verdict."""

import subprocess
import sys
from pathlib import Path

import pytest

from autograder.intake.submission import read_submission
from autograder.judging.judge import judge
from labkit.notebook import check, read_settings
from labkit.runner import CheckFileError, run_checks
from tests.labs.handing_in import FOLDER, hand_in, hand_in_stub, slope_lab

LAB = slope_lab()
NOTEBOOK = "import slope\nfrom labkit import check\n"


@pytest.fixture(autouse=True)
def clean_imports():
    """What a notebook's kernel would keep to itself."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in {"slope", "visible_checks"} | (set(sys.modules) - modules):
        if name in ("slope", "visible_checks", "test_slope"):
            sys.modules.pop(name, None)


def lab_folder(folder: Path) -> Path:
    """Add what every student's folder has."""
    for path in (LAB.visible_checks, FOLDER / "lab.toml"):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def run_cells(folder: Path, *cells: str, monkeypatch) -> None:
    """Run cells as a kernel in the lab's folder would."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    names = {"__name__": "__main__"}
    for cell in (NOTEBOOK, *cells):
        exec(compile(cell, "<cell>", "exec"), names)


def test_own_tests_run_on_one_thread(tmp_path, monkeypatch):
    folder, seen = lab_folder(hand_in(tmp_path, "ada")), {}
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setattr(
        subprocess,
        "run",
        lambda command, env, **_: seen.update(env) or subprocess.CompletedProcess([], 1, "", "no"),
    )
    with pytest.raises(RuntimeError, match="could not be run"):
        run_cells(folder, "check('own_tests')", monkeypatch=monkeypatch)
    assert seen["OMP_NUM_THREADS"] == "1"


def test_each_passed_check_prints_a_line(tmp_path, monkeypatch, capsys):
    folder = lab_folder(hand_in(tmp_path, "ada"))
    report = "def report(value): return f'slope {value:.2f}'"
    run_cells(
        folder, "check('fitting')", report, "check('report')", "check('own_tests')", monkeypatch=monkeypatch
    )
    assert capsys.readouterr().out.splitlines() == [
        "OK   Centred values have mean 0.",
        "OK   The slope of an exact line is found.",
        "OK   `report` names the slope with two digits.",
        "2 of 2 tests passed; branch coverage of the module is 100%, and 80% is asked for.",
        "The grader also runs your tests on other versions of slope.py: they must accept the correct ones, "
        "and notice 80% of the planted bugs.",
    ]


@pytest.mark.parametrize("question", ["fitting", "prediction", "report", "own_tests"])
def test_a_stub_raises_not_implemented_and_nothing_else(tmp_path, monkeypatch, question):
    folder = lab_folder(hand_in_stub(tmp_path, "bob"))
    with pytest.raises(NotImplementedError):
        run_cells(folder, f"check({question!r})", monkeypatch=monkeypatch)


def test_the_students_own_exception_comes_back_with_its_traceback(tmp_path, monkeypatch, capsys):
    folder = lab_folder(
        hand_in(tmp_path, "cyd", replace={"return values - values.mean()": "return values - nothing"})
    )
    with pytest.raises(NameError, match="nothing") as caught:
        run_cells(folder, "check('fitting')", monkeypatch=monkeypatch)
    assert any(str(entry.path).endswith("slope.py") for entry in caught.traceback)
    assert "FAIL Centred values have mean 0." in capsys.readouterr().out


def test_a_failed_check_says_what_was_expected_and_gives_its_hint(tmp_path, monkeypatch, capsys):
    folder = lab_folder(hand_in(tmp_path, "dan", replace={"return values - values.mean()": "return values"}))
    with pytest.raises(AssertionError, match=r"array\(\[1\., 2\., 6\.\]\) == approx"):
        run_cells(folder, "check('fitting')", monkeypatch=monkeypatch)
    assert "Hint: Subtract the mean." in capsys.readouterr().out


def test_checks_that_the_notebook_imports_itself_still_say_what_was_expected(tmp_path):
    """In a kernel of its own: there pytest comes after the notebook's import."""
    folder = lab_folder(hand_in(tmp_path, "dan", replace={"return values - values.mean()": "return values"}))
    cell = f"import visible_checks\n{NOTEBOOK}visible_checks.points(3)\ncheck('fitting')"
    ran = subprocess.run(
        [sys.executable, "-c", cell], cwd=folder, capture_output=True, text=True, check=False
    )
    assert "assert array([1., 2., 6.]) == approx" in ran.stderr


def test_the_module_is_loaded_afresh(tmp_path, monkeypatch, capsys):
    folder = lab_folder(hand_in_stub(tmp_path, "eve"))
    right = (FOLDER / "slope.py").read_text(encoding="utf-8")
    early = "try: check('fitting')\nexcept NotImplementedError: print('later')"
    write = f"open('slope.py', 'w').write({right!r})"
    run_cells(folder, early, write, "check('fitting')", monkeypatch=monkeypatch)
    lines = capsys.readouterr().out.splitlines()
    assert lines.index("later") < lines.index("OK   Centred values have mean 0.")


def test_own_tests_that_fall_short_say_by_how_much(tmp_path, monkeypatch, capsys):
    little = "import numpy as np\nfrom slope import centre\ndef test_centre(): centre(np.ones(2))\n"
    folder = lab_folder(hand_in(tmp_path, "fay", tests=little))
    with pytest.raises(AssertionError, match="1 of 1 tests passed; branch coverage of the module is"):
        run_cells(folder, "check('own_tests')", monkeypatch=monkeypatch)


def test_unknown_questions_and_lost_notebooks_are_explained(tmp_path, monkeypatch):
    folder = lab_folder(hand_in(tmp_path, "gus"))
    with pytest.raises(ValueError, match="no checks of 'fiting'"):
        run_cells(folder, "check('fiting')", monkeypatch=monkeypatch)
    with pytest.raises(FileNotFoundError, match=r"has no lab\.toml: put this notebook back"):
        check("fitting", folder=tmp_path)


def test_nothing_runs_while_grading(monkeypatch, tmp_path):
    monkeypatch.setenv("ITEMMARKET_GRADING", "1")
    check("fitting", folder=tmp_path)


BUGS = {
    "none": {},
    "slope": {"centre(x) @ centre(y) /": "centre(x) @ centre(x) /"},
    "intercept": {"+ self.intercept": "- self.intercept"},
    "tuple": {"return self.slope * x + self.intercept": "return tuple(self.slope * x + self.intercept)"},
    "text": {"return self.slope * x + self.intercept": "return str(self.slope * x)"},
    "in place": {"return values - values.mean()": "values -= values.mean(); return values"},
    "none returned": {"return values - values.mean()": "pass"},
    "exit": {"return values - values.mean()": "raise SystemExit"},
}


@pytest.mark.parametrize("bug", BUGS)
def test_notebook_and_grader_agree(tmp_path, bug):
    """The promise behind the shared fixtures: what passes here passes there, and the other way round."""
    from labkit.student import LocalEndpoint, Student
    from labkit.workspace import Workspace

    folder = lab_folder(hand_in(tmp_path, "kim", replace=BUGS[bug]))
    verdict = judge(LAB, read_submission(LAB, "kim", folder), hidden=False)
    there = {check.title: check.passed for result in verdict.questions for check in result.checks}
    workspace = Workspace(folder, "slope", names={"report": lambda value: f"slope {value:.2f}"})
    workspace.answer("load", {})
    student = Student(LocalEndpoint(workspace), (folder / "slope.py").read_text(encoding="utf-8"))
    results = run_checks([(folder / "visible_checks.py", True)], student, read_settings(folder))
    assert {result.title: result.passed for result in results} == there
    assert all(there.values()) == (bug in ("none", "tuple"))


def test_checks_without_a_question_are_the_labs_fault(tmp_path):
    path = tmp_path / "visible_checks.py"
    for text, message in {
        "def test_x(student):\n    'Doc.'": "no mark question",
        "import pytest\n@pytest.mark.question('x')\ndef test_x(student): pass": "no docstring",
        "def test_x(:": "SyntaxError",
    }.items():
        path.write_text(text)
        sys.modules.pop("visible_checks", None)
        lab = type("Settings", (), {"folder": tmp_path})
        with pytest.raises(CheckFileError, match=message):
            run_checks([(path, True)], None, lab)
