"""Makes submissions of lab 0 for the tests of the engine: right ones, and ones with a given slip."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.release.derive import release_notebooks
from autograder.labs.definition import Lab, load_lab
from autograder.labs.markers import stub_module

FOLDER = Path(__file__).parent / "lab0_slope"


def slope_lab() -> Lab:
    """Return lab 0."""
    return load_lab(FOLDER)


def without_bugs(folder: Path) -> Path:
    """Return a copy of lab 0 below ``folder`` without planted bugs: to try them takes most of the time."""
    ignored = shutil.ignore_patterns("mutants", "__pycache__")
    return Path(shutil.copytree(FOLDER, folder / FOLDER.name, ignore=ignored))


def reference_notebook() -> NotebookNode:
    """Return lab 0's released notebook with the reference's answer filled in, as a good student hands it in."""
    lab = slope_lab()
    notebook = nbformat.reads(release_notebooks([lab])[lab.name].decode(), as_version=4)
    answers = {cell.id: cell.source for cell in lab.notebook.cells}
    for cell in notebook.cells:
        cell.source = answers[cell.id]
    return notebook


def hand_in(
    submitted: Path,
    student: str,
    module: str | None = None,
    replace: Mapping[str, str] | None = None,
    edit: Callable[[NotebookNode], object] = lambda notebook: None,
    tests: str | None = None,
    append: str = "",
) -> Path:
    """Write ``submitted/STUDENT/lab0_slope/`` and return it.

    Parameters
    ----------
    submitted, student : Path, str
        Where.
    module : str, optional
        Text of ``slope.py``; the reference by default.
    replace : mapping, optional
        Pieces of the module's text to replace; each must be there.
    edit : callable
        Changes the notebook in place.
    tests : str, optional
        Text of ``test_slope.py``; the reference by default.
    append : str
        Added at the end of the module.
    """
    folder = submitted / student / FOLDER.name
    folder.mkdir(parents=True)
    text = module if module is not None else (FOLDER / "slope.py").read_text(encoding="utf-8")
    for old, new in (replace or {}).items():
        assert old in text
        text = text.replace(old, new)
    (folder / "slope.py").write_text(text + append, encoding="utf-8")
    reference_tests = (FOLDER / "test_slope.py").read_text(encoding="utf-8")
    (folder / "test_slope.py").write_text(tests if tests is not None else reference_tests, encoding="utf-8")
    notebook = reference_notebook()
    edit(notebook)
    nbformat.write(notebook, folder / f"{FOLDER.name}.ipynb")
    return folder


def hand_in_stub(submitted: Path, student: str) -> Path:
    """Write the untouched lab, as it was released."""
    lab = slope_lab()
    folder = submitted / student / lab.name
    folder.mkdir(parents=True)
    (folder / lab.files.notebook).write_bytes(release_notebooks([lab])[lab.name])
    for name in lab.files.python:
        (folder / name).write_text(stub_module((FOLDER / name).read_text(encoding="utf-8")), encoding="utf-8")
    return folder
