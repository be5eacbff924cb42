"""A lab as an instructor would set it up in plain nbgrader, for comparisons of the two graders.

The tests of our checks stand in nbgrader's grade cells, hidden ones between its markers, and run where nbgrader
runs them: in the student's kernel, with the student's own objects. Each cell ends with the points that its
tests earned, which is nbgrader's partial credit, so that both graders can give the same scores.
"""

import ast
import copy
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from textwrap import indent

import psutil
from nbformat import NotebookNode

from autograder.labs.definition import OWN_TESTS, Lab, Question
from autograder.labs.markers import stub_module
from autograder.labs.notebooks import notebook_bytes, role

BEGIN, END = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"

CONFIG = """c = get_config()  # noqa: F821

c.Autograde.exclude_overwriting = {exclude!r}
c.Execute.timeout = {timeout}
"""

# What checks ask of a submission, with the student's own objects. The module is imported as students would.
PREAMBLE = '''
import functools
import pathlib
import types

import numpy as np
import pytest

import {module}


class Student:
    """The submission as its tests see it."""

    lives, memo, tmp_path = 1, {{}}, "checks"
    source = pathlib.Path("{module}.py").read_text(encoding="utf-8")
    notebook = types.SimpleNamespace()
    raises = staticmethod(pytest.raises)

    def __getattr__(self, name):
        return getattr({module}, name)

    def path(self, name):
        return f"{{self.tmp_path}}/{{name}}"

    def read_file(self, name):
        return pathlib.Path(self.path(name)).read_bytes()

    def write_file(self, name, content):
        pathlib.Path(self.path(name)).write_bytes(content)

    def list_files(self, name="."):
        folder = pathlib.Path(self.path(name))
        return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def margin(name, value, at_most=None, at_least=None):
    assert value <= 1.03 * at_most if at_least is None else value >= at_least / 1.03, name


def weigh(calls):
    """Return the weights of the tests that pass and of all."""
    passed = total = 0
    student.notebook.__dict__.update(globals())
    for weight, call in calls:
        total += weight
        try:
            call()
        except (Exception, pytest.fail.Exception):  # pytest.raises fails with what is no Exception
            continue
        passed += weight
    return passed, total


student = Student()
lab = types.SimpleNamespace(thresholds={thresholds!r})
'''

OWN_TESTS_CELL = """
import json
import pathlib
import subprocess
import sys

from labkit.own_tests import OwnTests

ran = subprocess.run([sys.executable, "-m", "labkit.own_tests", ".", "{module}"], capture_output=True, text=True)
outcome = json.loads(ran.stdout.splitlines()[-1])
round({points} * OwnTests.of(pathlib.Path("{module}.py"), outcome, {threshold}).share, 2)
"""


def make_nbgrader_course(root: Path, lab: Lab, submissions: Path) -> None:
    """Make a course root for plain nbgrader, with an assignment that is released and handed in.

    Parameters
    ----------
    root : Path
        A folder that does not exist yet.
    lab : Lab
        The lab's source.
    submissions : Path
        ``STUDENT/LAB/``, as our own grader takes them. Their grade cells say ``check(...)``: nbgrader replaces
        locked cells by its own.

    Raises
    ------
    RuntimeError
        If nbgrader cannot make the assignment.
    """
    source = root / "source" / lab.name
    source.mkdir(parents=True)
    config = CONFIG.format(
        exclude={lab.name: list(lab.files.python)}, timeout=max(20, round(lab.limits.call_wall_seconds))
    )
    (root / "nbgrader_config.py").write_text(config, encoding="utf-8")
    (source / lab.files.notebook).write_bytes(notebook_bytes(nbgrader_notebook(lab)))
    for name in lab.files.python:
        stub = stub_module((lab.folder / name).read_text(encoding="utf-8"))
        (source / name).write_text(stub, encoding="utf-8")
    for path in (lab.visible_checks, lab.folder / "lab.toml"):
        shutil.copyfile(path, source / path.name)
    done = subprocess.run(
        [*_NBGRADER, "generate_assignment", lab.name],
        cwd=root,
        env=environment(root),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"nbgrader generate_assignment: {done.stderr[-2000:]}")
    shutil.copytree(submissions, root / "submitted", symlinks=True)


