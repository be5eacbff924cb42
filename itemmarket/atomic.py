"""Writes that happen whole or not at all: a temporary neighbour, then one rename.

A reader never sees half a file, and a failed write leaves what was there before. The temporary file or
folder lies beside its target, so that the rename stays within one file system.
"""

import contextlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def _neighbour(path: Path) -> Path:
    """Return an unused hidden name beside ``path``; ``path``'s parents are made when missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    start = path.name[:40]  # file systems take 255 bytes, and the longest name must leave room for the rest
    return path.with_name(f".{start}.{uuid.uuid4().hex[:12]}.tmp")


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write a file to; it becomes ``path`` when the block ends without an error.

    Parameters
    ----------
    path : path-like
        The file to make or replace. Missing parents are made.

    Yields
    ------
    Path
        Where to write. It has the suffix ``.tmp``: pass formats explicitly to libraries that guess by suffix.

    Raises
    ------
    OSError
        When the block or the rename fails (disk full, no permission); the old file is then untouched.
    """
    target = Path(path)
    temporary = _neighbour(target)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # the rename must not reach the disk before the bytes do
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary folder to fill; it becomes ``path`` when the block ends without an error.

    No system replaces a non-empty folder in one step: the old one is moved aside first, and put back
    should the second rename fail.

    Parameters
    ----------
    path : path-like
        The folder to make or replace as a whole. Missing parents are made.

    Yields
    ------
    Path
        An empty folder to write into.

    Raises
    ------
    OSError
        When the block or a rename fails; the old folder is then untouched.
    NotADirectoryError
        When ``path`` is a file.
    """
    target = Path(path)
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(
            f"{target} is a file, and a folder is to be written there: move the file away"
        )
    temporary = _neighbour(target)
    temporary.mkdir()
    aside = _neighbour(target)
    try:
        yield temporary
        if target.exists():
            target.rename(aside)
        try:
            temporary.rename(target)
        except OSError:
            if aside.exists():
                aside.rename(target)
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Remove what writers that were killed have left anywhere in ``folder``; nobody may be writing there."""
    for path in Path(folder).rglob(".*.tmp"):
        if re.fullmatch(r"\..+\.[0-9a-f]{12}\.tmp", path.name):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write ``content`` to ``path`` whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` as UTF-8 with ``\\n`` line ends (the same bytes on every system), whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write ``value`` as indented JSON, whole or not at all; NaN and infinity are refused (JSON has none)."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_parquet(path: str | os.PathLike[str], frame: "pd.DataFrame") -> None:
    """Write ``frame`` (columns only, no index) as zstd parquet, whole or not at all.

    The same frame gives the same bytes with the same pyarrow version.
    """
    with atomic_path(path) as temporary:
        frame.to_parquet(temporary, index=False, engine="pyarrow", compression="zstd", compression_level=9)
