"""The verbs that drive other parts tell the truth about them: seconds, failures, exit codes."""

import re
import sys
from pathlib import Path

import nbformat
import pytest

import course
import tasks

QUICK, BROKEN = "import time\ntime.sleep(0.5)\nprint('here')", "1 / 0"


def write_notebook(path: Path, *cells: str) -> Path:
    """Write a notebook of code cells."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    return path


@pytest.fixture(autouse=True)
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A build folder for this test alone."""
    folder = tmp_path / "build"
    folder.mkdir()
    monkeypatch.setattr(tasks, "BUILD", folder)
    return folder


@pytest.mark.parametrize(
    ("cells", "budget", "verdict", "code"),
    [((QUICK,), "300", "OK", 0), ((QUICK,), "0.2", "SLOW", 1), ((QUICK, BROKEN), "300", "FAIL", 1)],
)
def test_notebooks_prints_seconds_and_a_verdict(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    cells: tuple[str, ...],
    budget: str,
    verdict: str,
    code: int,
) -> None:
    write_notebook(tmp_path / "01_it.ipynb", *cells)
    assert tasks.notebooks([str(tmp_path), "--budget", budget]) == code
    (seconds,) = re.findall(rf"^ +([\d.]+)  {verdict} +01_it\.ipynb$", capfd.readouterr().out, re.MULTILINE)
    assert 0.5 < float(seconds) < 60


def test_notebooks_fails_when_there_are_none(tmp_path: Path) -> None:
    assert tasks.notebooks([str(tmp_path)]) == 5


def test_execute_writes_the_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    threads = "import os; print(os.environ['OMP_NUM_THREADS'])"  # kernels compute on one
    target = tmp_path / "out" / "it.ipynb"
    assert tasks.execute(write_notebook(tmp_path / "it.ipynb", QUICK, threads), target) == 0
    cells = nbformat.read(target, as_version=4).cells
    assert [cell.outputs[0].text for cell in cells] == ["here\n", "1\n"]


def test_execute_names_the_cell_that_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notebook = write_notebook(tmp_path / "it.ipynb", "x = 1", BROKEN, "print(x)")
    assert tasks.execute(notebook, tmp_path / "out.ipynb") == 1
    assert capsys.readouterr().err.endswith("it.ipynb, cell 2: ZeroDivisionError: division by zero\n")


def test_run_stops_at_the_step_that_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = []
    monkeypatch.setattr(tasks, "verb", lambda *arguments: done.append(arguments[0]) or 0)
    monkeypatch.setattr(tasks, "execute", lambda *_: 3)
    assert tasks.run([]) == 3
    assert done == ["data"]
    assert "the step 'execute lecture 1' failed (exit code 3)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        ([], ["tests", "lectures", "--nbmake"]),
        (["--long"], ["--long", "tests", "lectures", "--nbmake"]),
        (["-k", "names"], ["-k", "names", "tests", "lectures"]),
        (
            ["tests/itemmarket/market/test_names.py::test_one"],
            ["tests/itemmarket/market/test_names.py::test_one"],
        ),
    ],
)
def test_test_hands_everything_to_one_pytest(
    monkeypatch: pytest.MonkeyPatch, argv: list[str], part: list[str]
) -> None:
    started = []
    monkeypatch.setattr(tasks, "call", lambda command, **_: started.append(command) or 0)
    assert tasks.test(argv) == 0
    ((python, *command),) = started
    assert python == str(course.PYTHON)
    assert [word for word in command if word in part] == part
    assert ("lectures" in command) == ("-n" in command) == ("lectures" in part)


def test_test_fails_when_nothing_was_checked(capfd: pytest.CaptureFixture[str]) -> None:
    assert tasks.test(["tests/itemmarket/market/test_names.py", "-k", "no_such_check"]) == 5
    assert "nothing was checked" in capfd.readouterr().err


def test_bench_lists_and_hands_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "speed.py").write_text(
        '"""How fast.\n\nMore."""\n\ndef main(argv):\n    return len(argv)\n', encoding="utf-8"
    )
    (folder / "_help.py").write_text("", encoding="utf-8")
    monkeypatch.setattr(tasks, "ROOT", tmp_path)
    monkeypatch.setitem(sys.modules, "benchmarks", type(sys)("benchmarks"))
    sys.modules["benchmarks"].__path__ = [str(folder)]
    assert tasks.bench([]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == ["  speed        How fast."]
    assert tasks.bench(["speed", "--gate", "x"]) == 2
    assert tasks.bench(["sped"]) == 1
    assert "did you mean `speed`?" in capsys.readouterr().err
