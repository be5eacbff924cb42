"""A lab's definition, read from its folder and checked before anything relies on it.

The same loader serves a lab's source (``solutions/LAB``: notebook as ``py:percent``, hidden checks) and a
released lab (``labs/LAB``: notebook as ``.ipynb``, visible checks only). Points live on the notebook's grade
cells and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from nbformat import NotebookNode

from autograder.labs.schema import LabError, Limits, read_checked, read_config, read_points, require_known
from autograder.labs.planted_bugs import Mutant, read_mutants, read_variants
from autograder.labs.notebooks import read_notebook, role
from labkit.notebook import OWN_TESTS

__all__ = ["OWN_TESTS", "PRISTINE", "Lab", "LabError", "Limits", "Question", "load_lab", "role"]

PRISTINE = ".released.ipynb"  # a released notebook as it was before the student worked on it


@dataclass(frozen=True)
class Question:
    """One grade cell: ``name`` is its ``grade_id``; ``title``, ``section`` and ``reread`` are words of feedback."""

    name: str
    points: float
    title: str
    section: str
    reread: str = ""


class Files(NamedTuple):
    """Names of the files that a submission holds."""

    notebook: str
    module: str
    tests: str

    @property
    def python(self) -> tuple[str, str]:
        """The two that are plain Python, and stubs in a released lab."""
        return self.module, self.tests


@dataclass(frozen=True)
class Lab:
    """A lab, loaded by :func:`load_lab`.

    Attributes
    ----------
    folder : pathlib.Path
        Where it was loaded from.
    name, title, module, class_name : str
        The folder's name, the title, the module's name without ``.py``, and the class that students write.
    limits : Limits
        What a submission may use.
    thresholds : mapping of str to float
        The figures that checks read.
    questions : tuple of Question
        In the order of the notebook.
    notebook : nbformat.NotebookNode
        The instructor's cells; :func:`role` says what each is for.
    released : bool
        Whether this is a student's copy, without solutions and hidden checks.
    visible_checks : pathlib.Path
        The checks that students have too.
    hidden_checks : pathlib.Path or None
        The judge's own checks; None in a released lab or where a lab has none.
    reference : str
        Text of the reference module; empty in a released lab, as are the next two.
    variants : mapping of str to str
        Texts of other correct modules, by name: the student's tests must accept them.
    mutants : tuple of Mutant
        Modules with one planted bug each: the student's tests must notice them.
    """

    folder: Path
    name: str
    title: str
    module: str
    class_name: str
    limits: Limits
    thresholds: Mapping[str, float]
    questions: tuple[Question, ...]
    notebook: NotebookNode = field(repr=False, compare=False)
    released: bool
    visible_checks: Path
    hidden_checks: Path | None
    reference: str = field(default="", repr=False)
    variants: Mapping[str, str] = field(default_factory=dict, repr=False)
    mutants: tuple[Mutant, ...] = field(default=(), repr=False)

    @property
    def max_score(self) -> float:
        """The sum of all points."""
        return sum(question.points for question in self.questions)

    @property
    def hidden_seed(self) -> int:
        """The seed of hidden data: of the instructor's secret, and so only where the grader is."""
        from autograder.labs.secret import hidden_seed

        return hidden_seed(self.name)

    @property
    def files(self) -> Files:
        """Names of the files that a submission holds."""
        return Files(f"{self.name}.ipynb", f"{self.module}.py", f"test_{self.module}.py")


def load_lab(folder: Path) -> Lab:
    """Read and check a lab's definition.

    Parameters
    ----------
    folder : pathlib.Path
        ``solutions/LAB``, or ``labs/LAB`` in a repository or a student's bundle. There the notebook is read
        as it was released (``.released.ipynb``), whatever the student has done to ``LAB.ipynb`` since.

    Returns
    -------
    Lab
        The definition. Nothing of the lab has been executed.

    Raises
    ------
    LabError
        If a file is missing or unreadable, ``lab.toml`` has a key too many or too few, a ``grade_id`` occurs
        twice, a grade cell does anything but call ``check("its grade_id")``, or checks and questions do not
        match.
    """
    folder = Path(folder).resolve()
    if not folder.is_dir():
        raise LabError(f"{folder}: there is no such lab; a lab is a folder with lab.toml and a notebook")
    notebook_path, released = _notebook_path(folder)
    config = read_config(folder / "lab.toml")
    try:
        notebook = read_notebook(notebook_path)
    except (OSError, ValueError) as error:
        raise LabError(f"{notebook_path}: {error}") from error
    points = read_points(notebook, notebook_path)
    feedback = config["feedback"]
    require_known(feedback, points, f"{folder / 'lab.toml'}: [feedback]")
    lab = Lab(
        folder=folder,
        name=folder.name,
        title=config["title"],
        module=config["module"],
        class_name=config["class"],
        limits=Limits(**config["limits"]),
        thresholds=MappingProxyType(config["thresholds"]),
        questions=tuple(
            Question(name, worth, **{"title": name.replace("_", " "), "section": ""} | feedback.get(name, {}))
            for name, worth in points.items()
        ),
        notebook=notebook,
        released=released,
        visible_checks=folder / "visible_checks.py",
        hidden_checks=None if released else _if_file(folder / "hidden_checks.py"),
    )
    if not released:
        for name in lab.files.python:
            if not (folder / name).is_file():
                raise LabError(f"{folder / name}: missing; the lab's source needs a reference for this file")
    _match_checks(lab)
    return lab if released else _with_implementations(lab)


def _with_implementations(lab: Lab) -> Lab:
    """Return a lab's source with what its students' tests are tried on."""
    reference = (lab.folder / lab.files.module).read_text(encoding="utf-8")
    lab = replace(
        lab,
        reference=reference,
        variants=read_variants(lab.folder / "variants", reference),
        mutants=read_mutants(lab.folder / "mutants", reference, [q.name for q in lab.questions]),
    )
    if lab.mutants and "mutants" not in lab.thresholds:
        raise LabError(
            f"{lab.folder / 'lab.toml'}: [thresholds] mutants is missing; it is the share of planted bugs that "
            "the students' tests must notice"
        )
    return lab


def _if_file(path: Path) -> Path | None:
    return path if path.is_file() else None


def _notebook_path(folder: Path) -> tuple[Path, bool]:
    """Return the notebook that defines the lab, and whether the lab is a released one."""
    candidates = [(f"{folder.name}.py", False), (PRISTINE, True), (f"{folder.name}.ipynb", True)]
    for name, released in candidates:
        if (folder / name).is_file():
            return folder / name, released
    raise LabError(f"{folder}: no notebook; expected {folder.name}.py (a source) or {folder.name}.ipynb")


def _match_checks(lab: Lab) -> None:
    """Raise LabError unless checks name questions, and (in a source) every question has a check."""
    names = [question.name for question in lab.questions]
    checked = {OWN_TESTS}  # scored by the coverage of the student's tests, so it needs no checks
    for path in (lab.visible_checks, lab.hidden_checks):
        if path is None:
            continue
        found = read_checked(path)
        require_known(found, names, f"{path}: pytest.mark.question")
        checked |= found
    unchecked = [name for name in names if name not in checked]
    if unchecked and not lab.released:
        raise LabError(
            f"{lab.folder}: no check belongs to question {unchecked[0]!r}; add one or remove the cell"
        )
