"""Windows of consecutive days: what a forecaster that reads raw prices is given."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from itemmarket.errors import MarketDataError


@dataclass(frozen=True)
class Windows:
    """Windows in date order; row ``i`` is known at the end of ``dates[i]``.

    Attributes
    ----------
    X : ndarray of shape (n, length), float32
        Natural log of the price (USD), oldest day first; NaN on days before the item's first sale.
    volumes : ndarray of shape (n, length), float32
        Units sold, the same days; NaN where ``X`` is.
    y : ndarray of shape (n,), float32
        Log price ``horizon`` days after the last day of the window, less the log price of that last day.
    names : ndarray of shape (n,), object
        The item.
    dates : DatetimeIndex of length n
        The last day of the window, non-decreasing.
    """

    X: np.ndarray
    volumes: np.ndarray
    y: np.ndarray
    names: np.ndarray
    dates: pd.DatetimeIndex

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.y)

    @property
    def sequences(self) -> np.ndarray:
        """Log price and units sold side by side, shape (n, length, 2): what a recurrent network reads."""
        return np.stack([self.X, self.volumes], axis=-1)

    @property
    def lengths(self) -> np.ndarray:
        """Known days of each window, shape (n,): ``length``, or fewer where the item is younger."""
        return np.isfinite(self.X).sum(axis=1)

    def take(self, rows: np.ndarray) -> "Windows":
        """Return the windows that a boolean mask or an array of positions selects, in their order."""
        return Windows(self.X[rows], self.volumes[rows], self.y[rows], self.names[rows], self.dates[rows])


def price_windows(
    prices: pd.DataFrame,
    length: int = 30,
    horizon: int = 1,
    *,
    step: int = 1,
    min_volume: float = 0.0,
    min_length: int | None = None,
) -> Windows:
    """Cut a market table into windows of consecutive days, each with the change that followed.

    A window lies within one item and has a sale on every one of its days and on each of the ``horizon`` days
    after it; a gap ends it. Nothing after ``dates[i]`` is in ``X[i]`` or ``volumes[i]``.

    Parameters
    ----------
    prices : pandas.DataFrame
        A market table of one game.
    length : int
        Days in a window, at least 1.
    horizon : int
        Days ahead, at least 1.
    step : int
        Keep every ``step``-th window of an unbroken stretch, counted from its first whole one.
    min_volume : float
        Keep windows whose median volume is at least this many units a day.
    min_length : int, optional
        Also keep the windows of items whose first sale is fewer than ``length`` but at least ``min_length``
        days ago: NaN stands on the left for the days before it. By default there are only whole windows. A
        window after a gap is not padded: that item was there.

    Returns
    -------
    Windows
        In order of date, then name.

    Raises
    ------
    ValueError
        If ``length``, ``horizon``, ``step`` or ``min_length`` is below 1, or ``min_length`` above ``length``.
    MarketDataError
        If no window is left.
    """
    shortest = length if min_length is None else min_length
    for value, what in ((length, "length"), (horizon, "horizon"), (step, "step"), (shortest, "min_length")):
        if value < 1:
            raise ValueError(f"{what} must be at least 1 day, not {value}")
    if shortest > length:
        raise ValueError(f"min_length must be at most the length of {length} days, not {shortest}")
    prices = prices.sort_values(["name", "date"], kind="stable", ignore_index=True)
    item = pd.factorize(prices["name"])[0]
    day = prices["date"].to_numpy().astype("datetime64[D]").astype(np.int64)
    breaks = np.flatnonzero((np.diff(item) != 0) | (np.diff(day) != 1)) + 1
    begin = np.r_[0, breaks]
    lengths = np.diff(np.r_[begin, len(prices)])
    is_new = np.r_[True, item[begin[1:]] != item[begin[1:] - 1]]  # the stretch begins with the first sale
    place = np.arange(len(prices)) - np.repeat(begin, lengths)  # of a row in its unbroken stretch
    left = np.repeat(lengths, lengths) - place - 1
    known = np.where(np.repeat(is_new, lengths), shortest, length)  # days that a window must have
    last = np.flatnonzero((place + 1 >= known) & (left >= horizon) & ((place + 1 - length) % step == 0))

    def windows(values: np.ndarray) -> np.ndarray:
        """Return the days up to each of ``last``, with NaN before the stretch."""
        padded = np.r_[np.full(length - 1, np.nan, dtype=np.float32), values]
        cut = sliding_window_view(padded, length)[last]
        return np.where(np.arange(length) >= length - 1 - place[last, None], cut, np.float32(np.nan))

    volumes = windows(prices["volume"].to_numpy(np.float32))
    if min_volume > 0:
        young = place[last] < length - 1
        median = np.empty(len(last))
        median[~young] = np.median(volumes[~young], axis=1)  # many times faster than with a look for NaN
        median[young] = np.nanmedian(volumes[young], axis=1)
        last, volumes = last[median >= min_volume], volumes[median >= min_volume]
    if not len(last):
        raise MarketDataError(
            f"no item of this market was sold on {shortest + horizon} days in a row with a median of "
            f"{min_volume:g} units a day: use a longer market, a shorter window or less volume"
        )
    order = np.argsort(day[last], kind="stable")
    last, volumes = last[order], volumes[order]
    log_price = np.log(prices["price"].to_numpy(np.float64))
    return Windows(
        X=windows(log_price.astype(np.float32)),
        volumes=volumes,
        y=(log_price[last + horizon] - log_price[last]).astype(np.float32),
        names=prices["name"].to_numpy(object)[last],
        dates=pd.DatetimeIndex(prices["date"].to_numpy()[last], name="date"),
    )
