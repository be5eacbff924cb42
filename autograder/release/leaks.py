"""Finds text of solutions and hidden checks where students would see it.

Searched for is what stands between the solution markers and in every file that students do not get: each
line that is long enough to be nobody's coincidence, and shorter lines with as many of their successors as
that takes. Imports, and what students have anyway, give nothing away.
"""

import ast
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from autograder.labs.definition import Lab
from autograder.labs.markers import solution_regions, stub
from autograder.labs.secret import EXAMPLE, VARIABLE

TELLING = 40  # characters; "for name, array in arrays.items()" has 33 and stands in anybody's code
TELLING_REGION = 24  # the same for a solution region that is shorter than that as a whole
_TEXT = (".py", ".toml", ".md", ".json")


def find_leaks(files: Mapping[str, bytes], labs: Iterable[Lab]) -> list[tuple[str, str]]:
    """Search files for what only instructors may have.

    Parameters
    ----------
    files : mapping of str to bytes
        Content by path. Notebooks are searched cell by cell, everything else as text and as bytes.
    labs : iterable of Lab
        Labs' sources.

    Returns
    -------
    list of (str, str)
        Path, and the text that was found in it.
    """
    labs = list(labs)
    known = "\n".join(map(_public, labs))  # what one lab shows is no secret of another
    found = {secret for secret in set().union(*map(secret_texts, labs)) if secret not in known}
    secrets = sorted({VARIABLE, EXAMPLE} | found)
    leaks = []
    for path, content in files.items():
        text = _readable(path, content)
        leaks += [(path, secret) for secret in secrets if secret in text or secret.encode() in content]
    return leaks


def secret_texts(lab: Lab) -> set[str]:
    """Return the texts of a lab's source that give something away, whitespace normalised.

    Parameters
    ----------
    lab : Lab
        A lab's source.

    Returns
    -------
    set of str
        Runs of lines, whole solution regions, and the string constants of hidden files.
    """
    regions: list[str] = []
    for name in lab.files.python:
        regions += solution_regions((lab.folder / name).read_text(encoding="utf-8"))
    for cell in lab.notebook.cells:
        marked = solution_regions(cell.source)
        regions += [cell.source] if _is_answer(cell) and not marked else marked
    files = {path: path.read_text(encoding="utf-8") for path in _hidden_files(lab)}
    hidden = list(files.values())
    known = _public(lab)
    secrets = {run for text in regions + hidden for run in _telling_runs(_normal(text).split("\n"))}
    secrets |= {region for region in map(_normal, regions) if len(region) >= TELLING_REGION}
    secrets |= {text for path, code in files.items() if path.suffix == ".py" for text in _constants(code)}
    return {secret for secret in secrets if secret not in known}


def _public(lab: Lab) -> str:
    """Return what students have of a lab, whitespace normalised."""
    texts = [lab.visible_checks.read_text(encoding="utf-8"), (lab.folder / "lab.toml").read_text("utf-8")]
    texts += [stub((lab.folder / name).read_text(encoding="utf-8")) for name in lab.files.python]
    cells = [cell for cell in lab.notebook.cells if not _is_answer(cell) or solution_regions(cell.source)]
    return "\n".join(map(_normal, [*texts, *(stub(cell.source) for cell in cells)]))


def _is_answer(cell: NotebookNode) -> bool:
    """Tell whether students fill in a cell."""
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))


def _telling_runs(lines: list[str]) -> Iterator[str]:
    """Yield, from each line on, the shortest run of lines that is long enough to tell."""
    for start in range(len(lines)):
        run = ""
        for line in lines[start:]:
            run = f"{run}\n{line}" if run else line
            if len(run) >= TELLING:
                yield run
                break


def _hidden_files(lab: Lab) -> Iterator[Path]:
    """Yield the paths of a lab's files that students do not get."""
    shared = {f"{lab.name}.py", "lab.toml", lab.visible_checks.name, *lab.files}
    for path in sorted(lab.folder.rglob("*")):
        inside = path.relative_to(lab.folder)
        if (
            path.suffix in _TEXT
            and path.is_file()
            and str(inside) not in shared
            and inside.parts[0][0] not in "._"
        ):
            yield path


def _constants(text: str) -> list[str]:
    """Return the string constants that a module gives names to."""
    try:
        body = ast.parse(text).body
    except SyntaxError:  # not Python
        return []
    values = [node.value for node in body if isinstance(node, ast.Assign | ast.AnnAssign)]
    return [
        value.value
        for value in values
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and len(value.value) >= 8
    ]


def _normal(text: str) -> str:
    """Return a text with single blanks, without indentation, empty lines and imports."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith(("import ", "from ")))


def _readable(path: str, content: bytes) -> str:
    """Return a file as normalised text; a notebook as all the strings in it."""
    text = content.decode("utf-8", errors="replace") if b"\0" not in content else ""
    if path.endswith(".ipynb"):
        text = "\n".join(_strings(json.loads(text)))
    return _normal(text)


def _strings(value: Any) -> Iterator[str]:
    """Yield every string in a JSON value, lists of lines joined."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            yield "".join(value)
        else:
            for item in value:
                yield from _strings(item)
