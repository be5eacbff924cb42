"""Hold-outs that a forecaster may use: the future, unseen items, or both.

A row is dated by its *observation* day ``t``. Its features read the days ``t - lookback … t`` and its target
the day ``t + horizon``. A training row whose span touches a day that the hold-out reads is *embargoed*: it is
in neither part.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Positions = NDArray[np.intp]


@dataclass(frozen=True)
class TemporalSplit:
    """Row positions of a temporal hold-out; ``train, test = split`` unpacks it.

    Attributes
    ----------
    train, test, left_out : ndarray of int
        Sorted positions of the training rows, the hold-out rows and those in neither (embargo).
    test_start : Timestamp
        First day of the hold-out.
    embargo_days : int
        Days before ``test_start`` that nothing is trained on.
    """

    train: Positions
    test: Positions
    left_out: Positions
    test_start: pd.Timestamp
    embargo_days: int

    def __iter__(self) -> Iterator[Positions]:
        """Yield ``train`` and ``test``."""
        return iter((self.train, self.test))

    @property
    def n_rows(self) -> int:
        """Number of rows that were split."""
        return self.train.size + self.test.size + self.left_out.size

    def _mask(self, positions: Positions) -> NDArray[np.bool_]:
        mask = np.zeros(self.n_rows, dtype=bool)
        mask[positions] = True
        return mask

    @property
    def train_mask(self) -> NDArray[np.bool_]:
        """``train`` as a boolean vector over all rows."""
        return self._mask(self.train)

    @property
    def test_mask(self) -> NDArray[np.bool_]:
        """``test`` as a boolean vector over all rows."""
        return self._mask(self.test)


class ItemSplit(NamedTuple):
    """Row positions of a hold-out by item."""

    train: Positions
    test: Positions


def _days(dates: ArrayLike) -> NDArray[np.datetime64]:
    """Return ``dates`` as a vector of whole days."""
    index = pd.DatetimeIndex(pd.to_datetime(np.asarray(dates) if isinstance(dates, list) else dates))
    if not len(index):
        raise ValueError("dates is empty: there is nothing to split")
    if index.tz is not None:
        raise ValueError("dates have a time zone: give naive days (UTC), as in the market table")
    if index.hasnans:
        raise ValueError(f"dates has {index.isna().sum()} missing values")
    return index.to_numpy().astype("datetime64[D]")


def _embargo(horizon: int, lookback: int, embargo_days: int | None) -> int:
    """Return the days to leave out, checking the three numbers."""
    if horizon < 1:
        raise ValueError(f"horizon is at least 1 day, not {horizon}")
    if lookback < 0:
        raise ValueError(f"lookback is at least 0 days, not {lookback}")
    if embargo_days is None:
        return horizon + lookback
    if embargo_days < horizon:
        raise ValueError(
            f"embargo_days={embargo_days} is shorter than the horizon of {horizon} days:"
            " training targets would be prices of the hold-out"
        )
    return int(embargo_days)


def temporal_split(
    dates: ArrayLike,
    *,
    test_start: Any = None,
    test_fraction: float | None = None,
    horizon: int = 1,
    lookback: int = 0,
    embargo_days: int | None = None,
) -> TemporalSplit:
    """Split rows into a past to train on and a future to test on, with an embargo between them.

    Row ``t`` is in the hold-out when ``t >= test_start``, and in training when
    ``t < test_start - embargo_days``. With the default embargo, ``horizon + lookback``, no training row reads
    or predicts a day that any hold-out row reads.

    Parameters
    ----------
    dates : array-like of datetime of shape (n,)
        Observation day of each row, in any order.
    test_start : date-like, optional
        First day of the hold-out. Give this or ``test_fraction``.
    test_fraction : float, optional
        Share of the *rows* to hold out: the hold-out starts on the latest day that leaves at least this share
        on or after it (days are never cut in two, so it may be a little more).
    horizon : int, default 1
        Days from the observation to the target.
    lookback : int, default 0
        Days before the observation that the features read. 0 keeps the classical purge of targets only.
    embargo_days : int, optional
        Overrides ``horizon + lookback``; at least ``horizon``.

    Returns
    -------
    TemporalSplit
        Positions into ``dates``.

    Raises
    ------
    ValueError
        Missing, time-zone-aware or no dates; both or neither of ``test_start`` and ``test_fraction``; a side
        that would be empty; a negative or too short embargo.
    """
    if (test_start is None) == (test_fraction is None):
        raise ValueError("give exactly one of test_start and test_fraction")
    days = _days(dates)
    embargo = _embargo(horizon, lookback, embargo_days)
    if test_fraction is not None:
        if not 0 < test_fraction < 1:
            raise ValueError(f"test_fraction is between 0 and 1, not {test_fraction}")
        start = np.sort(days)[days.size - int(np.ceil(test_fraction * days.size))]
    else:
        start = _days([test_start])[0]
    return _split_at(days, start, None, embargo)


def _split_at(
    days: NDArray[Any], start: np.datetime64, end: np.datetime64 | None, embargo: int
) -> TemporalSplit:
    """Split whole days at ``start``; the hold-out ends before ``end``."""
    train = days < start - np.timedelta64(embargo, "D")
    test = days >= start
    if end is not None:
        test &= days < end
    where = f"the rows run from {days.min()} to {days.max()}, the hold-out starts on {start}"
    if not test.any():
        raise ValueError(f"the hold-out is empty: {where}; choose an earlier start")
    if not train.any():
        raise ValueError(
            f"nothing is left to train on: {where} after an embargo of {embargo} days; start later"
        )
    return TemporalSplit(
        np.flatnonzero(train),
        np.flatnonzero(test),
        np.flatnonzero(~train & ~test),
        pd.Timestamp(start),
        embargo,
    )


def spaced_rows(names: ArrayLike, dates: ArrayLike, gap: int) -> Positions:
    """Return positions of rows such that rows of one item are more than ``gap`` days apart.

    With a gap of look-back and horizon together no row's inputs hold another row's answer, so that a test set
    can be handed over as a whole.

    Parameters
    ----------
    names, dates : array-like of shape (n,)
        Item and observation day of each row; the days of an item do not decrease.
    gap : int
        Days.

    Returns
    -------
    numpy.ndarray of int
        Sorted positions; each item's first row is among them.
    """
    days = _days(dates).astype(np.int64)
    last: dict[Any, int] = {}
    kept = []
    for row, (name, day) in enumerate(zip(np.asarray(names), days, strict=True)):
        if day - last.get(name, day - gap - 1) > gap:
            last[name] = day
            kept.append(row)
    return np.array(kept, dtype=np.intp)


def split_by_item(names: ArrayLike, fraction: float = 0.2, seed: int = 0) -> ItemSplit:
    """Hold out whole items: every row of an item is on one side.

    Which items are held out depends on the set of names and the seed only, not on the order of the rows.

    Parameters
    ----------
    names : array-like of str of shape (n,)
        The item of each row.
    fraction : float, default 0.2
        Share of the *items* to hold out, rounded, at least one and never all.
    seed : int, default 0
        Which items.

    Returns
    -------
    ItemSplit
        ``(train, test)`` positions into ``names``.

    Raises
    ------
    ValueError
        Missing names, fewer than two items, or a fraction outside (0, 1).
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction is between 0 and 1, not {fraction}")
    codes, unique = pd.factorize(pd.Series(names).to_numpy(dtype=object), sort=True)
    if (codes < 0).any():
        raise ValueError(f"names has {(codes < 0).sum()} missing values")
    if len(unique) < 2:
        raise ValueError(f"a hold-out by item needs at least two items, not {len(unique)}")
    held = min(max(round(fraction * len(unique)), 1), len(unique) - 1)
    chosen = np.zeros(len(unique), dtype=bool)
    chosen[np.random.default_rng(seed).permutation(len(unique))[:held]] = True
    return ItemSplit(np.flatnonzero(~chosen[codes]), np.flatnonzero(chosen[codes]))


