"""SHA-256 of data files, kept in the format of ``sha256sum`` (so ``sha256sum -c checksums.txt`` reads it too)."""

import hashlib
import os
import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from itemmarket.atomic import write_text
from itemmarket.errors import MarketDataError

FILE_NAME = "checksums.txt"
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


class Verdict(NamedTuple):
    """One file of the list and what is wrong with it (``None``: nothing)."""

    name: str
    problem: str | None


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_checksums(file: str | os.PathLike[str]) -> dict[str, str]:
    """Return the digests of a checksum file by name; names are relative to its folder.

    Raises
    ------
    MarketDataError
        The file is missing or not of that format, or a name leads out of its folder.
    """
    file = Path(file)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise MarketDataError(f"cannot read the checksums {file}: {reason}") from error
    digests = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line)
        if not match:
            raise MarketDataError(f"{file}, line {number}: not a SHA-256, two spaces and a file name")
        digest, name = match.groups()
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
            raise MarketDataError(f"{file}, line {number}: {name!r} leads out of the folder")
        digests[name] = digest
    return digests


def record_checksum(file: str | os.PathLike[str], name: str, digest: str) -> Path:
    """Add or replace one digest in a checksum file (made when missing, sorted by name); return that file."""
    file = Path(file)
    digests = (read_checksums(file) if file.exists() else {}) | {name: digest}
    write_text(file, "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())))
    return file


def verify_checksums(folder: str | os.PathLike[str]) -> list[Verdict]:
    """Compare every listed file of ``folder`` with its digest.

    Raises
    ------
    MarketDataError
        The list is missing, malformed or empty: nothing would be verified.
    """
    folder = Path(folder)
    digests = read_checksums(folder / FILE_NAME)
    if not digests:
        raise MarketDataError(
            f"{folder / FILE_NAME} lists no file: write it with `python course.py data build`"
        )
    return [Verdict(name, _problem(folder / name, digest)) for name, digest in digests.items()]


def _problem(path: Path, digest: str) -> str | None:
    """Return what is wrong with one file, or None."""
    try:
        found = sha256_of(path)
    except OSError as error:
        return "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
    return None if found == digest else f"has sha256 {found[:12]}…, expected {digest[:12]}…"
