"""What is costly is made once in a run of the tests, by whichever process comes first, and shared by all."""

import contextlib
import functools
import hashlib
import os
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import nbformat
import pytest
from filelock import FileLock

from tasks import LEDGER

LEAST_CELLS = 8  # of code; tests make up shorter notebooks, and execute these as often as they like


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder of this test run, filled by ``make`` when nobody has done it before.

    Parameters
    ----------
    factory : pytest.TempPathFactory
        Of any process of the run.
    name : str
        What the folder is for.
    make : callable
        Gets the empty folder; where it raises, the next who asks tries again.
    """
    base = factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / name
    with FileLock(f"{folder}.lock"):
        made = folder / ".made"
        if not made.exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            made.touch()
    return folder


def course_run(root: Path, factory: pytest.TempPathFactory) -> Path:
    """Return the file with what ``course.py run`` printed; it has left the example class of lab 1 in ``build/run``."""

    def run(folder: Path) -> None:
        (folder / "started").touch()
        done = subprocess.run(
            [sys.executable, "course.py", "run"],
            cwd=root,
            env=os.environ | {"COURSE_KEEP_NAMES": str(folder / "names.pickle")},
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (folder / "printed.txt").write_text(done.stdout, encoding="utf-8")

    return once(factory, "course-run", run) / "printed.txt"


def lecture_notebook(root: Path, number: int) -> Path:
    """Return the notebook of a lecture."""
    (path,) = (root / "lectures").glob(f"{number:02}_*.ipynb")
    return path


def names_of_lecture(root: Path, factory: pytest.TempPathFactory, number: int) -> dict[str, Any]:
    """Return the names that a lecture's cells leave behind; its notebook is executed once in a run of the tests."""
    if number == 1:  # which `course.py run` executes
        folder = course_run(root, factory).parent
    else:
        notebook = lecture_notebook(root, number)

        def run(folder: Path) -> None:
            import tasks

            with pytest.MonkeyPatch.context() as patch:
                patch.setenv(tasks.KEEP_NAMES, str(folder / "names.pickle"))
                patch.delenv("COURSE_REAL_MARKET", raising=False)
                assert tasks.execute(notebook, folder / notebook.name) == 0

        folder = once(factory, notebook.stem, run)
    return pickle.loads((folder / "names.pickle").read_bytes())


def keep_names(names: dict[str, Any], file: str) -> None:
    """Pickle what can be pickled of a notebook's names; called in its kernel, as its last cell."""
    kept = {}
    for name, value in names.items():
        if not name.startswith("_"):
            with contextlib.suppress(Exception):  # a generator, an open file
                cloudpickle.dumps(value)
                kept[name] = value
    Path(file).write_bytes(cloudpickle.dumps(kept))


def count_executions() -> None:
    """Have every execution by nbclient in this process noted, whoever asks for it."""
    from nbclient import NotebookClient
    from nbclient.util import run_sync

    execute = NotebookClient.async_execute
    if hasattr(execute, "__wrapped__"):  # they are already
        return

    @functools.wraps(execute)
    async def noted(self: NotebookClient, *arguments: object, **options: object) -> object:
        note_execution(self.nb)
        return await execute(self, *arguments, **options)

    NotebookClient.async_execute = noted
    NotebookClient.execute = run_sync(noted)


def note_execution(notebook: nbformat.NotebookNode) -> None:
    """Write a line about the execution of one of the course's notebooks."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    sources = [source for source in sources if "keep_names(globals()" not in source]
    if (ledger := os.environ.get(LEDGER)) and len(sources) >= LEAST_CELLS:
        with Path(ledger).open("a", encoding="utf-8") as file:
            file.write(hashlib.sha256("\0".join(sources).encode()).hexdigest() + f" {sources[0][:60]!r}\n")


def executed_twice(ledger: Path) -> list[str]:
    """Return the notebooks that were executed more than once, each by its first words."""
    lines = ledger.read_text(encoding="utf-8").splitlines() if ledger.exists() else []
    return [line.partition(" ")[2] for line, times in Counter(lines).items() if times > 1]
