"""nbgrader's side of a graded class: the course root, the assignment, the gradebook, the graded notebooks.

nbgrader makes the assignment and keeps the gradebook. Scores come from our judge alone: they are written to
``auto_score`` through nbgrader's Gradebook API, from one process. What instructors enter (``manual_score``,
comments, extra credit, extensions, due dates) is never touched.
"""

import contextlib
import logging
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from autograder.intake.submission import HandedIn
from autograder.judging.verdict import Judged, Verdict
from autograder.labs.definition import Lab
from autograder.labs.markers import stub_module
from autograder.labs.notebooks import notebook_bytes, read_notebook
from autograder.results.explain import graded_notebook
from itemmarket.atomic import atomic_folder, atomic_path, write_text

CONFIG = '''"""An nbgrader course root. Open the formgrader with `jupyter lab` or `jupyter server` in this folder."""

c = get_config()  # noqa: F821

# Scores are written by `course.py grade`. nbgrader's own autograder would run students' code in your
# process and replace the scores, so that its steps which do either are left out.
c.Autograde.autograde_preprocessors = ["nbgrader.preprocessors.AssignLatePenalties"]
'''


class GradebookError(RuntimeError):
    """A course root that cannot be written: what was wrong and what to do."""


class CourseRoot:
    """The folder that a class is graded into.

    Parameters
    ----------
    folder : Path
        A new or empty folder, or an earlier course root, which is brought up to date.
    lab : Lab
        The lab to grade.

    Raises
    ------
    GradebookError
        If the folder holds something else, or the lab's cells have changed since it was made.
    """

    def __init__(self, folder: Path, lab: Lab) -> None:
        from nbgrader.api import Gradebook  # a second of imports, while judges are at work already

        self.folder, self.lab = folder.resolve(), lab
        check_folder(self.folder)
        self._url = f"sqlite:///{self.folder / 'gradebook.db'}"
        _find_alembic()
        if not (self.folder / "nbgrader_config.py").exists():
            write_text(self.folder / "nbgrader_config.py", CONFIG)
        if not (self.folder / "gradebook.db").exists():
            self._create_gradebook()
        with atomic_folder(self.folder / "source" / lab.name) as source:
            self._write_source(source)
        self._generate_assignment()
        self._release = read_notebook(self.folder / "release" / lab.name / lab.files.notebook)
        self._gradebook = Gradebook(self._url)  # one for the class: SQLAlchemy compiles each statement once

    def __enter__(self) -> "CourseRoot":
        """Return itself; the ``with`` block closes the gradebook."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the gradebook."""
        self._gradebook.close()

    def record(self, handed_in: HandedIn, judged: Judged) -> tuple[float, list[str]]:
        """Write what a judge made of a submission; doing so again changes nothing.

        Returns
        -------
        float
            The score as nbgrader exports it: with what the instructor entered, less a penalty for lateness.
        list of str
            Flags that say so.
        """
        student, name, verdict = handed_in.student, self.lab.name, judged.verdict
        notebook = graded_notebook(self._release, judged.arrangement, verdict)
        with atomic_folder(self.folder / "submitted" / student / name) as target:
            _write_files(handed_in, target)
            if handed_in.timestamp:
                stamp = handed_in.timestamp.strftime("%Y-%m-%d %H:%M:%S UTC\n")
                (target / "timestamp.txt").write_bytes(stamp.encode())
        with atomic_folder(self.folder / "autograded" / student / name) as target:
            _write_files(handed_in, target)
            (target / self.lab.files.notebook).write_bytes(notebook_bytes(notebook))
        write_text(self.folder / "logs" / student / f"{name}.txt", verdict.log)
        if self._write_scores(handed_in, verdict):
            self._assign_late_penalty(student, notebook)
        return self._final_score(student)

    def _write_scores(self, handed_in: HandedIn, verdict: Verdict) -> bool:
        """Write a submission's scores, and tell whether lateness may change what they are worth."""
        from sqlalchemy.exc import SAWarning

        name, student = self.lab.name, handed_in.student
        with warnings.catch_warnings(), self._session() as gradebook:
            warnings.simplefilter("ignore", SAWarning)  # nbgrader's order of rows displeases SQLAlchemy
            gradebook.update_or_create_student(student)
            entry = gradebook.update_or_create_submission(name, student)
            entry.timestamp = handed_in.timestamp
            for result in verdict.questions:
                grade = gradebook.find_grade(result.question.name, name, name, student)
                changed = grade.auto_score != result.score
                grade.auto_score = result.score
                by_hand = grade.manual_score is not None
                grade.needs_manual_grade = by_hand and (changed or grade.needs_manual_grade)
            gradebook.db.commit()
            penalties = (notebook.late_submission_penalty for notebook in entry.notebooks)
            return entry.total_seconds_late > 0 or any(penalties)

    def _assign_late_penalty(self, student: str, notebook: NotebookNode) -> None:
        """Let nbgrader's plugin decide, as its autograder would; by default it takes nothing off."""
        from nbgrader.preprocessors import AssignLatePenalties

        name = self.lab.name
        keys = {"notebook": name, "assignment": name, "student": student, "db_url": self._url}
        config = PyFileConfigLoader("nbgrader_config.py", path=str(self.folder)).load_config()
        AssignLatePenalties(config=config, log=_silent([])).preprocess(notebook, {"nbgrader": keys})

    def _final_score(self, student: str) -> tuple[float, list[str]]:
        name = self.lab.name
        with self._session() as gradebook:
            notebook = gradebook.find_submission_notebook(name, name, student)
            by_hand = any(g.manual_score is not None or g.extra_credit for g in notebook.grades)
            penalty = notebook.late_submission_penalty or 0.0
            flags = ["score-by-hand"] * by_hand + ["late-penalty"] * (penalty > 0)
            return max(0.0, round(notebook.score - penalty, 2)), flags

    @contextlib.contextmanager
    def _session(self) -> Iterator[Any]:
        """Yield the gradebook, and forget all that was read: others may write between two submissions."""
        try:
            yield self._gradebook
        finally:
            self._gradebook.db.remove()

    def _create_gradebook(self) -> None:
        """Make an empty gradebook beside its place: nbgrader cannot go on with one that is half made."""
        from nbgrader.api import Gradebook

        with atomic_path(self.folder / "gradebook.db") as temporary:
            Gradebook(f"sqlite:///{temporary}").close()

    def _write_source(self, source: Path) -> None:
        """Write what nbgrader makes the assignment from; it strips notebooks only, so modules go in as stubs."""
        lab = self.lab
        (source / lab.files.notebook).write_bytes(notebook_bytes(lab.notebook))
        for name in lab.files.python:
            stub = stub_module((lab.folder / name).read_text(encoding="utf-8"))
            (source / name).write_bytes(stub.encode())
        for path in (lab.visible_checks, lab.folder / "lab.toml"):
            shutil.copyfile(path, source / path.name)

    def _generate_assignment(self) -> None:
        from nbgrader.converters import GenerateAssignment
        from nbgrader.coursedir import CourseDirectory

        messages: list[str] = []
        log = _silent(messages)
        config = Config(GenerateAssignment={"force": True})
        course = CourseDirectory(root=str(self.folder), assignment_id=self.lab.name, config=config, log=log)
        try:
            GenerateAssignment(coursedir=course, config=config, log=log).start()
        except Exception as error:  # nbgrader raises what its preprocessors and its database raise
            if any("Cannot add or remove cells" in message for message in messages):
                raise GradebookError(
                    f"the cells of {self.lab.name} have changed since {self.folder} was made: "
                    "grade into a new folder, or remove that one"
                ) from None
            raise GradebookError(
                f"nbgrader cannot make the assignment: {error} {' '.join(messages)}"
            ) from error


def _write_files(handed_in: HandedIn, target: Path) -> None:
    for name, content in handed_in.files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)


def check_folder(folder: Path) -> None:
    """Refuse a folder that must not be graded into.

    Raises
    ------
    GradebookError
        If it is a file, or holds something that is no course root.
    """
    if folder.exists() and not folder.is_dir():
        raise GradebookError(f"{folder} is a file: name a folder for the grades")
    ours = (folder / "nbgrader_config.py").is_file()  # the first thing that is written, beside what is hidden
    if folder.is_dir() and not ours and any(path.name[0] != "." for path in folder.iterdir()):
        raise GradebookError(
            f"{folder} is not empty and no nbgrader course (it has no nbgrader_config.py): "
            "name an empty folder or that of an earlier grading"
        )


def _silent(messages: list[str]) -> logging.Logger:
    """Return a logger that prints nothing and keeps errors in ``messages``."""
    log = logging.Logger("nbgrader", logging.ERROR)
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    log.addHandler(handler)
    return log


def _find_alembic() -> None:
    """Put the environment's programs on PATH: nbgrader starts ``alembic`` by name."""
    programs = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", "")
    if programs not in path.split(os.pathsep):
        os.environ["PATH"] = programs + os.pathsep + path
