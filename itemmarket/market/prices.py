"""The market table: its schema, its validation, and the bundled file.

One row per item and day: ``name`` (market hash name), ``date`` (naive UTC day), ``price`` (USD,
volume-weighted mean of the day, > 0), ``volume`` (units sold, >= 0) and, where several games are mixed,
``game`` (absent: every row is CS2).
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow
import pyarrow.parquet as parquet

from itemmarket.errors import MarketDataError
from itemmarket.market.bundled import bundled_file

GAMES = ("cs2", "dota2", "tf2", "rust")
COLUMNS = ("name", "date", "price", "volume")
DTYPES = {"name": "str", "date": "datetime64[us]", "price": "float64", "volume": "int64", "game": "str"}

SCHEMA = pa.DataFrameSchema(
    {
        "name": pa.Column("str", pa.Check(lambda s: s.str.strip() != "", error="is empty")),
        "date": pa.Column(
            "datetime64[us]",
            pa.Check(lambda s: s == s.dt.normalize(), error="is not a whole day (has a time)"),
        ),
        "price": pa.Column(
            "float64", pa.Check(lambda s: np.isfinite(s) & (s > 0), error="is not a finite number above 0")
        ),
        "volume": pa.Column("int64", pa.Check.ge(0, error="is below 0")),
        "game": pa.Column(
            "str", pa.Check.isin(GAMES, error=f"is not one of {', '.join(GAMES)}"), required=False
        ),
    },
    strict="filter",
)
"""The pandera schema of a market table whose columns already have the canonical dtypes."""

_SHOWN = 3  # bad rows that an error quotes


def _fail(column: str, bad: np.ndarray | pd.Series, frame: pd.DataFrame, reason: str) -> None:
    """Raise the one error of this module: column, reason, how many rows, and the first of them."""
    positions = np.flatnonzero(np.asarray(bad))
    first = frame.iloc[positions[:_SHOWN]]
    labels = first["name"].tolist() if "name" in first else [""] * len(first)
    shown = "; ".join(
        f"row {position} ({label}): {value!r}"
        for position, label, value in zip(positions, labels, first[column].tolist(), strict=False)
    )
    raise MarketDataError(
        f"market table, column {column!r}: {len(positions)} of {len(frame)} rows, value {reason}; first: {shown}"
    )


def _canonical(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the schema's columns in its order and dtypes, refusing whatever a cast would change."""
    missing = [column for column in COLUMNS if column not in frame]
    if missing:
        raise MarketDataError(
            f"market table: no column {', '.join(map(repr, missing))}; it has {', '.join(map(str, frame.columns))}"
        )
    columns = [*COLUMNS, *(["game"] if "game" in frame else [])]
    frame = frame[columns].reset_index(drop=True)
    for column in columns:
        series = frame[column]
        if isinstance(series.dtype, pd.CategoricalDtype):
            frame[column] = series = series.astype(series.cat.categories.dtype)
        if series.isna().any():
            _fail(column, series.isna(), frame, "is missing")

    for column in {"name", "game"} & set(columns):
        if not pd.api.types.is_string_dtype(frame[column]):
            _fail(column, ~frame[column].map(lambda value: isinstance(value, str)), frame, "is not text")
    if isinstance(frame["date"].dtype, pd.DatetimeTZDtype):
        _fail("date", np.ones(len(frame)), frame, "has a time zone: give naive UTC days")
    if not pd.api.types.is_datetime64_dtype(frame["date"]):
        _fail(
            "date",
            np.ones(len(frame)),
            frame,
            f"is {frame['date'].dtype}, not a datetime (see pandas.to_datetime)",
        )
    for column in ("price", "volume"):
        if not pd.api.types.is_numeric_dtype(frame[column]) or pd.api.types.is_bool_dtype(frame[column]):
            _fail(column, np.ones(len(frame)), frame, f"is {frame[column].dtype}, not a number")
    fractional = frame["volume"] % 1 != 0  # also true of infinity
    if fractional.any():
        _fail("volume", fractional, frame, "is not a whole number")
    return frame.astype({column: DTYPES[column] for column in columns})


def _sorted_unique(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame sorted by (game, name, date), refusing a key that occurs twice."""
    keys = [pd.factorize(frame[column], sort=True)[0] for column in ("name", "game") if column in frame]
    dates = frame["date"].to_numpy().astype(np.int64)
    order = np.lexsort((dates, *keys))  # the last key is the first to sort by; stable
    ranked = [key[order] for key in (*keys, dates)]
    repeated = np.zeros(len(frame), dtype=bool)
    repeated[order[1:]] = np.logical_and.reduce([key[1:] == key[:-1] for key in ranked])
    if repeated.any():
        _fail("date", repeated, frame, "is there twice for its game and name")
    if (order[1:] > order[:-1]).all():
        return frame
    return frame.take(order).reset_index(drop=True)


def validate_prices(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a market table in canonical form, or say what is wrong with it.

    Parameters
    ----------
    frame : DataFrame
        Columns ``name``, ``date``, ``price``, ``volume`` and optionally ``game``, in any order, any integer or
        float width, text as str, object or category; other columns are dropped, the index is ignored.

    Returns
    -------
    DataFrame
        Those columns in that order as str, datetime64[us], float64, int64 (and str), sorted by game, name and
        date, with a fresh index. An absent ``game`` stays absent. The argument is not changed.

    Raises
    ------
    MarketDataError
        A missing column; a missing, wrongly typed or out-of-range value; a (game, name, date) that occurs
        twice; no rows. It names the column, the reason, the number of bad rows and the first of them.
    """
    if not len(frame):
        raise MarketDataError("market table: no rows")
    frame = _canonical(frame)
    try:
        SCHEMA.validate(frame)
    except pa.errors.SchemaError as error:
        column, check = error.schema.name, error.check
        passed = error.check_output
        _fail(column, ~passed.to_numpy(dtype=bool), frame, check.error)
    return _sorted_unique(frame)


def load_prices(path: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """Return a market table from a parquet file, validated.

    Parameters
    ----------
    path : path-like, optional
        The file; by default the bundled market, ``market.parquet`` in :func:`itemmarket.data_dir`.

    Returns
    -------
    DataFrame
        As :func:`validate_prices` returns it.

    Raises
    ------
    MarketDataError
        The file is missing, is not parquet, lacks a column or breaks the schema, or no path is given and
        there is no data folder.
    """
    file = bundled_file("market.parquet") if path is None else Path(path)
    cure = "python course.py data build" if path is None else "python course.py data import SOURCE --out FILE"
    if not file.is_file():
        raise MarketDataError(f"no market at {file}: make it with `{cure}`")
    try:
        present = parquet.read_schema(file).names
        frame = pd.read_parquet(file, columns=[column for column in DTYPES if column in present])
    except (arrow.ArrowException, OSError) as error:
        raise MarketDataError(
            f"{file} cannot be read as parquet ({str(error).splitlines()[0]}): make it again with `{cure}`"
        ) from error
    try:
        return validate_prices(frame)
    except MarketDataError as error:
        raise MarketDataError(f"{file}: {error}") from error