def unseen_future_split(
    dates: ArrayLike, names: ArrayLike, *, item_fraction: float = 0.2, seed: int = 0, **temporal: Any
) -> TemporalSplit:
    """Hold out the future of unseen items: train on the past of some items, test on the future of the others.

    Parameters
    ----------
    dates, names : array-like of shape (n,)
        Observation day and item of each row.
    item_fraction, seed : float, int
        As for :func:`split_by_item`.
    **temporal
        As for :func:`temporal_split`; a ``test_fraction`` is a share of all rows, before items are chosen.

    Returns
    -------
    TemporalSplit
        ``left_out`` has the embargo, the future of training items and the past of held-out ones.

    Raises
    ------
    ValueError
        As for the two parts; different lengths; a side that would be empty.
    """
    by_time, by_item = temporal_split(dates, **temporal), split_by_item(names, item_fraction, seed)
    if by_time.n_rows != len(by_item.train) + len(by_item.test):
        raise ValueError(
            f"dates has {by_time.n_rows} rows and names {len(by_item.train) + len(by_item.test)}"
        )
    train = np.intersect1d(by_time.train, by_item.train, assume_unique=True)
    test = np.intersect1d(by_time.test, by_item.test, assume_unique=True)
    for side, rows in (("training items have a past", train), ("held-out items have a future", test)):
        if not rows.size:
            raise ValueError(
                f"no {side} beside a hold-out from {by_time.test_start:%Y-%m-%d}: try another seed"
            )
    left_out = np.setdiff1d(np.arange(by_time.n_rows), np.concatenate([train, test]), assume_unique=True)
    return TemporalSplit(train, test, left_out, by_time.test_start, by_time.embargo_days)


