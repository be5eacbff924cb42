"""What a lab's files must look like: ``lab.toml``, the cells that nbgrader knows, the checks.

Each reader returns plain data or raises one :class:`LabError`; nothing of a lab is executed.
"""

import ast
import difflib
import tomllib
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from nbformat import NotebookNode

from autograder.labs.notebooks import INDEX_ID, role


class LabError(ValueError):
    """A lab whose definition is wrong: which file, what, and what to do."""


@dataclass(frozen=True)
class Limits:
    """What a submission may use.

    Attributes
    ----------
    call_cpu_seconds, call_wall_seconds : float
        Deadline of one call, in CPU time of the worker and on the clock.
    submission_seconds : float
        Deadline of a whole submission, on the clock.
    memory_gb : float
        Address space of the worker, in GiB.
    output_bytes : int
        Length at which what the student's code prints is cut.
    mutation_cpu_seconds : float
        CPU time for the student's tests on the lab's planted bugs, all of them together.
    call_cpu_factor : float
        On a slow machine a call may take as many times what the reference's slowest call takes there.
    """

    call_cpu_seconds: float
    call_wall_seconds: float
    submission_seconds: float
    memory_gb: float
    output_bytes: int
    mutation_cpu_seconds: float = 60.0
    call_cpu_factor: float = 10.0


def read_config(path: Path) -> dict[str, Any]:
    """Return ``lab.toml`` with every key present, known, and of its type."""
    try:
        config = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise LabError(f"{path}: missing; it names the lab's title, module, class, limits") from error
    except (OSError, ValueError) as error:
        raise LabError(f"{path}: {error}") from error
    config = {"thresholds": {}, "feedback": {}, "train": {}} | config
    tables: dict[str, type] = dict.fromkeys(("limits", "thresholds", "feedback", "train"), dict)
    types: dict[str, type] = {"title": str, "module": str, "class": str, **tables}
    _complete(config, types, f"{path}")
    defaults = {item.name: item.default for item in fields(Limits) if item.default is not MISSING}
    config["limits"] = defaults | config["limits"]
    _complete(config["limits"], get_type_hints(Limits), f"{path}: [limits]")
    _complete(config["thresholds"], dict.fromkeys(config["thresholds"], float), f"{path}: [thresholds]")
    for question, words in config["feedback"].items():
        where = f"{path}: [feedback] {question}"
        _complete(words, {"title": str, "section": str, "reread": str}, where)
    if config["train"]:  # what `course.py train` does; see labkit.train.Target
        _complete(config["train"], dict.fromkeys(("target", "titles", "clock"), str), f"{path}: [train]")
    for key in ("module", "class"):
        if not config[key].isidentifier():
            raise LabError(f"{path}: {key} = {config[key]!r} is no Python name")
    for key, value in config["limits"].items():
        if value <= 0:
            raise LabError(f"{path}: [limits] {key} = {value} must be above 0")
    return config


def require_known(names: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raise LabError for the first name that is not known, with the nearest that is."""
    known = list(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            advice = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known) or 'none'}"
            raise LabError(f"{where}: unknown name {name!r}; {advice}")


def _complete(table: Any, types: dict[str, type], where: str) -> None:
    """Raise LabError unless a toml table has exactly these keys with values of these types."""
    if not isinstance(table, dict):
        raise LabError(f"{where} must be a table, not {table!r}")
    require_known(table, types, where)
    for key, kind in types.items():
        if key not in table:
            raise LabError(f"{where}: {key} is missing")
        accepted = (int, float) if kind is float else kind
        if not isinstance(table[key], accepted) or isinstance(table[key], bool):
            raise LabError(f"{where}: {key} = {table[key]!r} must be of type {kind.__name__}")


def read_points(notebook: NotebookNode, path: Path) -> dict[str, float]:
    """Return points by grade_id in the notebook's order, after checking the cells that nbgrader knows."""
    points: dict[str, float] = {}
    seen: set[str] = set()
    for index, cell in enumerate(notebook.cells):
        nbgrader = cell.metadata.get("nbgrader")
        if nbgrader is None:
            continue
        name = nbgrader.get("grade_id", "")
        where = f"{path}: cell {index} (grade_id {name!r})"
        if (
            not name
            or not name.replace("-", "_").isidentifier()
            or len(name) > 64
            or INDEX_ID.fullmatch(name)
        ):
            raise LabError(f"{where}: a grade_id is a word of up to 64 letters, digits, - and _")
        if name in seen:
            raise LabError(f"{where}: another cell has this grade_id; each must be unique")
        seen.add(name)
        if nbgrader.get("task") or (nbgrader.get("grade") and nbgrader.get("solution")):
            raise LabError(f"{where}: cells graded by hand are not supported; every point is automatic")
        if role(cell) != "grade":
            if nbgrader.get("grade"):
                raise LabError(f"{where}: a grade cell must be a code cell")
            continue
        if not _calls_check(cell.source, name):
            raise LabError(f'{where}: a grade cell must hold check("{name}") and nothing else')
        worth = nbgrader.get("points")
        if not isinstance(worth, int | float) or isinstance(worth, bool) or worth <= 0:
            raise LabError(f"{where}: points = {worth!r} must be a number above 0")
        points[name] = worth
    if not points:
        raise LabError(f"{path}: no grade cells, so there is nothing to score")
    return points


def _calls_check(source: str, name: str) -> bool:
    """Say whether a cell is the call ``check("name")``, comments aside."""
    try:
        return ast.dump(ast.parse(source)) == ast.dump(ast.parse(f"check({name!r})"))
    except SyntaxError:
        return False


def read_checked(path: Path) -> set[str]:
    """Return the questions that a check file names, without running it; every test must name one."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except FileNotFoundError as error:
        raise LabError(f"{path}: missing; it holds the lab's checks") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise LabError(f"{path}: {error}") from error
    named: set[str] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test"):
            continue
        marks = [
            mark
            for mark in node.decorator_list
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.question"
        ]
        where = f"{path}, line {node.lineno}: {node.name}"
        if len(marks) != 1:
            raise LabError(f'{where} needs one @pytest.mark.question("NAME", hint="…")')
        arguments = marks[0].args
        question = arguments[0] if len(arguments) == 1 else None
        if not isinstance(question, ast.Constant) or not isinstance(question.value, str):
            raise LabError(f"{where}: pytest.mark.question takes the question's name as a literal")
        require_known((key.arg or "**" for key in marks[0].keywords), ("hint", "weight"), where)
        if ast.get_docstring(node) is None:
            raise LabError(
                f"{where} needs a docstring: its first paragraph is what feedback expects, a second what was tried"
            )
        named.add(question.value)
    return named
