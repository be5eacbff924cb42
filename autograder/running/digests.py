"""Digests of what a grade depends on beside the submission: two machines must agree on them, and two runs."""

import hashlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from autograder.labs.definition import Lab
from autograder.labs.secret import fingerprint
from itemmarket.paths import ROOT


@dataclass(frozen=True)
class Sources:
    """Digests of what decides on grades.

    Attributes
    ----------
    lab : str
        Of the lab's folder: checks, reference, points, limits.
    engine : str
        Of the grader's code and Python's version.
    secret : str
        Tells two secrets apart and gives neither away (see :func:`autograder.labs.secret.fingerprint`).
    """

    lab: str
    engine: str
    secret: str

    @classmethod
    def of(cls, lab: Lab) -> "Sources":
        """Read them from the files and the environment of this process."""
        return cls(_digest(lab.folder, _files(lab.folder)), _engine(), fingerprint(lab.name))

    def differences(self, other: "Sources") -> list[str]:
        """Return in words what differs."""
        words = {
            "lab": "the lab's source",
            "engine": "the grader (its code, or Python's version)",
            "secret": "the grading secret",
        }
        return [words[f.name] for f in fields(self) if getattr(self, f.name) != getattr(other, f.name)]


def place(lab: Lab) -> str:
    """Return where a lab lies, relative to the course where it is part of it: machines keep it elsewhere."""
    return lab.folder.relative_to(ROOT).as_posix() if lab.folder.is_relative_to(ROOT) else str(lab.folder)


def find(lab: str) -> Path:
    """Return the folder of a lab that :func:`place` named, on this machine."""
    return ROOT / lab


def _engine() -> str:
    packages = ("autograder", "itemmarket", "labkit")
    files = [p for package in packages for p in _files(ROOT / package) if p.suffix == ".py"]
    return f"{sys.version_info.major}.{sys.version_info.minor} {_digest(ROOT, files)}"


def _files(folder: Path) -> list[Path]:
    """Return the files that are source: what is hidden or compiled is not."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return [p for p in found if not any(_aside(part) for part in p.relative_to(folder).parts)]


def _aside(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__"


def _digest(folder: Path, files: Iterable[Path]) -> str:
    """Return the sha256 of the names and contents of files."""
    total = hashlib.sha256()
    for name, path in sorted((path.relative_to(folder).as_posix(), path) for path in files):
        total.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    return total.hexdigest()
