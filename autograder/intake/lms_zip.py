"""Submissions out of a learning platform's ZIP: nbgrader's collector, behind an extractor that trusts no archive.

nbgrader's plugin reads students and files out of the names and puts them where they belong. Its extractor unpacks
whatever it is given; ours replaces it. What is wrong with one file is told in a sentence and costs that file only.
"""

import contextlib
import logging
import re
import shutil
import stat
import sys
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from traitlets.config import Config

from autograder.intake.submission import MAX_ARTEFACT, MAX_FILES, MAX_NOTEBOOK, SubmissionsError
from autograder.labs.definition import Lab
from itemmarket.atomic import atomic_folder

if TYPE_CHECKING:
    from nbgrader.plugins import FileNameCollectorPlugin

MAX_MEMBERS = 200_000
MAX_TOTAL = 20 * 2**30
MAX_RATIO = 200  # of a file's size to its compressed size; text reaches 20
SMALL = 2**20  # up to here a ratio harms nobody: an empty notebook may be all blanks
NAMINGS = {
    # Ada Lovelace_123456_assignsubmission_file_/mlp.py, or without the folder
    "Moodle": r"(?:.*/)?(?P<student_id>[^/]+_\d+)_assignsubmission_file_?/?(?P<file_id>.+)",
    "nbgrader": r"(?:[^/]+/)*?(?P<student_id>[^/]+)/LAB/(?P<file_id>.+)",
    # lovelaceada_LATE_1234_56789_mlp-1.py: user, attachment, and the number of a file handed in again
    "Canvas": r"(?:.*/)?(?P<name>[^/_]+)_(?P<late>LATE_)?(?P<student_id>\d+)_\d+_(?P<file_id>[^/]+)",
}
"""How platforms name files: regular expressions as nbgrader's FileNameCollectorPlugin takes them; LAB is the lab."""

_AGAIN = re.compile(r"(?P<stem>.+)-(?P<number>\d{1,3})(?P<suffix>\.\w+)")
_KINDS = (".py", ".ipynb", ".zip")
_STAMP = "timestamp.txt"
_NOISE = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


class CollectError(SubmissionsError):
    """A ZIP that cannot be collected at all: what was wrong and what to do."""


class _Unwanted(ValueError):
    """A file that is left out; the text says why."""


@dataclass
class _Found:
    """One file of a student in the archive; ``turn`` orders what has the same name: the last counts."""

    archive: zipfile.ZipFile
    member: zipfile.ZipInfo
    shown: str
    file: str
    turn: tuple[str, int]


@dataclass
class _Student:
    """What is known of one student: files by name without case, when it came, and how much there is."""

    name: str
    files: dict[str, _Found] = field(default_factory=dict)
    timestamp: str = ""
    late: bool = False


def _to_stderr(sentence: str) -> None:
    print(f"collect: {sentence}", file=sys.stderr)


def collect(
    zip_path: Path,
    lab: Lab,
    into: Path,
    pattern: str | None = None,
    tell: Callable[[str], object] = _to_stderr,
) -> Path:
    """Sort the files of a platform's ZIP into ``into/STUDENT/LAB/``.

    Parameters
    ----------
    zip_path : Path
        What Canvas ("Download Submissions"), Moodle ("Download all submissions") or a colleague
        (``STUDENT/LAB/``) gave. A ZIP that a student handed in is unpacked, too.
    lab : Lab
        The lab.
    into : Path
        The folder to make; an earlier one is replaced when all has been read.
    pattern : str, optional
        A regular expression with the groups ``student_id`` and ``file_id``, and ``timestamp`` where names have
        one, in place of :data:`NAMINGS`. It is matched with the file's path in the archive.
    tell : callable
        Is told what was left out or replaced, a sentence at a time; by default on standard error.

    Returns
    -------
    Path
        ``into``.

    Raises
    ------
    CollectError
        If the file is no ZIP, is far too large, or no name in it can be read.
    """
    namings = {"your pattern": pattern} if pattern else NAMINGS
    try:
        for text in namings.values():
            re.compile(text)
        archive = zipfile.ZipFile(zip_path)
    except re.error as error:
        raise CollectError(f"the pattern {pattern!r} is no regular expression: {error}") from error
    except (OSError, zipfile.BadZipFile) as error:
        raise CollectError(f"{zip_path} cannot be read as a ZIP ({error}): download it again") from error
    with archive, tempfile.TemporaryDirectory(prefix="collect-") as folder:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise CollectError(f"{zip_path} holds {len(members):,} files: that is no class")
        kinds = {PurePosixPath(_shown(member)).suffix for member in members}
        plugins = [_plugin(text.replace("LAB", re.escape(lab.name)), kinds) for text in namings.values()]
        with contextlib.closing(_Reader(lab, plugins, Path(folder), tell)) as reader:
            students = reader.read(archive)
            if not any(student.files for student in students):
                raise CollectError(
                    f"{zip_path} holds no submission under the names of {', '.join(namings)}: "
                    f"unpack it into SUBMITTED/STUDENT/{lab.name}/ yourself"
                )
            with atomic_folder(into) as target:
                _transfer(lab, students, Path(folder) / "course", target, tell)
    return into


