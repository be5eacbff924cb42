"""What a student handed in, read without believing any of it."""

import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from autograder.intake.arrangement import Arrangement, arrange
from autograder.labs.definition import Lab
from autograder.labs.notebooks import read_notebook

MAX_NOTEBOOK = 50 * 2**20
MAX_CODE = 2**20
MAX_ARTEFACT = 200 * 2**20
MAX_FILES = 200


class SubmissionsError(ValueError):
    """A folder of submissions that cannot be graded as a whole: what was wrong and what to do."""


@dataclass(frozen=True)
class HandedIn:
    """What one student handed in, as plain data: it can be sent to wherever it is judged.

    Attributes
    ----------
    student : str
        Name of the student's folder.
    files : dict of str to bytes
        Notebook, Python files and artefact, by their path in the folder.
    notes : list of str
        What was left out, in words.
    timestamp : datetime or None
        When it was handed in (UTC, naive, as nbgrader keeps it), from ``timestamp.txt`` if there is one.
    """

    student: str
    files: dict[str, bytes]
    notes: list[str] = field(default_factory=list)
    timestamp: datetime | None = None

    @property
    def digest(self) -> str:
        """The sha256 of all that a judge sees of it."""
        parts = [(name, hashlib.sha256(content).hexdigest()) for name, content in sorted(self.files.items())]
        return hashlib.sha256(repr((self.student, parts, self.notes)).encode()).hexdigest()


@dataclass(frozen=True)
class Submission:
    """One student's folder, as a judge reads it.

    Attributes
    ----------
    student : str
        Name of the student's folder.
    folder : Path
        Where it is.
    files : dict of str to Path
        What the worker needs, by its path there: the student's files and the lab's public ones.
    own : dict of str to Path
        The student's files alone.
    arrangement : Arrangement
        The code of the notebook's cells; empty when it cannot be read.
    notes, flags : list of str
        What was put right or left out, in words and for the table.
    corrupt : str
        Why the notebook cannot be read; empty when it can or is not there.
    """

    student: str
    folder: Path
    files: dict[str, Path]
    own: dict[str, Path]
    arrangement: Arrangement = field(default_factory=Arrangement)
    notes: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    corrupt: str = ""

    @property
    def missing(self) -> bool:
        """Whether nothing was handed in."""
        return not self.own


def find_submissions(submitted: Path, lab: str) -> dict[str, Path]:
    """Return the folder of each student's submission (which may not exist), by the student's name.

    Raises
    ------
    SubmissionsError
        If ``submitted`` is no folder or holds no submission of the lab.
    """
    layout = f"expected SUBMITTED/STUDENT/{lab}/"
    if not submitted.is_dir():
        raise SubmissionsError(f"{submitted} is no folder: {layout}")
    students = sorted(p for p in submitted.iterdir() if p.is_dir() and p.name[0] not in "._")
    if not any((student / lab).is_dir() for student in students):
        hint = f"; {submitted.parent} may be the folder that is meant" if (submitted / lab).is_dir() else ""
        raise SubmissionsError(f"{submitted} holds no submissions of {lab}: {layout}{hint}")
    return {student.name: student / lab for student in students}


def pack(lab: Lab, student: str, folder: Path) -> HandedIn:
    """Read what a student handed in, without looking into it.

    Raises
    ------
    OSError
        If a file cannot be read.
    """
    notes: list[str] = []
    files = {name: path.read_bytes() for name, path in _student_files(lab, folder, notes)}
    return HandedIn(student, files, notes, _timestamp(folder))


def unpack(lab: Lab, handed_in: HandedIn, folder: Path) -> Submission:
    """Write a student's files into an empty folder and read them as :func:`read_submission` does."""
    own = {name: folder / name for name in handed_in.files}
    for name, path in own.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(handed_in.files[name])
    return _read(lab, handed_in.student, folder, own, list(handed_in.notes))


def read_submission(lab: Lab, student: str, folder: Path) -> Submission:
    """Read a submission; whatever is wrong with it becomes a note, never an error."""
    notes: list[str] = []
    return _read(lab, student, folder, dict(_student_files(lab, folder, notes)), notes)


def _read(lab: Lab, student: str, folder: Path, own: dict[str, Path], notes: list[str]) -> Submission:
    """Put a submission in order; ``notes`` says what was left out of it."""
    public = {path.name: path for path in (lab.visible_checks, lab.folder / "lab.toml")}
    files = {name: path for name, path in own.items() if not name.endswith(".ipynb")} | public
    flags = ["file-left-out"] if notes else []
    if own:
        for name, flag in zip(lab.files, ("no-notebook", "no-module", "no-tests"), strict=True):
            if name not in own:
                notes.append(f"{name} is missing.")
                flags.append(flag)
    arrangement, corrupt = Arrangement(), ""
    if lab.files.notebook in own:
        try:
            with warnings.catch_warnings(action="ignore"):  # nbformat's, about ids that occur twice
                arrangement = arrange(lab.notebook, read_notebook(own[lab.files.notebook]))
        except (OSError, ValueError, RecursionError, MemoryError) as error:
            corrupt = str(error)[:300] or type(error).__name__
            notes.append(f"The notebook cannot be read, so its cells count as empty: {corrupt}")
    notes += arrangement.notes
    flags += arrangement.flags
    return Submission(student, folder, files, own, arrangement, notes, flags, corrupt)


def _timestamp(folder: Path) -> datetime | None:
    """Return when a submission was handed in; what is no date counts as none."""
    path = folder / "timestamp.txt"
    try:
        if path.is_symlink() or not path.is_file():  # reading a pipe would wait for ever
            return None
        with path.open("rb") as file:
            text = file.read(100).decode("utf-8").strip()
        moment = datetime.fromisoformat(text.removesuffix(" UTC"))
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (OSError, ValueError, OverflowError):
        return None


def _student_files(lab: Lab, folder: Path, notes: list[str]) -> Iterator[tuple[str, Path]]:
    """Yield notebook, Python files and artefact: regular files of sane sizes; links could lead anywhere."""
    if not folder.is_dir() or folder.is_symlink() or folder.parent.is_symlink():
        return
    notebooks = [p for p in sorted(folder.glob("*.ipynb")) if not p.name.startswith(".")]
    for path in notebooks:
        # One notebook under another name ("lab (1).ipynb") is the notebook; among several the name decides.
        if (path.name == lab.files.notebook or len(notebooks) == 1) and _usable(path, MAX_NOTEBOOK, notes):
            yield lab.files.notebook, path
    room = MAX_ARTEFACT
    artefact = [] if (folder / "artefact").is_symlink() else sorted((folder / "artefact").rglob("*"))
    modules = sorted(folder.glob("*.py"), key=lambda path: (path.name not in lab.files, path.name))
    for path in [*modules, *artefact][:MAX_FILES]:
        size = MAX_CODE if path.suffix == ".py" else room
        if path.is_symlink() or path.is_file():
            if not _usable(path, size, notes):
                continue
            room -= path.stat().st_size
            yield path.relative_to(folder).as_posix(), path


def _usable(path: Path, limit: int, notes: list[str]) -> bool:
    """Tell whether a file may be copied, or note why not."""
    if path.is_symlink() or not path.is_file():
        notes.append(f"{path.name} is a link or no regular file: it was left out.")
    elif path.stat().st_size > limit:
        notes.append(
            f"{path.name} has {path.stat().st_size:,} bytes, at most {limit:,} are read: it was left out."
        )
    else:
        return True
    return False
