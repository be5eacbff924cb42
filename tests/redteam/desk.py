"""What a hostile or accident-prone submission is made of: the case, and the desk it is written at.

A case says what it tries, in a sentence, and what is right: the points of each question. It writes one
submission of lab 0, starting from the reference or from the untouched stub.
"""

import copy
import functools
import inspect
import json
import tempfile
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tests.labs.handing_in import FOLDER, hand_in, hand_in_stub

LAB = FOLDER.name
RIGHT = {"fitting": 4.0, "prediction": 4.0, "report": 2.0, "own_tests": 2.0}
NOTHING = dict.fromkeys(RIGHT, 0.0)
NO_TESTS = RIGHT | {"own_tests": 0.0}
"""What a right module and notebook earn beside an untouched test file."""

PREDICT = "        return self.slope * x + self.intercept\n"
LEAKED = "LEAK" + "ED"
"""What attacks say when they have what they should not; their sources spell it in two parts."""

Edit = Callable[[NotebookNode], object]


@dataclass(frozen=True)
class Case:
    """One submission and its right outcome.

    Attributes
    ----------
    name, category, tries : str
        ``tries`` is a sentence.
    write : callable
        Writes the submission at a :class:`Desk`.
    earns : mapping of str to float
        The right points by question; upper bounds where ``at_most`` says so.
    at_most : bool
        Whether fewer points are right as well: the case spoils its own work in a way that may cost something.
    flags : frozenset of str
        Flags that an instructor must see.
    says : str
        Words that must stand in the student's feedback.
    absent : tuple of str
        Texts that must not stand in anything that students may see.
    markup : tuple of str
        Texts that must not stand in a page as they are: they would be markup there.
    needs_full : bool
        Whether nothing but full isolation can stop it; it is not run without.
    plain : bool
        Whether plain nbgrader may be tried with it, in a box.
    student : str
        Name of the student's folder; by default the case's.
    earlier, accomplice : callable or None
        Write what the same student handed in, and was graded for, before; and what another one hands in, who
        is graded first.
    xfail : str
        Why the outcome is not right yet.
    """

    name: str
    category: str
    tries: str
    write: Callable[["Desk"], object]
    earns: Mapping[str, float]
    at_most: bool = False
    flags: frozenset[str] = frozenset()
    says: str = ""
    absent: tuple[str, ...] = ()
    markup: tuple[str, ...] = ()
    needs_full: bool = False
    plain: bool = True
    student: str = ""
    earlier: Callable[["Desk"], object] | None = None
    accomplice: Callable[["Desk"], object] | None = None
    xfail: str = ""

    @property
    def total(self) -> float:
        """All points that are right."""
        return sum(self.earns.values())


CASES: dict[str, Case] = {}


def case(category: str, earns: Mapping[str, float], **more: object) -> Callable:
    """Register a function as a case: its name is the case's, its docstring what it tries."""

    def register(write: Callable[[Desk], object]) -> Callable[[Desk], object]:
        tries = " ".join(inspect.getdoc(write).split())
        name = write.__name__
        assert name not in CASES
        CASES[name] = Case(name, category, tries, write, earns, **{"student": name, **more})
        return write

    return register


@dataclass(frozen=True)
class Desk:
    """Where one submission is written, and what an attacker who knows the grader well would look for.

    Attributes
    ----------
    folder : Path
        ``SUBMITTED/STUDENT/LAB``, which exists and is empty.
    lab, submitted, out : Path
        The lab's source, all submissions, and the course root that is graded into.
    port : int
        Where somebody listens on this machine; 0 for nobody.
    """

    folder: Path
    lab: Path
    submitted: Path
    out: Path
    port: int = 0
    _words: Mapping[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        words = {"@LAB@": self.lab, "@SUBMITTED@": self.submitted, "@OUT@": self.out, "@PORT@": self.port}
        object.__setattr__(self, "_words", {key: str(value) for key, value in words.items()})

    def right(
        self,
        predict: str | None = None,
        append: str = "",
        tests: str | None = None,
        edit: Edit = lambda notebook: None,
        replace: Mapping[str, str] | None = None,
    ) -> None:
        """Hand in the reference with changes.

        Parameters
        ----------
        predict : str, optional
            The body of ``predict``, not indented. The test file is the stub then, unless ``tests`` is given:
            what a right test says of a broken module is not the point here.
        append : str
            Added at the end of the module.
        tests : str, optional
            Text of the test file.
        edit : callable
            Changes the notebook in place.
        replace : mapping, optional
            Pieces of the module's text to replace.
        """
        files = template()["right"]
        module = files["slope.py"]
        if predict is not None:
            body = "".join(f"        {line}\n" for line in _dedented(predict).split("\n"))
            module = _replaced(module, PREDICT, body)
            tests = tests if tests is not None else template()["stub"]["test_slope.py"]
        for old, new in (replace or {}).items():
            module = _replaced(module, old, new)
        self._write(files, module + _dedented(append) + "\n", tests, edit)

    def stub(self, append: str = "", tests: str | None = None, edit: Edit = lambda notebook: None) -> None:
        """Hand in the untouched lab with changes: whatever it earns was not earned."""
        files = template()["stub"]
        self._write(files, files["slope.py"] + _dedented(append) + "\n", tests, edit)

    def file(self, name: str, content: str | bytes) -> Path:
        """Write any other file and return its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else self._filled(content).encode())
        return path

    def _write(self, files: Mapping[str, str], module: str, tests: str | None, edit: Edit) -> None:
        notebook = copy.deepcopy(nbformat.reads(files[f"{LAB}.ipynb"], as_version=4))
        edit(notebook)
        for cell in notebook.cells:
            if isinstance(cell, dict) and isinstance(cell.get("source"), str):
                cell["source"] = self._filled(cell["source"])
        text = json.dumps(notebook)  # nbformat would mend what is odd about it
        (self.folder / f"{LAB}.ipynb").write_text(text, encoding="utf-8")
        self.file("slope.py", module)
        self.file("test_slope.py", files["test_slope.py"] if tests is None else _dedented(tests))

    def _filled(self, text: str) -> str:
        for key, value in self._words.items():
            text = text.replace(key, value)
        return text


@functools.cache
def template() -> dict[str, dict[str, str]]:
    """Return the texts of a right submission and of the stub, by file name (making them takes nbgrader a second)."""
    with tempfile.TemporaryDirectory(prefix="redteam-") as folder:
        made = {"right": hand_in(Path(folder), "right"), "stub": hand_in_stub(Path(folder), "stub")}
        return {
            kind: {path.name: path.read_text(encoding="utf-8") for path in sorted(place.iterdir())}
            for kind, place in made.items()
        }


def code(source: str) -> NotebookNode:
    """Return a code cell."""
    return nbformat.v4.new_code_cell(_dedented(source))


def cell_of(notebook: NotebookNode, name: str) -> NotebookNode:
    """Return the cell with this id."""
    return next(cell for cell in notebook.cells if cell.get("id") == name)


def before(name: str, *sources: str) -> Edit:
    """Return an edit that adds code cells before the cell with this id."""

    def edit(notebook: NotebookNode) -> None:
        index = notebook.cells.index(cell_of(notebook, name))
        notebook.cells[index:index] = [code(source) for source in sources]

    return edit


def _dedented(text: str) -> str:
    """Return a text without the indentation that all of its lines share, and without lines around it."""
    return textwrap.dedent(text).strip("\n")


def _replaced(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)