def _plugin(named_regexp: str, suffixes: Iterable[str]) -> "FileNameCollectorPlugin":
    """Return nbgrader's reader of file names for one naming."""
    from nbgrader.plugins import FileNameCollectorPlugin

    settings = {"named_regexp": f"^(?:{named_regexp})$", "valid_ext": sorted(suffixes)}
    return FileNameCollectorPlugin(config=Config(FileNameCollectorPlugin=settings), log=_silent())


class _Reader:
    """Reads the directory of an archive, and of archives in it; extracts nothing but students' archives."""

    def __init__(self, lab: Lab, plugins: list[Any], folder: Path, tell: Callable[[str], object]) -> None:
        self._lab, self._plugins, self._folder, self._tell = lab, plugins, folder, tell
        self._known = {name.casefold(): name for name in lab.files}
        self._inner: list[zipfile.ZipFile] = []
        self._total = 0

    def close(self) -> None:
        """Close the students' archives."""
        for archive in self._inner:
            archive.close()

    def read(self, archive: zipfile.ZipFile) -> list[_Student]:
        """Return the students with the files that are to be extracted."""
        students: dict[str, _Student] = {}
        for member in archive.infolist():
            shown = _shown(member)
            if member.is_dir() or any(noise in shown for noise in _NOISE):
                continue
            try:
                self._take(archive, member, shown, students)
            except _Unwanted as why:
                self._tell(f"{shown!r} {why}: it was left out.")
            except (
                OSError,
                RuntimeError,
                NotImplementedError,
                zipfile.BadZipFile,
                zipfile.LargeZipFile,
            ) as error:
                self._tell(f"{shown!r} cannot be unpacked ({error}): it was left out.")
        for student in students.values():
            if student.late:
                self._tell(
                    f"{student.name} handed in late, says the name of the file, but not how late: "
                    "enter the time in the gradebook if it matters."
                )
        return list(students.values())

    def _take(
        self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, shown: str, students: dict[str, _Student]
    ) -> None:
        """Note whose file a member is."""
        path = _safe(member, shown)
        found = next(filter(None, (plugin.collect(path) for plugin in self._plugins)), None)
        if found is None:
            kind = PurePosixPath(path).suffix.lower()
            raise _Unwanted(
                "has a name that does not say whose it is"
                if kind in _KINDS
                else "is no kind of file that is graded"
            )
        name = _folder_name("_".join(filter(None, (found.get("name"), found["student_id"]))))
        student = students.setdefault(name.casefold(), _Student(name))
        if student.name != name:
            self._tell(f"{name!r} and {student.name!r} differ in case only and were taken for one student.")
        student.late |= bool(found.get("late"))
        if PurePosixPath(path).name == _STAMP:
            student.timestamp = _content(archive, member)[:100].decode("utf-8", "replace").strip()
            return
        moment = self._moment(found.get("timestamp"), shown)
        student.timestamp = max(student.timestamp, moment)
        if path.lower().endswith(".zip"):
            for inner, shown_inner, file in self._open(archive, member, shown):
                self._keep(student, _Found(self._inner[-1], inner, shown_inner, file, (moment, 0)))
        else:
            file, again = self._file_name(found["file_id"])
            self._keep(student, _Found(archive, member, shown, file, (moment, again)))

    def _moment(self, text: str | None, shown: str) -> str:
        """Return the time in a file's name as ISO 8601, in UTC; empty where there is none."""
        from nbgrader.utils import parse_utc

        try:
            return parse_utc(text).isoformat(" ", "seconds") if text else ""
        except (ValueError, OverflowError):
            self._tell(f"{text!r} in the name {shown!r} is no time: it was ignored.")
            return ""

    def _open(
        self, outer: zipfile.ZipFile, member: zipfile.ZipInfo, shown: str
    ) -> Iterator[tuple[zipfile.ZipInfo, str, str]]:
        """Yield the files of a ZIP that a student handed in, relative to where its notebook or module lies."""
        path = self._folder / f"{len(self._inner)}.zip"
        path.write_bytes(_content(outer, member))
        self._inner.append(zipfile.ZipFile(path))
        for inner in self._inner[-1].infolist()[: 10 * MAX_FILES]:
            name = f"{shown}/{_shown(inner)}"
            if inner.is_dir() or any(noise in name for noise in _NOISE):
                continue
            try:
                parts = PurePosixPath(_safe(inner, _shown(inner))).parts
                start = parts.index("artefact") if "artefact" in parts else len(parts) - 1
                yield inner, name, self._file_name("/".join(parts[start:]))[0]
            except _Unwanted as why:
                self._tell(f"{name!r} {why}: it was left out.")

    def _file_name(self, name: str) -> tuple[str, int]:
        """Return the name under which a file is handed in, and how often it was before."""
        parts = PurePosixPath(name).parts
        if parts[0] == "artefact" and len(parts) > 1:
            return "/".join(map(_folder_name, parts)), 0
        name = _folder_name(parts[-1])
        again = _AGAIN.fullmatch(name)
        if again and (known := self._known.get((again["stem"] + again["suffix"]).casefold())):
            return known, int(again["number"])
        if PurePosixPath(name).suffix.lower() not in (".py", ".ipynb"):
            raise _Unwanted("is no kind of file that is graded")
        return self._known.get(name.casefold(), name), 0

    def _keep(self, student: _Student, found: _Found) -> None:
        """Keep a file, in place of an earlier one of the same name, or tell why not."""
        key = found.file.casefold()
        earlier = student.files.get(key)
        size = found.member.file_size
        taken = sum(other.member.file_size for other in student.files.values())
        why = ""
        if earlier and earlier.turn >= found.turn:
            order = "came first" if earlier.turn == found.turn else "is newer"
            why = f"has the same name as {earlier.shown!r}, which {order}"
        elif not earlier and len(student.files) >= MAX_FILES:
            why = f"is one of more than {MAX_FILES} files of {student.name}"
        elif taken + size > 2 * MAX_ARTEFACT:
            why = f"makes the submission of {student.name} larger than {2 * MAX_ARTEFACT:,} bytes"
        elif self._total + size > MAX_TOTAL:
            why = f"does not fit: the archive unpacks to more than {MAX_TOTAL:,} bytes"
        if why:
            self._tell(f"{found.shown!r} {why}: it was left out.")
            return
        if earlier:
            self._tell(f"{earlier.shown!r} was handed in again as {found.shown!r}, which counts.")
        self._total += size
        student.files[key] = found


