"""What is costly is made once in a run of the tests, by whichever process comes first, and shared by all."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


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
        command = [sys.executable, "course.py", "run"]
        done = subprocess.run(
            command, cwd=root, capture_output=True, text=True, encoding="utf-8", check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (folder / "printed.txt").write_text(done.stdout, encoding="utf-8")

    return once(factory, "course-run", run) / "printed.txt"
