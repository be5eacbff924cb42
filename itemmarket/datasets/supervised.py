"""From a market table to the rows of a regression: features as of a day, the change that followed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from itemmarket.errors import MarketDataError

if TYPE_CHECKING:
    from itemmarket.features.extractor import FeatureExtractor


@dataclass(frozen=True)
class Supervised:
    """Rows of a regression in date order.

    Attributes
    ----------
    X : pandas.DataFrame
        Features, shape (n, k), float32; one column per feature.
    y : numpy.ndarray
        Target, shape (n,), float32: log price change over the horizon.
    names : numpy.ndarray
        The item of each row, shape (n,), object.
    dates : pandas.DatetimeIndex
        The day as of which each row is known, non-decreasing.
    """

    X: pd.DataFrame
    y: np.ndarray
    names: np.ndarray
    dates: pd.DatetimeIndex

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.y)

    def take(self, rows: np.ndarray) -> "Supervised":
        """Return the rows that a boolean mask or an array of positions selects, in their order."""
        return Supervised(self.X.iloc[rows], self.y[rows], self.names[rows], self.dates[rows])


def supervised(
    prices: pd.DataFrame,
    extractor: "FeatureExtractor",
    *,
    horizon: int = 1,
    min_history: int = 30,
    min_weekly_volume: float = 0.0,
) -> Supervised:
    """Pair the features of each item and day with the log price change of the next ``horizon`` days.

    A row is kept when the item traded on that very day and again exactly ``horizon`` days later, was first
    seen at least ``min_history`` days before, and sold at least ``min_weekly_volume`` units in the last
    seven days: all known as of the row's date, except the target.

    Parameters
    ----------
    prices : pandas.DataFrame
        A market table.
    extractor : FeatureExtractor
        Which features to compute.
    horizon : int
        Days ahead, at least 1.
    min_history : int
        Days since the item's first trade.
    min_weekly_volume : float
        Units sold in the seven days up to the row's date.

    Returns
    -------
    Supervised
        Rows ordered by date, then by name.

    Raises
    ------
    MarketDataError
        If no row is left.
    ValueError
        If ``horizon`` is below 1.
    """
    if horizon < 1:
        raise ValueError(f"horizon must be at least 1 day, not {horizon}")
    prices = prices.sort_values(["name", "date"], kind="stable", ignore_index=True)
    features = extractor.transform(prices)
    item = prices["name"].astype("category").cat.codes.to_numpy()
    day = prices["date"].to_numpy().astype("datetime64[D]").astype(np.int64)
    log_price = np.log(prices["price"].to_numpy(np.float64))
    # One number per (item, day), ascending, lets a binary search find the row `horizon` days later.
    key = item.astype(np.int64) * 10_000_000 + day
    ahead = np.searchsorted(key, key + horizon)
    found = np.minimum(ahead, len(key) - 1)
    has_target = key[found] == key + horizon
    starts = np.flatnonzero(np.r_[True, item[1:] != item[:-1]])
    first_day = np.repeat(day[starts], np.diff(np.r_[starts, len(item)]))
    volume = np.r_[0, np.cumsum(prices["volume"].to_numpy(np.int64))]
    weekly = volume[1:] - volume[np.searchsorted(key, key - 6)]
    rows = np.flatnonzero(has_target & (day - first_day >= min_history) & (weekly >= min_weekly_volume))
    if not len(rows):
        raise MarketDataError(
            f"no row of this market has {min_history} days of history, a weekly volume of {min_weekly_volume:g} "
            f"and a trade {horizon} days later: use a longer market or weaker conditions"
        )
    rows = rows[np.argsort(day[rows], kind="stable")]
    return Supervised(
        X=features.iloc[rows].reset_index(drop=True),
        y=(log_price[found[rows]] - log_price[rows]).astype(np.float32),
        names=prices["name"].to_numpy(object)[rows],
        dates=pd.DatetimeIndex(prices["date"].to_numpy()[rows], name="date"),
    )