def _safe(member: zipfile.ZipInfo, shown: str) -> str:
    """Return a member's path, or say why the member must not be unpacked."""
    path = PurePosixPath(shown)
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", shown):
        raise _Unwanted("leads out of the archive")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in shown):
        raise _Unwanted("has control characters in its name")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind and not stat.S_ISREG(kind):
        raise _Unwanted("is a link or no regular file")
    if member.flag_bits & 1:
        raise _Unwanted("is encrypted")
    limit = MAX_NOTEBOOK if path.suffix.lower() == ".ipynb" else MAX_ARTEFACT
    if member.file_size > limit:
        raise _Unwanted(f"unpacks to {member.file_size:,} bytes, and at most {limit:,} are read")
    if member.file_size > SMALL and member.file_size > MAX_RATIO * max(1, member.compress_size):
        raise _Unwanted(f"unpacks to more than {MAX_RATIO} times its size, as ZIP bombs do")
    return unicodedata.normalize("NFC", path.as_posix())


def _shown(member: zipfile.ZipInfo) -> str:
    """Return a member's path as it was meant: UTF-8 also where the archive does not say so, and with slashes."""
    name = member.orig_filename
    if not member.flag_bits & 0x800:  # zipfile has read it as code page 437
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _folder_name(name: str) -> str:
    """Return a name that every file system takes and that :func:`find_submissions` does not overlook."""
    name = re.sub(r'[<>:"/\\|?*]', "_", name).strip(" .")[:100].rstrip(" .").lstrip("_")
    if not name:
        raise _Unwanted("has no name left without what file systems refuse")
    return f"{name}_" if re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name) else name


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return a member's bytes; zipfile stops at the size that its directory names, which has been looked at."""
    with archive.open(member) as file:
        return file.read(member.file_size + 1)


def _transfer(
    lab: Lab, students: list[_Student], course: Path, target: Path, tell: Callable[[str], object]
) -> None:
    """Unpack the chosen files and let nbgrader's collector put them in place."""
    from nbgrader.apps.zipcollectapp import ZipCollectApp
    from nbgrader.coursedir import CourseDirectory

    extracted = course / "downloaded" / lab.name / "extracted"
    for student in students:
        for found in student.files.values():
            path = extracted / student.name / lab.name / found.file
            try:
                content = _content(found.archive, found.member)
            except (OSError, RuntimeError, NotImplementedError, ValueError, zipfile.BadZipFile) as error:
                tell(f"{found.shown!r} cannot be unpacked ({error}): it was left out.")
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    app = ZipCollectApp(log=_silent())
    app.coursedir = CourseDirectory(root=str(course), assignment_id=lab.name, log=_silent())
    app.coursedir.submitted_directory = "submitted"
    name, slash = re.escape(lab.name), r"[/\\]"
    app.collector_plugin_inst = _plugin(
        f".*{slash}downloaded{slash}{name}{slash}extracted{slash}"
        rf"(?P<student_id>[^/\\]+){slash}{name}{slash}(?P<file_id>.+)",
        {path.suffix for path in extracted.rglob("*") if path.is_file()},
    )
    try:
        app.process_extracted_files()
    except SystemExit as error:  # nbgrader's way to fail
        raise CollectError(f"nbgrader cannot collect {lab.name}") from error
    for student in students:
        folder = course / "submitted" / student.name
        if folder.is_dir():
            if student.timestamp:
                (folder / lab.name / _STAMP).write_text(student.timestamp, encoding="utf-8")
            shutil.move(folder, target / student.name)


def _silent() -> logging.Logger:
    """Return a logger that says nothing: what matters is told in our own words."""
    log = logging.Logger("collect", logging.CRITICAL)
    log.addHandler(logging.NullHandler())
    return log
