"""Import of a price archive: per-item CSV files, a zip of them, or a parquet file, into one market table.

The layout is that of the public archive ``Sapphirine/202412-22-CSGO-Skin-Price-Predictor`` (folder
``csgo_market_data/prices``): one CSV per item with the columns date, price and volume, named after the item
with ``\\ / * ? : " < > |`` deleted and spaces written as underscores; the last month is hourly. Rows are checked one
by one: a bad row is reported with file, line and reason, and the good ones are kept.
"""

import csv
import functools
import os
import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as parquet
from pandas.api.types import union_categoricals

from itemmarket.atomic import atomic_path, write_parquet
from itemmarket.errors import MarketDataError
from itemmarket.market.prices import COLUMNS, GAMES, validate_prices

MAX_FILE_BYTES = 64 * 2**20
"""A per-item CSV holds about 100 kB; whatever is this large is something else, or a bomb."""
MAX_TOTAL_BYTES = 4 * 2**30
MAX_LINE_BYTES = 4096
MAX_PRICE = 1e9
MAX_VOLUME = 10**12

_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.0+)?)?)?", re.ASCII)
_STEAM = re.compile(r"([A-Z][a-z]{2}) (\d\d) (\d{4}) (\d\d): \+0", re.ASCII)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ZONED = re.compile(r".*\d(?:Z| ?[+-]\d\d(?::?\d\d)?)", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_FORBIDDEN = re.compile(r'[\\/*?:"<>|]')


class _Unusable(Exception):
    """A row or a file that cannot be used; the text is the reason that the report gives."""


@dataclass(frozen=True)
class Reject:
    """One line of the rejects file: where, and why. Line 0 is the file as a whole; parquet counts rows from 1."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Attributes
    ----------
    destination, rejects_file : Path
        The market table, and the CSV (file, line, reason) of what was left out.
    files, rows_read : int
        Files found, and rows below their headers.
    rows, items : int
        Rows (one per item and day) and items of the market table.
    first, last : Timestamp
        Its first and last day.
    rejects : tuple of Reject
        By file and line.
    """

    destination: Path
    rejects_file: Path
    files: int
    rows_read: int
    rows: int
    items: int
    first: pd.Timestamp
    last: pd.Timestamp
    rejects: tuple[Reject, ...] = field(repr=False)

    @property
    def rejected_rows(self) -> int:
        """Rows left out."""
        return sum(reject.line > 0 for reject in self.rejects)

    @property
    def rejected_files(self) -> int:
        """Files that could not be used at all."""
        return sum(reject.line == 0 for reject in self.rejects)

    def __str__(self) -> str:
        """Return the summary in one line."""
        return (
            f"{self.rows} rows of {self.items} items, {self.first:%Y-%m-%d} to {self.last:%Y-%m-%d}, from"
            f" {self.rows_read} rows in {self.files} files; rejected {self.rejected_rows} rows and"
            f" {self.rejected_files} files"
        )


def archive_stem(name: str) -> str:
    """Return the file name (without ``.csv``) under which the public archive stores an item."""
    return _FORBIDDEN.sub("", name).replace(" ", "_")


def item_name(stem: str, known: dict[str, str] | None = None) -> str:
    """Return the market hash name of a per-item file.

    Parameters
    ----------
    stem : str
        File name without ``.csv``: as the archive writes it, or the name itself.
    known : dict of str to str, optional
        Names by their :func:`archive_stem`. It restores the characters that the archive deletes; without it
        two underscores are read as ``" | "``, which is right for all but the few names with one of ``/*?:"<>``.
    """
    stem = unicodedata.normalize("NFC", stem)  # a Mac may hand out decomposed letters
    if known and stem in known:
        return known[stem]
    if " " not in stem:
        stem = stem.replace("__", " | ").replace("_", " ")
    return stem.strip()


def _quote(text: str) -> str:
    """Return a value as a reason quotes it: escaped and not too long."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _parse_date(text: str) -> datetime:
    """Return the moment (naive UTC) that an archive writes, ISO or Steam's ``Dec 01 2014 01: +0``."""
    try:
        if _ISO.fullmatch(text):
            moment = datetime.fromisoformat(text)
        elif steam := _STEAM.fullmatch(text):
            month, day, year, hour = steam.groups()
            moment = datetime(int(year), _MONTHS.index(month) + 1, int(day), int(hour))
        elif not text:
            raise _Unusable("date is missing")
        elif _NUMBER.fullmatch(text):
            raise _Unusable(f"date {_quote(text)} is a number, not a date (unix seconds are not read)")
        elif _ZONED.fullmatch(text):
            raise _Unusable(f"date {_quote(text)} has a time zone: give UTC without one")
        else:
            raise _Unusable(f"date {_quote(text)} is not of the form YYYY-MM-DD [HH:MM:SS]")
    except ValueError:
        raise _Unusable(f"date {_quote(text)} does not exist") from None
    if not 2000 <= moment.year < 2100:
        raise _Unusable(f"date {_quote(text)} is not in the years 2000 to 2099")
    return moment


def _parse_number(text: str, what: str) -> float:
    if _NUMBER.fullmatch(text):
        return float(text)
    if not text:
        raise _Unusable(f"{what} is missing")
    comma = " (decimal comma: write a point)" if re.fullmatch(r"[+-]?\d+,\d+", text) else ""
    raise _Unusable(f"{what} {_quote(text)} is not a finite number{comma}")


def _check_values(price: float, volume: float) -> None:
    """Refuse a price or volume that no market can have."""
    if not price > 0:
        raise _Unusable(f"price {price:g} is not above 0")
    if price > MAX_PRICE:
        raise _Unusable(f"price {price:g} is above {MAX_PRICE:g} USD")
    if volume < 0:
        raise _Unusable(f"volume {volume:g} is below 0")
    if volume != volume or volume % 1:
        raise _Unusable(f"volume {volume:g} is not a whole number")
    if volume > MAX_VOLUME:
        raise _Unusable(f"volume {volume:g} is above {MAX_VOLUME:g}")


def _fields(line: bytes) -> list[str]:
    """Return the fields of one line of CSV, stripped."""
    if len(line) > MAX_LINE_BYTES:
        raise _Unusable(f"line has {len(line)} bytes, more than {MAX_LINE_BYTES}")
    if b"\0" in line:
        raise _Unusable("line has NUL bytes")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise _Unusable("line is not UTF-8 text") from None
    if '"' not in text:
        return [value.strip() for value in text.split(",")]
    try:
        return [value.strip() for value in next(csv.reader([text], strict=True))]
    except csv.Error:
        raise _Unusable("a quoted field does not end") from None


_Reject = Callable[[int, str], None]
"""Takes the line and the reason of a row that is left out."""


def _read_csv(content: bytes, reject: _Reject) -> tuple[pd.DataFrame, int]:
    """Return the good rows (line, moment, price, volume) of a per-item CSV and the number of rows read.

    Each line is parsed by itself (no field of a price history spans lines), so that a quote that never ends
    costs one row and every reason has its line.
    """
    content = content.removeprefix(b"\xef\xbb\xbf")
    if not content.strip():
        raise _Unusable("file is empty")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _Unusable("file is UTF-16: save it as UTF-8")
    lines = content.splitlines()
    top = next(i for i, line in enumerate(lines) if line.strip())
    try:
        header = [column.lower() for column in _fields(lines[top])]
    except _Unusable as problem:
        raise _Unusable(f"no header: {problem}") from None
    wanted = ("date", "price", "volume")
    if missing := [column for column in wanted if column not in header]:
        raise _Unusable(f"no column {', '.join(missing)} in the header {_quote(','.join(header))}")
    if twice := [column for column in wanted if header.count(column) > 1]:
        raise _Unusable(f"column {', '.join(twice)} is twice in the header")
    at_date, at_price, at_volume = map(header.index, wanted)

    moments, prices, volumes, numbers, read = [], [], [], [], 0
    for number, line in enumerate(lines[top + 1 :], top + 2):
        if not line.strip():
            continue
        read += 1
        try:
            fields = _fields(line)
            if len(fields) != len(header):
                raise _Unusable(f"{len(fields)} fields where the header has {len(header)}")
            moment = _parse_date(fields[at_date])
            price = _parse_number(fields[at_price], "price")
            volume = _parse_number(fields[at_volume], "volume")
            _check_values(price, volume)
        except _Unusable as problem:
            reject(number, str(problem))
            continue
        moments.append(moment)
        prices.append(price)
        volumes.append(int(volume))
        numbers.append(number)
    if not read:
        raise _Unusable("no rows below the header")
    rows = {
        "line": np.array(numbers, np.int64),
        "moment": np.array(moments, "datetime64[s]"),
        "price": np.array(prices, np.float64),
        "volume": np.array(volumes, np.int64),
    }
    return pd.DataFrame(rows), read


def _read_parquet(path: Path, reject: _Reject) -> tuple[pd.DataFrame, int]:
    """Return the good rows of a parquet file in the market schema and the number of rows read."""
    try:
        columns = parquet.read_schema(path).names
        if missing := [column for column in COLUMNS if column not in columns]:
            raise _Unusable(f"no column {', '.join(missing)}; it has {', '.join(columns)}")
        columns = [*COLUMNS, *(["game"] if "game" in columns else [])]
        frame = pd.read_parquet(path, columns=columns).reset_index(drop=True)
    except (arrow.ArrowException, OSError) as error:
        raise _Unusable(f"file is not readable parquet ({str(error).splitlines()[0]})") from None
    types = pd.api.types
    for column, kind, is_kind in (
        ("date", "a datetime", types.is_datetime64_any_dtype),
        ("price", "a number", types.is_numeric_dtype),
        ("volume", "a number", types.is_numeric_dtype),
    ):
        if not is_kind(frame[column]) or types.is_bool_dtype(frame[column]):
            raise _Unusable(f"column {column} is {frame[column].dtype}, not {kind}")
    if isinstance(frame["date"].dtype, pd.DatetimeTZDtype):
        raise _Unusable("column date has a time zone: give naive UTC")
    if not len(frame):
        raise _Unusable("no rows")

    price, volume = (frame[column].to_numpy(float, na_value=np.nan) for column in ("price", "volume"))
    names = (
        frame["name"].astype(object).where(frame["name"].map(lambda n: isinstance(n, str)), "").str.strip()
    )
    games = frame["game"].astype(object) if "game" in frame else None
    with np.errstate(invalid="ignore"):
        good = (
            ((price > 0) & (price <= MAX_PRICE) & (volume >= 0) & (volume <= MAX_VOLUME) & (volume % 1 == 0))
            & (names != "").to_numpy()
            & frame["date"].dt.year.between(2000, 2099).to_numpy(bool)
        )
    if games is not None:
        good &= games.isin(GAMES).to_numpy()
    for row in np.flatnonzero(~good):
        try:
            if not names[row]:
                raise _Unusable("name is missing")
            if games is not None and games[row] not in GAMES:
                raise _Unusable(f"game {_quote(str(games[row]))} is not one of {', '.join(GAMES)}")
            _parse_date("" if pd.isna(frame["date"][row]) else f"{frame['date'][row]:%Y-%m-%d}")
            _parse_number("" if np.isnan(price[row]) else str(price[row]), "price")
            _parse_number("" if np.isnan(volume[row]) else str(volume[row]), "volume")
            _check_values(price[row], volume[row])
        except _Unusable as problem:
            reject(int(row) + 1, str(problem))
    rows = {
        "line": np.flatnonzero(good) + 1,
        "moment": frame["date"][good].to_numpy().astype("datetime64[s]"),
        "price": price[good],
        "volume": volume[good].astype(np.int64),
        "name": names[good].to_numpy(),
    }
    if games is not None:
        rows["game"] = games[good].to_numpy()
    return pd.DataFrame(rows).astype(
        {column: "category" for column in rows if column in ("name", "game")}
    ), len(frame)


@dataclass
class _Member:
    """A file of the archive: its name in reports, and how to read its bytes."""

    path: str
    read: Callable[[], bytes]


def _only_prices(paths: Iterable[str]) -> list[str]:
    """Return the CSV paths in order; those in a folder named ``prices``, when the archive has one."""
    paths = sorted(path for path in paths if path.lower().endswith(".csv"))
    inside = [path for path in paths if PurePosixPath(path).parent.name == "prices"]
    return inside or paths


def _read_limited(file: IO[bytes], size: int) -> bytes:
    """Read an open file, whatever size it claims to have."""
    content = b"" if size > MAX_FILE_BYTES else file.read(MAX_FILE_BYTES + 1)
    if size > MAX_FILE_BYTES or len(content) > MAX_FILE_BYTES:
        raise _Unusable(f"file is larger than {MAX_FILE_BYTES} bytes")
    return content


def _folder_members(folder: Path) -> list[_Member]:
    """List the CSV files of a folder."""

    def read(path: Path) -> bytes:
        if path.is_dir():
            raise _Unusable("is a folder, not a file")
        if path.exists() and not path.is_file():
            raise _Unusable("is not a regular file")  # reading a pipe would wait for ever
        try:
            with path.open("rb") as file:
                return _read_limited(file, path.stat().st_size)
        except OSError as error:
            raise _Unusable(f"cannot be read ({error.strerror})") from None

    paths = _only_prices(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return [_Member(path, functools.partial(read, folder / path)) for path in paths]


def _zip_members(archive: zipfile.ZipFile) -> list[_Member]:
    """List the CSV files of a zip; nothing is ever unpacked to the disk."""
    entries = {entry.filename: entry for entry in archive.infolist() if not entry.is_dir()}

    def read(path: str) -> bytes:
        if path.startswith("/") or "\\" in path or ":" in path or ".." in PurePosixPath(path).parts:
            raise _Unusable("path leads out of the zip")
        try:
            with archive.open(entries[path]) as file:
                return _read_limited(file, entries[path].file_size)
        except RuntimeError:
            raise _Unusable("is encrypted") from None
        except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, ValueError) as error:
            raise _Unusable(f"is damaged in the zip ({error})") from None
        except Exception as error:  # zlib.error, lzma.LZMAError and their like share no base class
            if type(error).__module__ in ("zlib", "_lzma", "lzma", "_bz2", "bz2"):
                raise _Unusable(f"is damaged in the zip ({error})") from None
            raise

    return [_Member(path, functools.partial(read, path)) for path in _only_prices(entries)]


class _Import:
    """Rows and rejects gathered from the files of one archive."""

    def __init__(self, game: str, known: dict[str, str] | None) -> None:
        self.game, self.known = game, known
        self.parts: list[pd.DataFrame] = []  # game, name, moment, price, volume, file, line
        self.rejects: list[Reject] = []
        self.rows_read = 0

    def add(self, path: str, read: Callable[[_Reject], tuple[pd.DataFrame, int]]) -> None:
        """Read one file, keeping its good rows and reporting the others."""
        try:
            rows, count = read(lambda line, reason: self.rejects.append(Reject(path, line, reason)))
        except _Unusable as problem:
            self.rejects.append(Reject(path, 0, str(problem)))
            return
        self.rows_read += count
        if len(rows):
            rows["file"] = pd.Categorical.from_codes(np.zeros(len(rows), np.int8), [path])
            if "game" not in rows:
                rows["game"] = pd.Categorical.from_codes(np.zeros(len(rows), np.int8), [self.game])
            self.parts.append(rows)

    def add_csv(self, member: _Member) -> int:
        """Read one per-item CSV; return its bytes."""
        content = b""

        def read(reject: _Reject) -> tuple[pd.DataFrame, int]:
            nonlocal content
            content = member.read()
            name = item_name(PurePosixPath(member.path).name[: -len(".csv")], self.known)
            if not name:
                raise _Unusable("file name gives no item name")
            rows, count = _read_csv(content, reject)
            rows["name"] = pd.Categorical.from_codes(np.zeros(len(rows), np.int8), [name])
            return rows, count

        self.add(member.path, read)
        return len(content)

    def table(self) -> pd.DataFrame:
        """Return all good rows as a market table: one row per item and day."""
        keys = ["game", "name", "moment"]
        columns = {
            column: union_categoricals([part[column] for part in self.parts], sort_categories=True)
            if column in ("game", "name", "file")
            else np.concatenate([part[column].to_numpy() for part in self.parts])
            for column in (*keys, "price", "volume", "file", "line")
        }
        frame = pd.DataFrame(columns)
        repeated = frame.duplicated(keys)
        if repeated.any():
            first = frame[~repeated].merge(frame[repeated], on=keys, suffixes=("_first", ""))
            for row in first.itertuples():
                where = "" if row.file == row.file_first else f" of {row.file_first}"
                reason = f"date {row.moment} is a duplicate of line {row.line_first}{where}"
                self.rejects.append(Reject(row.file, row.line, reason))
            frame = frame[~repeated]
        return _daily(frame)


def _daily(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per game, item and day: price the volume-weighted mean, volume the sum.

    A day without volume has the plain mean; a day with one row keeps its price to the last bit.
    """
    frame = frame.assign(date=frame["moment"].dt.floor("D"), value=frame["price"] * frame["volume"])
    days = frame.groupby(["game", "name", "date"], observed=True, sort=True).agg(
        value=("value", "sum"),
        volume=("volume", "sum"),
        mean=("price", "mean"),
        price=("price", "first"),
        n=("price", "size"),
    )
    weighted = (days["value"] / days["volume"].where(days["volume"] > 0)).fillna(days["mean"])
    days["price"] = days["price"].where(days["n"] == 1, weighted)
    table = days.reset_index()[["name", "date", "price", "volume", "game"]]
    if (table["game"] == "cs2").all():
        del table["game"]  # the schema's default
    return validate_prices(table)


def import_archive(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    rejects: str | os.PathLike[str] | None = None,
    game: str = "cs2",
    *,
    names: Iterable[str] = (),
    progress: Callable[[Sequence[_Member]], Iterable[_Member]] = iter,
) -> ImportReport:
    """Read a price archive, write the market table, and report every row that was left out.

    Parameters
    ----------
    source : path-like
        A folder of per-item CSV files, a zip of them, or a parquet file in the market schema. When folder or
        zip has a folder named ``prices`` (the public archive has), only the files in it are read. A CSV has a
        header with date, price (USD) and volume in any order, other columns being ignored; dates are UTC, ISO
        or Steam's ``Dec 01 2014 01: +0``; several moments of one day are averaged, weighted by volume.
    destination : path-like
        Parquet file to write, whole or not at all.
    rejects : path-like, optional
        CSV file (file, line, reason) to write; by default ``destination`` with the suffix ``.rejects.csv``.
    game : {"cs2", "dota2", "tf2", "rust"}
        The game of the items, where the source does not say.
    names : iterable of str, optional
        Known market names, to restore characters that the archive deletes from file names.
    progress : callable, optional
        Wraps the sequence of files, for a progress bar.

    Returns
    -------
    ImportReport
        Counts, places and rejects.

    Raises
    ------
    MarketDataError
        No such source, not an archive, nothing usable in it, more than ``MAX_TOTAL_BYTES`` of data, or the
        output cannot be written (an older output is then untouched).
    """
    if game not in GAMES:
        raise MarketDataError(f"unknown game {game!r}: choose from {', '.join(GAMES)}")
    source, destination = Path(source), Path(destination)
    rejects_file = destination.with_suffix(".rejects.csv") if rejects is None else Path(rejects)
    work = _Import(game, {archive_stem(name): name for name in sorted(names)})
    files = _read_source(source, work, progress)

    table = work.table() if work.parts else None
    ordered = tuple(sorted(work.rejects, key=lambda reject: (reject.file, reject.line)))
    try:
        _write_rejects(rejects_file, ordered)
        if table is not None:
            write_parquet(destination, table)
    except OSError as error:
        raise MarketDataError(
            f"cannot write {error.filename or destination}: {error.strerror or error}"
        ) from error
    if table is None:
        why = f"{ordered[0].file}: {ordered[0].reason}" if ordered else "it holds no CSV file"
        more = f" (and {len(ordered) - 1} more, see {rejects_file})" if len(ordered) > 1 else ""
        raise MarketDataError(f"nothing usable in {source}: {why}{more}")
    return ImportReport(
        destination,
        rejects_file,
        files,
        work.rows_read,
        len(table),
        len(table.groupby([c for c in ("game", "name") if c in table], observed=True)),
        table["date"].min(),
        table["date"].max(),
        ordered,
    )


def _read_source(source: Path, work: _Import, progress: Callable[..., Any]) -> int:
    """Read every file of the source into ``work``; return how many there were."""
    if source.is_dir():
        return _read_members(_folder_members(source), work, progress)
    if not source.is_file():
        raise MarketDataError(
            f"no archive at {source}: give a folder of CSV files, a zip of them, or a parquet file"
        )
    if source.suffix.lower() == ".parquet":
        work.add(source.name, lambda reject: _read_parquet(source, reject))
        return 1
    if source.suffix.lower() == ".zip":
        try:
            with zipfile.ZipFile(source) as archive:
                return _read_members(_zip_members(archive), work, progress)
        except (zipfile.BadZipFile, OSError) as error:
            raise MarketDataError(f"{source} is not a readable zip: {error}") from error
    raise MarketDataError(f"{source} is neither a folder, a .zip nor a .parquet file")


def _read_members(members: list[_Member], work: _Import, progress: Callable[..., Any]) -> int:
    """Read the CSV files one by one, up to the total size allowed."""
    total = 0
    for member in progress(members):
        total += work.add_csv(member)
        if total > MAX_TOTAL_BYTES:
            raise MarketDataError(
                f"the archive holds more than {MAX_TOTAL_BYTES} bytes of CSV: import it in parts"
            )
    return len(members)


def _write_rejects(path: Path, rejects: Sequence[Reject]) -> None:
    """Write the rejects as CSV (also when there are none, so that an old list cannot be taken for this one)."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "line", "reason"])
        writer.writerows((reject.file, reject.line or "", reject.reason) for reject in rejects)
