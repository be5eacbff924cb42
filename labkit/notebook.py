"""Labs from the student's side: their settings, and ``check`` for the notebook.

``check("network")`` runs the checks that belong to a question against the module beside the notebook. The
grader runs the same checks, and more, in the same way (see :mod:`labkit.student`).
"""

import json
import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OWN_TESTS = "own_tests"
"""The question whose score comes from the student's own tests and their branch coverage."""


@dataclass(frozen=True)
class Settings:
    """What ``check`` and the checks need to know of a lab.

    Attributes
    ----------
    folder : Path
        Where the lab is.
    module : str
        The module that students write, without ``.py``.
    thresholds : dict of str to float
        Figures that checks read.
    """

    folder: Path
    module: str
    thresholds: dict[str, float]


def read_settings(folder: str | os.PathLike[str]) -> Settings:
    """Read ``lab.toml`` in the folder of a lab.

    Raises
    ------
    FileNotFoundError
        If there is none: the notebook was moved away from its lab.
    """
    folder = Path(folder).resolve()
    try:
        settings = tomllib.loads((folder / "lab.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{folder} has no lab.toml: put this notebook back into its lab's folder, beside its module"
        ) from None
    return Settings(folder, settings["module"], settings.get("thresholds", {}))


def check(question: str, folder: str | os.PathLike[str] = ".") -> None:
    """Run the checks of one question and say what they found.

    The module is loaded afresh from its file, so save it first; names of the notebook are taken as they
    are now. Each check that passes prints a line. While a lab is graded, this does nothing: the grader
    runs the checks itself.

    Parameters
    ----------
    question : str
        The question, as in the cell below its task.
    folder : path-like
        Where the lab is; by default where the notebook is.

    Raises
    ------
    Exception
        What the first failing check met: the exception of your own code if it raised one, otherwise an
        ``AssertionError`` that says what was expected. A task that is not done yet raises
        ``NotImplementedError``.
    """
    if os.environ.get("ITEMMARKET_GRADING"):
        return
    from labkit.runner import run_checks  # pytest and coverage: the grader's workers need neither
    from labkit.student import LocalEndpoint, Student
    from labkit.workspace import Workspace

    lab = read_settings(folder)
    if question == OWN_TESTS:
        _check_own_tests(lab)
        return
    workspace = Workspace(lab.folder, lab.module, names=sys._getframe(1).f_globals)
    source = lab.folder / f"{lab.module}.py"
    workspace.answer("load", {})
    student = Student(LocalEndpoint(workspace), source.read_text(encoding="utf-8"))
    results = run_checks([(lab.folder / "visible_checks.py", True)], student, lab, question)
    if not results:
        raise ValueError(f"there are no checks of {question!r} that you can run: is the name right?")
    for result in results:
        if result.passed:
            figures = "".join(f" ({m.name}: {m.value:.3f})" for m in result.margins)
            print(f"OK   {result.title}{figures}")
    for result in results:
        if not result.passed:
            print(f"FAIL {result.title}\n     {result.message}\n     Hint: {result.hint}")
            raise _first_cause(result.error or AssertionError(result.message))


def _first_cause(error: BaseException) -> BaseException:
    """Return what the student's code raised, or the failed check's own error."""
    from labkit.student import StudentError

    return error.original if isinstance(error, StudentError) and error.original else error


def _check_own_tests(lab: Settings) -> None:
    """Run the student's tests with coverage in a process of their own, and print the share."""
    from labkit.own_tests import OwnTests, announce_mutation, describe_own_tests

    command = [sys.executable, "-m", "labkit.own_tests", str(lab.folder), lab.module]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}  # as for the grader: small models compute faster so
    ran = subprocess.run(
        command, env=one_thread, capture_output=True, text=True, encoding="utf-8", check=False
    )
    if ran.returncode:
        raise RuntimeError(f"your tests could not be run:\n{ran.stderr[-2000:]}")
    outcome: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    result = OwnTests.of(lab.folder / f"{lab.module}.py", outcome, lab.thresholds.get("coverage", 0.8))
    print(describe_own_tests(result))
    if "mutants" in lab.thresholds:
        print(announce_mutation(lab.module, lab.thresholds["mutants"]))
    if result.unfinished:
        raise NotImplementedError(f"test_{lab.module}.py or {lab.module}.py still has a place to fill in")
    assert result.share == 1, describe_own_tests(result)
