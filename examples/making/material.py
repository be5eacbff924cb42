"""What submissions are made of: the released lab, its solution, and the slips that fit every lab."""

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jupytext

Files = dict[str, str | bytes]
"""A submission's files by name; an artefact's are bytes."""


@dataclass(frozen=True)
class Material:
    """What the submissions of one lab are made of.

    Attributes
    ----------
    notebook, module, tests : str
        Names of the three files that students hand in.
    stub : dict of str to str
        These files as released.
    solution : dict of str to (str or bytes)
        The same as a good student hands them in: answered, in the released notebook, and without markers; with
        the artefact where the lab's source has one.
    variants : dict of str to str
        Other correct modules by name.
    """

    notebook: str
    module: str
    tests: str
    stub: dict[str, str]
    solution: Files
    variants: dict[str, str]


def material(folder: Path, released: dict[str, bytes]) -> Material:
    """Return what a lab's submissions are made of.

    Parameters
    ----------
    folder : pathlib.Path
        ``solutions/LAB``.
    released : dict of str to bytes
        The released labs' files by path.

    Returns
    -------
    Material
        The parts.
    """
    config = tomllib.loads((folder / "lab.toml").read_text(encoding="utf-8"))
    names = (f"{folder.name}.ipynb", f"{config['module']}.py", f"test_{config['module']}.py")
    stub = {name: released[f"labs/{folder.name}/{name}"].decode() for name in names}
    artefact = [path for path in sorted((folder / "artefact").rglob("*")) if path.is_file()]
    return Material(
        *names,
        stub=stub,
        solution={names[0]: _answered(folder / f"{folder.name}.py", stub[names[0]])}
        | {name: without_markers((folder / name).read_text(encoding="utf-8")) for name in names[1:]}
        | {path.relative_to(folder).as_posix(): path.read_bytes() for path in artefact},
        variants={
            path.stem: path.read_text(encoding="utf-8") for path in sorted((folder / "variants").glob("*.py"))
        },
    )


def _answered(source: Path, stub: str) -> str:
    """Return the released notebook with the source's solution cells in it."""
    answers = {
        cell.metadata["nbgrader"]["grade_id"]: without_markers(cell.source)
        for cell in jupytext.read(source).cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }

    def fill(cells: list[dict]) -> list[dict]:
        return [
            cell | {"source": answers[cell["id"]].splitlines(keepends=True)}
            if cell["id"] in answers
            else cell
            for cell in cells
        ]

    return edited(stub, fill)


def without_markers(text: str) -> str:
    """Return the text without the lines that mark solutions."""
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if line.strip() not in ("### BEGIN SOLUTION", "### END SOLUTION"))


def without_answer(notebook: str, stub: str, cell_id: str) -> str:
    """Return the notebook with one cell as released."""
    untouched = {cell["id"]: cell for cell in json.loads(stub)["cells"]}
    return edited(notebook, lambda cells: [untouched[c["id"]] if c["id"] == cell_id else c for c in cells])


def with_duplicates(notebook: str, *twice: str) -> str:
    """Return the notebook with cells pasted twice, ids and all."""
    return edited(notebook, lambda cells: [c for cell in cells for c in [cell] * (1 + (cell["id"] in twice))])


def edited(notebook: str, change: Callable[[list[dict]], list[dict]]) -> str:
    """Return the notebook with its cells changed, in the canonical form of derived notebooks."""
    content = json.loads(notebook)
    content["cells"] = change(content["cells"])
    return json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def replaced(text: str, *changes: tuple[str, str]) -> str:
    """Replace each ``old``, which must occur exactly once: a class that stopped being what it says is an error."""
    for old, new in changes:
        if text.count(old) != 1:
            raise ValueError(f"{old!r} occurs {text.count(old)} times in the solution: adapt examples/making")
        text = text.replace(old, new)
    return text
