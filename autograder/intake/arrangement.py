"""Puts a student's notebook back in order: whose code is run, and in which sequence.

Locked and graded cells come from the instructor. From the student come the sources of code cells: answers are
found by id, other cells are run where they stand, that is after the instructor's cell that precedes them.
Nothing in the notebook's metadata is believed beyond "this cell was once that cell", so duplicating,
deleting, moving, splitting or retagging a cell changes what the student is told, and not the grade.
"""

import ast
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from nbformat import NotebookNode

from autograder.labs.notebooks import role

_TAGS = ("grade", "solution", "locked", "points", "grade_id")


@dataclass
class Arrangement:
    """A submitted notebook in the instructor's order.

    Attributes
    ----------
    answers : dict of str to list of str
        The student's sources of each cell that was theirs to fill in, by its id.
    added : dict of (str or None) to list of str
        Sources of the student's own code cells, by the id of the instructor's cell that they follow.
    notes : list of str
        What was put right, in words for the student.
    flags : list of str
        The same for the table of the class.
    """

    answers: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    added: dict[str | None, list[str]] = field(default_factory=lambda: defaultdict(list))
    notes: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)

    def runnable(self, instructor: NotebookNode) -> list[tuple[str, str]]:
        """Return name and source of the cells to run, in order; names are unique."""
        cells = [("added", source) for source in self.added.get(None, [])]
        for cell in instructor.cells:
            if role(cell) == "setup":
                cells.append((cell.id, cell.source))
            cells += [(cell.id, source) for source in self.answers.get(cell.id, [])]
            cells += [("added", source) for source in self.added.get(cell.id, [])]
        counts: Counter[str] = Counter()
        named = []
        for name, source in cells:
            counts[name] += 1
            named.append((name if counts[name] == 1 else f"{name} ({counts[name]})", source))
        return named

    def note(self, flag: str, text: str) -> None:
        """Note one thing that was put right."""
        self.notes.append(text)
        if flag not in self.flags:
            self.flags.append(flag)


def arrange(instructor: NotebookNode, submitted: NotebookNode) -> Arrangement:
    """Match the cells of a submitted notebook with the instructor's.

    Parameters
    ----------
    instructor : nbformat.NotebookNode
        The lab's own notebook, whose cells have their ``grade_id`` as id.
    submitted : nbformat.NotebookNode
        The student's notebook; untrusted.

    Returns
    -------
    Arrangement
        The student's code by the instructor's cells.

    Raises
    ------
    ValueError
        If the notebook is built so oddly that its cells cannot be read.
    """
    known = {cell.id: cell for cell in instructor.cells}
    locked_texts = {_text(c.source) for c in instructor.cells if role(c) in ("setup", "grade", "explore")}
    arrangement = Arrangement()
    seen: list[str] = []
    anchor = None
    try:
        for cell in submitted["cells"]:
            source, is_code = str(cell["source"]), cell["cell_type"] == "code"
            found = _identify(cell, known)
            if found is not None:
                seen.append(found)
                anchor = found
            kind = role(known[found]) if found is not None else "text"
            if found is not None and kind in ("solution", "code"):
                arrangement.answers[found].append(source)
            elif kind == "text":
                if is_code and source.strip() and _text(source) not in locked_texts:
                    arrangement.added[anchor].append(source)
            elif is_code and _text(source) != _text(known[found].source):
                arrangement.note("changed-cell", f"Cell {found} is locked: your change to it was not used.")
            if kind != "text" and _retagged(cell, known[found]):
                arrangement.note("retagged-cell", f"Cell {found} had other tags or another type: put right.")
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no notebook ({type(error).__name__}: {error})") from None
    _put_right(arrangement, instructor, seen)
    return arrangement


def _identify(cell: NotebookNode, known: dict[str, NotebookNode]) -> str | None:
    """Return the id of the instructor's cell that this was; a copy made in Jupyter keeps only its grade_id."""
    nbgrader = cell.get("metadata", {}).get("nbgrader", {})
    grade_id = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
    return next(
        (name for name in (cell.get("id"), grade_id) if isinstance(name, str) and name in known), None
    )


def _retagged(cell: NotebookNode, original: NotebookNode) -> bool:
    """Tell whether a cell's type or what nbgrader knows of it was changed."""
    mine, theirs = (c.get("metadata", {}).get("nbgrader", {}) for c in (cell, original))
    if cell["cell_type"] != original.cell_type or not isinstance(mine, dict):
        return True
    return any(mine.get(tag) != theirs.get(tag) for tag in _TAGS)


def _put_right(arrangement: Arrangement, instructor: NotebookNode, seen: list[str]) -> None:
    """Join what was split, drop exact copies, and note what was missing, moved or duplicated."""
    order = {cell.id: index for index, cell in enumerate(instructor.cells)}
    for name, sources in arrangement.answers.items():
        if len(sources) > 1:
            arrangement.note(
                "duplicated-cell", f"Cell {name} occurs {len(sources)} times: each was run, in your order."
            )
            arrangement.answers[name] = _join(list(dict.fromkeys(sources)))
    for cell in instructor.cells:
        kind = role(cell)
        if cell.id not in seen and kind == "solution":
            arrangement.note(
                "missing-cell", f"Cell {cell.id} is missing: what it should define was not found there."
            )
        elif cell.id not in seen and kind in ("setup", "grade"):
            arrangement.note("missing-cell", f"Cell {cell.id} is missing: it was put back.")
    firsts = [order[name] for name in dict.fromkeys(seen) if role(instructor.cells[order[name]]) != "text"]
    if firsts != sorted(firsts):
        arrangement.note("moved-cell", "Cells were moved: they were run in the order of the lab.")


def _join(sources: list[str]) -> list[str]:
    """Return the parts of a cell that was split inside a statement as one; all else as it is."""
    joined = "\n".join(sources)
    return [joined] if not all(map(_is_python, sources)) and _is_python(joined) else sources


def _is_python(source: str) -> bool:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _text(source: str) -> str:
    """Return a source without its white space, to compare it with another."""
    return "".join(source.split())
