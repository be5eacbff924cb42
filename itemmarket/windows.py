"""Windows of consecutive days: what a forecaster that reads raw prices is given."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from .errors import MarketDataError


@dataclass(frozen=True)
class Windows:
    """Windows in date order; row ``i`` is known at the end of ``dates[i]``.

    Attributes
    ----------
    X : ndarray of shape (n, length), float32
        Natural log of the price (USD), oldest day first.
    volumes : ndarray of shape (n, length), float32
        Units sold, the same days.
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

    def take(self, rows: np.ndarray) -> "Windows":
        """Return the windows that a boolean mask or an array of positions selects, in their order."""
        return Windows(self.X[rows], self.volumes[rows], self.y[rows], self.names[rows], self.dates[rows])


def price_windows(
    prices: pd.DataFrame, length: int = 30, horizon: int = 1, *, step: int = 1, min_volume: float = 0.0
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
        Keep every ``step``-th window of an unbroken stretch, from its first one.
    min_volume : float
        Keep windows whose median volume is at least this many units a day.

    Returns
    -------
    Windows
        In order of date, then name.

    Raises
    ------
    ValueError
        If ``length``, ``horizon`` or ``step`` is below 1.
    MarketDataError
        If no window is left.
    """
    for value, what in ((length, "length"), (horizon, "horizon"), (step, "step")):
        if value < 1:
            raise ValueError(f"{what} must be at least 1 day, not {value}")
    prices = prices.sort_values(["name", "date"], kind="stable", ignore_index=True)
    item = pd.factorize(prices["name"])[0]
    day = prices["date"].to_numpy().astype("datetime64[D]").astype(np.int64)
    breaks = np.flatnonzero((np.diff(item) != 0) | (np.diff(day) != 1)) + 1
    begin = np.r_[0, breaks]
    lengths = np.diff(np.r_[begin, len(prices)])
    place = np.arange(len(prices)) - np.repeat(begin, lengths)  # of a row in its unbroken stretch
    left = np.repeat(lengths, lengths) - place
    first = np.flatnonzero((left >= length + horizon) & (place % step == 0))
    volume = prices["volume"].to_numpy(np.float32)
    if len(first) and min_volume > 0:
        first = first[np.median(sliding_window_view(volume, length)[first], axis=1) >= min_volume]
    if not len(first):
        raise MarketDataError(
            f"no item of this market was sold on {length + horizon} days in a row with a median of "
            f"{min_volume:g} units a day: use a longer market, a shorter window or less volume"
        )
    last = first + length - 1
    first, last = first[order := np.argsort(day[last], kind="stable")], last[order]
    log_price = np.log(prices["price"].to_numpy(np.float64))
    return Windows(
        X=sliding_window_view(log_price.astype(np.float32), length)[first],
        volumes=sliding_window_view(volume, length)[first],
        y=(log_price[last + horizon] - log_price[last]).astype(np.float32),
        names=prices["name"].to_numpy(object)[last],
        dates=pd.DatetimeIndex(prices["date"].to_numpy()[last], name="date"),
    )
