"""What the tests share is made once, and no notebook of the course is executed twice in one run of them."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.sharing import LEAST_CELLS, LEDGER, executed_twice, note_execution, once


def notebook(cells: int, word: str) -> nbformat.NotebookNode:
    sources = [f"{word} = {number}" for number in range(cells)]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])


def test_what_is_made_once_is_shared(tmp_path_factory: pytest.TempPathFactory) -> None:
    made: list[Path] = []
    first, second = (once(tmp_path_factory, "one-thing", made.append) for _ in range(2))
    assert first == second and made == [first]


def test_a_second_execution_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the course's own notebooks, which are long; those that tests make up are not counted."""
    monkeypatch.setenv(LEDGER, str(tmp_path / "ledger"))
    for cells, word in ((LEAST_CELLS, "one"), (LEAST_CELLS, "other"), (2, "short"), (2, "short")):
        note_execution(notebook(cells, word))
    assert executed_twice(tmp_path / "ledger") == []
    note_execution(notebook(LEAST_CELLS, "other"))
    assert executed_twice(tmp_path / "ledger") == ["'other = 0'"]


def test_an_execution_by_another_process_is_counted(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By that process itself, as `course.py run` is one: nobody has to remember it."""
    monkeypatch.setenv(LEDGER, str(tmp_path / "ledger"))
    nbformat.write(notebook(LEAST_CELLS, "there"), tmp_path / "it.ipynb")
    script = "import sys, tasks, pathlib; sys.exit(tasks.execute(*map(pathlib.Path, sys.argv[1:])))"
    paths = [str(tmp_path / name) for name in ("it.ipynb", "out.ipynb")]
    subprocess.run([sys.executable, "-c", script, *paths], cwd=root, check=True, capture_output=True)
    assert len((tmp_path / "ledger").read_text(encoding="utf-8").splitlines()) == 1
    note_execution(notebook(LEAST_CELLS, "there"))
    assert executed_twice(tmp_path / "ledger") == ["'there = 0'"]


def test_a_run_that_executes_a_notebook_twice_fails(root: Path, tmp_path: Path) -> None:
    """Whatever its tests say."""
    nbformat.write(notebook(LEAST_CELLS, "x"), tmp_path / "it.ipynb")
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n", encoding="utf-8")
    (tmp_path / "test_it.py").write_text(
        "import nbformat, pytest\n"
        "from pathlib import Path\n"
        "from nbclient import NotebookClient\n"
        "@pytest.mark.parametrize('time', range(2))\n"
        "def test_it(time):\n"
        "    NotebookClient(nbformat.read(Path(__file__).with_name('it.ipynb'), 4)).execute()\n",
        encoding="utf-8",
    )
    variables = {
        key: value for key, value in os.environ.items() if key not in (LEDGER, "PYTEST_XDIST_WORKER")
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    codes = [
        subprocess.run(
            [*command, *chosen], env=variables | {"PYTHONPATH": str(root)}, capture_output=True, text=True
        )
        for chosen in ([], ["-k", "0"])
    ]
    assert "2 passed" in codes[0].stdout and "executed more than once" in codes[0].stdout
    assert [ran.returncode for ran in codes] == [1, 0], codes[1].stdout + codes[1].stderr
