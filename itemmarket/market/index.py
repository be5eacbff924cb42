"""A market index: what liquid items did today, chained day by day."""

import numpy as np
import pandas as pd

from itemmarket.market.prices import validate_prices

WINDOW = 30
"""Days over which an item's sales and price decide whether its next change counts."""

SETTLED = 60
"""Days after an item's first row from when it counts: new items fall for weeks while their supply grows."""


def market_index(
    prices: pd.DataFrame, *, min_volume: float = 10.0, min_price: float = 0.1, trim: float = 0.1
) -> pd.Series:
    """Chain a daily index of the liquid items of a market.

    The index moves each day by a trimmed mean of the log changes of the items that traded on that day and on the
    day before, were first seen 60 days before, and over the 30 days that ended before both sold at least ``min_volume``
    units a day and cost at least ``min_price`` in the mean (below it most changes are whole ticks). All items weigh the
    same; the largest and the smallest changes are left out, so that neither one item nor one false price moves
    the index. On a day without such an item it stands still. A day's value depends on that day and earlier ones only.

    Two traps lie in the choice of items. Chosen by a price that the change starts from, an item gets in when its noise
    was upward and so is about to fall: on the real market, yesterday's price alone as the criterion makes the plain
    mean of the changes lose more than half in every year. And counted from their first day, items make an index
    of new items falling.

    Parameters
    ----------
    prices : pandas.DataFrame
        A market table; items of several games are put into one index.
    min_volume : float
        Units sold a day, from when an item counts as liquid.
    min_price : float
        USD, geometric mean.
    trim : float
        Share of the day's changes left out at each end, below 0.5.

    Returns
    -------
    pandas.Series
        Float64 named ``index``, one value for every day from the first to the last of the table; 100 on the first.

    Raises
    ------
    MarketDataError
        If the table is not a valid market table.
    ValueError
        If ``trim`` is not in [0, 0.5).
    """
    if not 0 <= trim < 0.5:
        raise ValueError(f"trim is a share of at least 0 and below 0.5, not {trim}")
    prices = validate_prices(prices)
    item = prices.groupby(["game", "name"] if "game" in prices else "name", sort=False).ngroup().to_numpy()
    day = prices["date"].to_numpy().astype("datetime64[D]").astype(np.int64)
    first = day.min()
    day -= first
    days = int(day.max()) + 1
    log_price = np.log(prices["price"].to_numpy())

    # One number per (item, day), ascending: a binary search finds the row where the window before a day begins.
    key = item * (days + WINDOW + 1) + day
    start, end = np.searchsorted(key, key - 1 - WINDOW), np.searchsorted(key, key - 1)
    sold, logs = (np.r_[0.0, np.cumsum(column)] for column in (prices["volume"].to_numpy(), log_price))
    age = day - day[np.searchsorted(item, item)]
    enough = np.log(min_price) - 1e-6  # beyond the rounding of a long sum: 0.10 USD all along is 0.10 USD
    counts = np.flatnonzero(
        (np.diff(key, prepend=-2) == 1)
        & (age >= SETTLED)
        & (sold[end] - sold[start] >= min_volume * WINDOW)
        & (logs[end] - logs[start] >= enough * (end - start))
    )
    change, day = log_price[counts] - log_price[counts - 1], day[counts]

    order = np.lexsort((change, day))
    change, day = change[order], day[order]
    size = np.bincount(day, minlength=days)
    rank = np.arange(len(day)) - (np.cumsum(size) - size)[day]
    cut = np.floor(trim * size)
    kept = (rank >= cut[day]) & (rank < (size - cut)[day])
    total = np.bincount(day[kept], weights=change[kept], minlength=days)
    daily = total / np.maximum(size - 2 * cut, 1)
    dates = pd.DatetimeIndex(
        (np.arange(days) + first).astype("datetime64[D]").astype("datetime64[us]"), name="date"
    )
    return pd.Series(100 * np.exp(np.cumsum(daily)), index=dates, name="index")