class TemporalFolds:
    """Cross-validation by expanding windows with an embargo, for scikit-learn.

    The days after the first fold's training part are cut into ``n_splits`` consecutive blocks holding about
    the same number of rows each; every block is tested by a model of what lies before it.

    Pass the days as ``groups`` (``cross_val_score(model, X, y, cv=TemporalFolds(5), groups=days)``), or let
    ``X`` be a frame whose index is the days or has a level named ``date``.

    Parameters
    ----------
    n_splits : int, default 5
        Number of blocks tested.
    horizon, lookback, embargo_days
        As for :func:`temporal_split`.
    """

    def __init__(
        self, n_splits: int = 5, *, horizon: int = 1, lookback: int = 0, embargo_days: int | None = None
    ) -> None:
        if n_splits < 1:
            raise ValueError(f"n_splits is at least 1, not {n_splits}")
        self.n_splits = n_splits
        self.embargo_days = _embargo(horizon, lookback, embargo_days)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds."""
        return self.n_splits

    def split(
        self, X: Any, y: Any = None, groups: ArrayLike | None = None
    ) -> Iterator[tuple[Positions, Positions]]:
        """Yield ``(train, test)`` positions, oldest fold first.

        Raises
        ------
        ValueError
            No days given, not one day per row, or too few days for ``n_splits`` folds with the embargo.
        """
        if groups is None:
            index = getattr(X, "index", None)
            if isinstance(index, pd.MultiIndex) and "date" in index.names:
                groups = index.get_level_values("date")
            elif isinstance(index, pd.DatetimeIndex):
                groups = index
            else:
                raise ValueError("pass the observation days as groups=, or a frame with a date index as X")
        days = _days(groups)
        if len(days) != len(X):
            raise ValueError(f"X has {len(X)} rows and groups {len(days)} days")
        ordered = np.sort(days)
        starts = ordered[[len(days) * fold // (self.n_splits + 1) for fold in range(1, self.n_splits + 1)]]
        if len(np.unique(starts)) < self.n_splits:
            raise ValueError(f"{len(np.unique(days))} days are too few for {self.n_splits} folds")
        ends: list[np.datetime64 | None] = [*starts[1:], None]
        for start, end in zip(starts, ends, strict=True):
            fold = _split_at(days, start, end, self.embargo_days)
            yield fold.train, fold.test