def autograde(
    root: Path, lab: Lab, command: Sequence[str] = (), students: str = "*", timeout: float | None = None
) -> tuple[float, dict[str, float | None]]:
    """Run ``nbgrader autograde`` on a course and read the gradebook.

    Parameters
    ----------
    root : Path
        From :func:`make_nbgrader_course`.
    lab : Lab
        The lab's source.
    command : sequence of str
        A command that is given nbgrader's command line to run it, such as a sandbox's.
    students : str
        A pattern of students; by default all in one batch.
    timeout : float, optional
        Seconds after which nbgrader and its kernels are ended.

    Returns
    -------
    float
        Seconds that it took.
    dict of str to (float or None)
        Scores by student; None where nbgrader left a submission without one.
    """
    began = time.perf_counter()
    with subprocess.Popen(
        [*command, *_NBGRADER, "autograde", lab.name, "--force", f"--student={students}"],
        cwd=root,
        env=environment(root),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            for child in psutil.Process(process.pid).children(recursive=True):  # kernels
                with suppress(psutil.Error):
                    child.kill()
            process.kill()
    seconds = time.perf_counter() - began
    return seconds, read_scores(root, lab)


def read_scores(root: Path, lab: Lab) -> dict[str, float | None]:
    """Return the gradebook's scores by student; None where a grade is missing."""
    from nbgrader.api import Gradebook

    names = sorted(path.name for path in (root / "submitted").iterdir())
    scores: dict[str, float | None] = dict.fromkeys(names)
    with Gradebook(f"sqlite:///{root / 'gradebook.db'}") as gradebook:
        for submission in gradebook.assignment_submissions(lab.name):
            grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
            graded = bool(grades) and all(
                g.auto_score is not None or g.manual_score is not None for g in grades
            )
            scores[submission.student.id] = round(submission.score, 2) if graded else None
    return scores


def environment(root: Path) -> dict[str, str]:
    """Return the environment of nbgrader: its programs on PATH, one thread, no settings of this user's."""
    programs = str(Path(sys.executable).parent)
    private = {"JUPYTER_CONFIG_DIR": root / "jupyter", "IPYTHONDIR": root / "ipython", "HOME": root / "home"}
    for path in private.values():
        path.mkdir(exist_ok=True)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    paths = {"PATH": os.pathsep.join([programs, os.environ.get("PATH", "")])}
    return {**os.environ, **{name: str(path) for name, path in private.items()}, **threads, **paths}


def nbgrader_notebook(lab: Lab) -> NotebookNode:
    """Return the lab's notebook with tests in its grade cells."""
    notebook = copy.deepcopy(lab.notebook)
    support = _support(lab)
    for cell in notebook.cells:
        if role(cell) == "explore":
            cell.source = "pass"  # nbgrader has no cells that grading leaves out
        if role(cell) == "grade":
            question = next(q for q in lab.questions if q.name == cell.metadata.nbgrader.grade_id)
            cell.source = (support + _cell(lab, question)).strip()
            support = ""
    return notebook


_NBGRADER = (sys.executable, "-m", "nbgrader")


def _support(lab: Lab) -> str:
    """Return what stands before the first tests: helpers and fixtures of both files."""
    text = PREAMBLE.format(module=lab.module, thresholds=dict(lab.thresholds))
    text += _helpers(lab.visible_checks, "visible")
    if lab.hidden_checks:
        neighbours = {path.stem for path in lab.folder.glob("*.py")} & set(_imported(lab.hidden_checks))
        hidden = f"lab.hidden_seed = {lab.hidden_seed}\n"
        for name in sorted(neighbours - {lab.visible_checks.stem}):
            source = (lab.folder / f"{name}.py").read_text(encoding="utf-8")
            hidden += f"import sys\nsys.modules[{name!r}] = {name} = types.ModuleType({name!r})\n"
            hidden += f"exec({source!r}, {name}.__dict__)\n"
        hidden += _helpers(lab.hidden_checks, "hidden")
        text += f"{BEGIN}\n{hidden}{END}\n"
    return text


def _cell(lab: Lab, question: Question) -> str:
    """Return one question's tests and what they are worth."""
    points = f"{question.points:g}"
    if question.name == OWN_TESTS:
        threshold = lab.thresholds.get("coverage", 0.8)
        return OWN_TESTS_CELL.format(module=lab.module, points=points, threshold=threshold)
    text = "\ncalls = []\n" + _tests(lab.visible_checks, "visible", question.name)
    if lab.hidden_checks:
        text += f"{BEGIN}\n{_tests(lab.hidden_checks, 'hidden', question.name)}{END}\n"
    return text + f"passed, total = weigh(calls)\nround({points} * passed / total, 2)\n"


def _helpers(path: Path, prefix: str) -> str:
    """Return the statements of a check file that are no tests; fixtures become functions that run once."""
    text = ""
    for node in _statements(path):
        if _is_test(node) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            continue
        if _is_fixture(node):
            node.decorator_list = [ast.parse("functools.cache", mode="eval").body]
            node.name = f"{prefix}_{node.name}"
            if node.args.args[0].arg != "student" or len(node.args.args) != 1:
                raise NotImplementedError(f"{path}: fixture {node.name} needs more than the student")
        text += ast.unparse(node) + "\n"
    return text


def _tests(path: Path, prefix: str, question: str) -> str:
    """Return a question's tests as functions, and their calls as weighed entries of the list ``calls``."""
    fixtures = {
        node.name: f"{prefix}_{node.name}(student)" for node in _statements(path) if _is_fixture(node)
    }
    text = ""
    for node in _statements(path):
        if not _is_test(node):
            continue
        marks = {ast.unparse(mark.func).rpartition(".")[2]: mark for mark in node.decorator_list}
        if ast.literal_eval(marks["question"].args[0]) != question:
            continue
        weight = next((ast.unparse(k.value) for k in marks["question"].keywords if k.arg == "weight"), "1")
        node.decorator_list = []
        text += ast.unparse(node) + "\n"
        varied: list[str] = []
        loop = ""
        if "parametrize" in marks:
            names, values = marks["parametrize"].args
            names = ast.literal_eval(names)
            varied = [names] if isinstance(names, str) else list(names)
            loop = f"for {', '.join(varied)} in {ast.unparse(values)}:\n"
        arguments = [argument.arg for argument in node.args.args]
        bound = ", ".join(f"{name}={name}" for name in varied)
        passed = ", ".join(f"{name}={fixtures.get(name, name)}" for name in arguments)
        call = f"calls.append(({weight}, lambda {bound}: {node.name}({passed})))\n"
        text += loop + (indent(call, "    ") if loop else call)
    return text


def _statements(path: Path) -> list[ast.stmt]:
    return ast.parse(path.read_text(encoding="utf-8")).body


def _imported(path: Path) -> Iterator[str]:
    for node in _statements(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def _is_test(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name.startswith("test")


def _is_fixture(node: ast.stmt) -> bool:
    marks = [ast.unparse(mark) for mark in getattr(node, "decorator_list", ())]
    return any(mark.startswith("pytest.fixture") for mark in marks)
