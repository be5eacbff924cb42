"""Technical indicators on a daily grid, for all items at once, each value a pure function of its own window.

A *grid* is a float64 array whose last axis counts days, one cell a day; a day without an observation is a cell
whose ``seen`` is 0. Items lie on it one after the other, far enough apart that no window reaches the one before.

Usual implementations run a recursion, or a running sum, from the first day of the series: fast, but the last bits
of a value then depend on everything that came before it, so an online system that keeps only the recent past
disagrees with the batch it was trained on. Here a sum over a window is put together from sums over 1, 2, 4, 8 ...
days (``S_2n(t) = S_n(t) + S_n(t - n)``): as many additions as the window's length has binary digits, each over the
whole grid, in an order that depends on nothing but the window. Exponential averages work the same way,
``S_2n(t) = S_n(t) + q**n * S_n(t - n)``, cut off after ``MEMORY`` days, and skip missing days by dividing by
the sum of the weights that are there: pandas' ``ewm(adjust=True, ignore_na=False)`` over the window.

Only additions, multiplications, divisions and square roots are used, which IEEE 754 rounds correctly whether they run
on vectors or one by one; logarithms come in from outside.

References
----------
J. W. Wilder (1978), *New Concepts in Technical Trading Systems* (RSI and its smoothing).
G. Appel (2005), *Technical Analysis: Power Tools for Active Investors* (MACD).
"""

import numpy as np

MEMORY = 128
"""Days after which exponential averages are cut off; the weight left out is below 0.01 % for a span of 26."""

SIGNAL_MEMORY = 32
"""Days over which MACD's signal line averages MACD; the weight left out is below 0.1 % for a span of 9."""

CARRY = 32
"""Days for which a price stands as the last one known; a change across a longer gap is not counted."""

_TINY = np.finfo(np.float64).tiny


def window_sum(grid: np.ndarray, days: int) -> np.ndarray:
    """Return the sum over the ``days`` days up to and including each day.

    Parameters
    ----------
    grid : numpy.ndarray
        Shape (..., n), 0 on missing days. Before the first cell there is nothing, as if it were 0.
    days : int
        At least 1.

    Returns
    -------
    numpy.ndarray
        Shape (..., n), a new array.
    """
    part, size = grid, 1
    total: np.ndarray | None = None
    covered = 0
    while True:
        if days & size:
            if total is None:
                total = part.copy()
            else:
                total[..., covered:] += part[..., : max(part.shape[-1] - covered, 0)]
            covered += size
        if 2 * size > days:
            assert total is not None  # the highest bit of days has been met
            return total
        longer = np.empty_like(part)
        longer[..., :size] = part[..., :size]
        np.add(part[..., size:], part[..., :-size], out=longer[..., size:])
        part, size = longer, 2 * size


def decayed_sum(grid: np.ndarray, decay: float, days: int) -> np.ndarray:
    """Return the sum over the last ``days`` days, each weighted by ``decay`` to the power of its age in days.

    Parameters
    ----------
    grid : numpy.ndarray
        Shape (..., n), 0 on missing days.
    decay : float
        Weight of yesterday relative to today, between 0 and 1.
    days : int
        A power of two.

    Returns
    -------
    numpy.ndarray
        Shape (..., n), a new array.
    """
    total, older = grid.copy(), np.empty_like(grid)
    size = 1
    while size < days:
        np.multiply(total, decay, out=older)
        total[..., size:] += older[..., :-size]
        size, decay = 2 * size, decay * decay
    return total


def ema(grid: np.ndarray, seen: np.ndarray, span: int, days: int = MEMORY) -> np.ndarray:
    """Return the exponential moving average of the days seen among the last ``days``, decay ``1 - 2/(span + 1)``.

    Parameters
    ----------
    grid, seen : numpy.ndarray
        Shape (n,): values, and 1 where there is one, 0 elsewhere.
    span : int
        The *N* of an *N*-day exponential average.
    days : int
        A power of two.

    Returns
    -------
    numpy.ndarray
        Shape (n,); 0 where no day was seen.
    """
    values, weights = decayed_sum(np.stack([grid * seen, seen]), 1 - 2 / (span + 1), days)
    return values / np.maximum(weights, _TINY)


def rsi(change: np.ndarray, span: int = 14) -> np.ndarray:
    """Return Wilder's relative strength index of daily price changes.

    Parameters
    ----------
    change : numpy.ndarray
        Shape (n,), price change of each day, 0 where none is known.
    span : int
        Wilder's smoothing constant: the averages decay by ``1 - 1/span`` a day.

    Returns
    -------
    numpy.ndarray
        Shape (n,), 0 to 100; 50 where the price did not move in the last ``MEMORY`` days.
    """
    gains = np.maximum(change, 0.0)
    up, down = decayed_sum(np.stack([gains, gains - change]), 1 - 1 / span, MEMORY)
    moved = up + down
    return np.where(moved > 0, 100 * up / np.maximum(moved, _TINY), 50.0)


def macd(log_price: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the MACD line (12, 26) of the log price and its histogram over the signal line (9).

    Of the log price, so that it is free of scale: 0.01 says that the 12-day average lies 1 % above the 26-day one.

    Parameters
    ----------
    log_price, seen : numpy.ndarray
        Shape (n,): log price, and 1 on days with an observation, 0 elsewhere.

    Returns
    -------
    line, histogram : numpy.ndarray
        Shape (n,); the signal line is ``line - histogram``.
    """
    line = ema(log_price, seen, 12) - ema(log_price, seen, 26)
    signal = ema(line, seen, 9, SIGNAL_MEMORY)
    recent = window_sum(seen, SIGNAL_MEMORY) > 0
    return line, np.where(recent, line - signal, 0.0)
