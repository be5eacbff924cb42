"""Derives what is committed beside its source: lecture notebooks, and the labs that students get.

Everything is computed in memory, from text alone: the same sources give the same bytes on every system.
"""

import logging
import tempfile
from collections.abc import Iterable
from pathlib import Path

from traitlets.config import Config

from autograder.labs.definition import PRISTINE, Lab, LabError, load_lab
from autograder.labs.markers import solution_regions, stub_module
from autograder.labs.notebooks import normalise, notebook_bytes, read_notebook

LECTURES = "[0-9][0-9]_*"


def load_labs(root: Path) -> list[Lab]:
    """Load every lab's source.

    Parameters
    ----------
    root : pathlib.Path
        The repository.

    Returns
    -------
    list of Lab
        One for each folder in ``solutions/``, by name.

    Raises
    ------
    LabError
        If one of them is no lab, or its markers do not match.
    """
    folders = sorted(path for path in (root / "solutions").glob("*/") if path.name[0] not in "._")
    return [load_lab(folder) for folder in folders]


def derive(root: Path, labs: Iterable[Lab]) -> dict[str, bytes]:
    """Derive all lectures and labs.

    Parameters
    ----------
    root : pathlib.Path
        The repository; ``lectures/source/NN_topic.py`` is read.
    labs : iterable of Lab
        From :func:`load_labs`.

    Returns
    -------
    dict of str to bytes
        Content by path below ``root``, with forward slashes.

    Raises
    ------
    LabError
        If a source cannot be released; the message names it.
    """
    files = {}
    for source in sorted((root / "lectures/source").glob(f"{LECTURES}.py")):
        try:
            files[f"lectures/{source.stem}.ipynb"] = notebook_bytes(read_notebook(source))
        except (OSError, ValueError) as error:
            raise LabError(f"{source}: {error}") from error
    labs = list(labs)
    notebooks = release_notebooks(labs)
    for lab in labs:
        derived = {lab.files.notebook: notebooks[lab.name], PRISTINE: notebooks[lab.name]}
        for name in lab.files.python:
            try:
                derived[name] = stub_module(_text(lab.folder / name)).encode()
            except ValueError as error:
                raise LabError(f"{lab.folder / name}: {error}") from error
        for path in (lab.visible_checks, lab.folder / "lab.toml"):
            derived[path.name] = _text(path).encode()
        files |= {f"labs/{lab.name}/{name}": content for name, content in derived.items()}
    return files


def release_notebooks(labs: list[Lab]) -> dict[str, bytes]:
    """Make the notebooks that students get, by nbgrader's ``generate_assignment``.

    Parameters
    ----------
    labs : list of Lab
        Labs' sources.

    Returns
    -------
    dict of str to bytes
        The notebook's text by the lab's name: solutions are stubs, instructor's cells locked, checksums set.

    Raises
    ------
    LabError
        If nbgrader refuses a notebook.
    """
    if not labs:
        return {}
    for lab in labs:
        for cell in lab.notebook.cells:
            where = f"{lab.folder / lab.name}.py, cell {cell.id}"
            try:
                marked = solution_regions(cell.source)
            except ValueError as error:
                raise LabError(f"{where}: {error}") from error
            if marked and not cell.metadata.get("nbgrader", {}).get("solution"):
                raise LabError(f"{where} holds a solution: its nbgrader metadata must say solution: true")
    with tempfile.TemporaryDirectory(prefix="course-release-") as folder:
        root = Path(folder).resolve()
        for lab in labs:
            (root / "source" / lab.name).mkdir(parents=True)
            (root / "source" / lab.name / lab.files.notebook).write_bytes(notebook_bytes(lab.notebook))
        _generate_assignment(root)
        released = {lab.name: read_notebook(root / "release" / lab.name / lab.files.notebook) for lab in labs}
    return {name: notebook_bytes(normalise(notebook)) for name, notebook in released.items()}


def _generate_assignment(root: Path) -> None:
    """Run nbgrader's converter on every assignment of a course folder, without a gradebook."""
    from nbgrader.converters import GenerateAssignment
    from nbgrader.coursedir import CourseDirectory

    messages: list[str] = []
    log = logging.Logger("nbgrader", logging.ERROR)  # a private one: nothing is printed
    log.addHandler(handler := logging.Handler())
    handler.emit = lambda record: messages.append(record.getMessage().partition("Traceback")[0])  # type: ignore[method-assign]
    config = Config(SaveCells={"enabled": False}, GenerateAssignment={"no_database": True})
    course = CourseDirectory(root=str(root), assignment_id="*", config=config, log=log)
    try:
        GenerateAssignment(coursedir=course, config=config, log=log).start()
    except Exception as error:  # nbgrader raises what its preprocessors raise
        raise LabError(f"nbgrader generate_assignment: {' '.join([*messages, str(error)])}") from error


def _text(path: Path) -> str:
    """Return a file's text with line feeds, whatever the checkout made of them."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise LabError(f"{path}: {error}") from error
