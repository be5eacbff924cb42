"""One item's prices and volumes on a daily grid, and what depends on nothing else."""

from collections.abc import Iterator

import numpy as np

from itemmarket.features.indicators import CARRY, macd, rsi, window_sum
from itemmarket.features.table import LOOKBACK

_TICK = 0.01  # USD, the market's smallest step: no history, however flat, is taken to be steadier than that
_STEADIEST = 0.001  # log ratio, the same for expensive items
OUTLIER = 10.0  # standard deviations at which a standardised feature is cut off
CELLS = 1 << 14  # days of all items worked on at a time: what a processor's cache holds
_TINY = np.finfo(np.float64).tiny


def blocks(position: np.ndarray) -> Iterator[slice]:
    """Cut the rows into runs that cover at most ``CELLS`` cells of the grid each."""
    edges = np.searchsorted(position, np.arange(position[0], position[-1] + CELLS, CELLS))
    edges = np.unique(np.append(edges, len(position)))
    yield from map(slice, edges[:-1].tolist(), edges[1:].tolist())


def series(position: np.ndarray, price: np.ndarray, volume: np.ndarray, length: int) -> dict[str, np.ndarray]:
    """Compute on a daily grid what depends on prices and volumes only.

    Parameters
    ----------
    position, price, volume : numpy.ndarray
        Shape (rows,): cell of each row, ascending; USD; units.
    length : int
        Cells of the grid.

    Returns
    -------
    dict of str to numpy.ndarray
        Shape (length,) each: features by name, and ``known_30``, whether ``change_30`` is known.
    """
    cell = np.arange(length)
    lasts = np.diff(position, append=length)
    lasts[0] += position[0]
    level = np.repeat(price, lasts)
    age = cell - np.repeat(position, lasts)
    age[: position[0]] = LOOKBACK
    seen = (age == 0).astype(np.float64)
    units = np.zeros(length)
    units[position] = volume
    log_level = np.log(level)

    # Change of each day with a price since the price before it, unless that is too old.
    counted, change, move = np.zeros((3, length))
    np.multiply(seen[1:], age[:-1] < CARRY, out=counted[1:])
    np.multiply(log_level[1:] - log_level[:-1], counted[1:], out=change[1:])
    np.multiply(level[1:] - level[:-1], counted[1:], out=move[1:])

    sums = np.stack([seen, level * seen, units, counted, change * change])
    days_7, price_7, units_7 = window_sum(sums[:3], 7)
    days_30, price_30, units_30, counted_30, square_30 = window_sum(sums, 30)
    volatility = np.sqrt(square_30 / np.maximum(counted_30, 1))
    steadiest = np.maximum(_TICK / level, _STEADIEST)

    log_seen = log_level * seen
    past = np.zeros((3, length))
    past[:, 1:] = window_sum(np.stack([seen, log_seen, log_seen * log_level]), 90)[:, :-1]
    days_past = np.maximum(past[0], 1)
    mean_past = past[1] / days_past
    spread = np.sqrt(np.maximum(past[2] / days_past - mean_past * mean_past, steadiest * steadiest))
    z = np.where(past[0] >= 2, (log_level - mean_past) / spread, 0.0)

    def since(days: int) -> tuple[np.ndarray, np.ndarray]:
        """Log change over some days, 0 where unknown, and where it is known."""
        known = np.zeros(length, bool)
        np.less_equal(age[:-days], CARRY, out=known[days:])
        change = np.zeros(length)
        np.multiply(log_level[days:] - log_level[:-days], known[days:], out=change[days:])
        return change, known

    def over_mean(days: np.ndarray, total: np.ndarray) -> np.ndarray:
        """Log of the price over its mean, 0 where there is none."""
        mean = np.maximum(total / np.maximum(days, 1), _TINY)
        return np.where(days > 0, log_level - np.log(mean), 0.0)

    sold = np.maximum.accumulate(np.where(units > 0, cell, -LOOKBACK))
    since_trade = np.full(length, float(LOOKBACK))
    np.minimum(cell[1:] - sold[:-1], LOOKBACK, out=since_trade[1:])

    change_30, known_30 = since(30)
    usual = np.maximum(volatility, steadiest) * np.sqrt(14)
    line, histogram = macd(log_level, seen)
    return {
        "price": level,
        "log_price": log_level,
        "price_z_90": np.clip(z, -OUTLIER, OUTLIER),
        "change_1": since(1)[0],
        "change_7": since(7)[0],
        "change_30": change_30,
        "known_30": known_30,
        "ma_ratio_7": over_mean(days_7, price_7),
        "ma_ratio_30": over_mean(days_30, price_30),
        "volatility_30": volatility,
        "rsi_14": rsi(move),
        "macd": line,
        "macd_histogram": histogram,
        "momentum_14": np.clip(since(14)[0] / usual, -OUTLIER, OUTLIER),
        "volume_7": np.log1p(units_7),
        "volume_mean_30": np.log1p(units_30 / np.maximum(days_30, 1)),
        "turnover_1": np.log1p(level * units),
        "days_since_trade": since_trade,
    }
