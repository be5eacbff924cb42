"""Notebooks as text: ``py:percent`` sources in, canonical ``.ipynb`` text out.

People edit ``py:percent`` files; notebooks are derived. Two derivations of one source are byte-identical on
every system: no outputs, no counters, no versions, line feeds, sorted keys, and cell ids that are set here
because jupytext draws them at random.
"""

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_LAYOUT_HINTS = ("lines_to_next_cell", "lines_to_end_of_cell_marker")  # jupytext's notes to itself
INDEX_ID = re.compile(r"cell-\d+")


def read_notebook(path: Path) -> NotebookNode:
    """Read a notebook, from ``py:percent`` if the file ends in ``.py``.

    Parameters
    ----------
    path : pathlib.Path
        A ``.py`` or ``.ipynb`` file, UTF-8 with any line endings.

    Returns
    -------
    nbformat.NotebookNode
        In the latest notebook format, normalised by :func:`normalise` where it came from ``py:percent``.

    Raises
    ------
    ValueError
        If the file is no notebook (or not UTF-8); the message says what is wrong.
    OSError
        If the file cannot be read.
    """
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix == ".py":
        import jupytext  # half a second that `check`, which reads only .ipynb, need not wait for

        return normalise(jupytext.reads(text, fmt="py:percent"))
    try:
        return nbformat.reads(text, as_version=4)
    except Exception as error:  # nbformat lets KeyError, AttributeError and its own errors through
        raise ValueError(f"this is no notebook ({type(error).__name__}: {str(error)[:200]})") from error


def role(cell: NotebookNode) -> str:
    """Say what an instructor's cell is for.

    Parameters
    ----------
    cell : nbformat.NotebookNode
        A cell of the instructor's notebook.

    Returns
    -------
    str
        ``"text"`` (markdown or raw), ``"code"`` (the student may change it), ``"explore"`` (locked, for
        reading only, never run in grading), ``"setup"`` (locked, run from the instructor's source),
        ``"solution"`` or ``"grade"``.
    """
    nbgrader = cell.metadata.get("nbgrader", {})
    if cell.cell_type != "code":
        return "text"
    for name in ("grade", "solution"):
        if nbgrader.get(name):
            return name
    if not nbgrader.get("locked"):
        return "code"
    return "explore" if "explore" in cell.metadata.get("tags", ()) else "setup"


def normalise(notebook: NotebookNode) -> NotebookNode:
    """Remove from a notebook whatever differs between two derivations, in place.

    A cell's id is its ``grade_id`` where nbgrader knows the cell, else ``cell-INDEX``. What comes from
    ``py:percent`` has neither outputs nor execution counts.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Changed in place.

    Returns
    -------
    nbformat.NotebookNode
        The same notebook.
    """
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = nbformat.from_dict(METADATA)
    for index, cell in enumerate(notebook.cells):
        cell.id = cell.metadata.get("nbgrader", {}).get("grade_id", f"cell-{index:02d}")
        for hint in _LAYOUT_HINTS:
            cell.metadata.pop(hint, None)
    return notebook


def notebook_bytes(notebook: NotebookNode) -> bytes:
    """Return a notebook's canonical text, encoded.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        A valid notebook, usually from :func:`normalise`.

    Returns
    -------
    bytes
        UTF-8 with line feeds, keys sorted, one newline at the end.

    Raises
    ------
    nbformat.ValidationError
        If the notebook breaks its schema, for example by two cells with one id.
    """
    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT).rstrip("\n").encode() + b"\n"
