"""Regression metrics, and skill against an honest opponent.

The course's target is the log price change over the horizon, so *persistence* ("the price stays") predicts
0 for every row: that is the default baseline. For a target on another scale pass the baseline's predictions.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

PERSISTENCE = 0.0
"""What persistence predicts when the target is a log price change."""


def _vector(values: ArrayLike, what: str) -> NDArray[np.float64]:
    """Return ``values`` as a finite, non-empty float vector; ``what`` names it in errors."""
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim == 2 and 1 in vector.shape:  # a column, as torch and pandas like to return it
        vector = vector.ravel()
    if vector.ndim != 1:
        raise ValueError(f"{what} must be a vector, not an array of shape {vector.shape}")
    if not vector.size:
        raise ValueError(f"{what} is empty: there is nothing to measure")
    bad = ~np.isfinite(vector)
    if bad.any():
        raise ValueError(
            f"{what} has {bad.sum()} NaN or infinite of {vector.size} values, the first at position {bad.argmax()}:"
            " a metric over the rest would hide them; drop or fix those rows first"
        )
    return vector


def _pair(y: ArrayLike, prediction: ArrayLike, what: str = "prediction") -> tuple[NDArray[Any], NDArray[Any]]:
    """Return truth and prediction as vectors of one length."""
    truth, guess = _vector(y, "y"), _vector(prediction, what)
    if truth.size != guess.size:
        raise ValueError(f"y has {truth.size} values and {what} {guess.size}: they must have one row each")
    return truth, guess


def _baseline(y: NDArray[Any], baseline: ArrayLike) -> NDArray[Any]:
    """Return the baseline's predictions, a scalar being repeated for every row."""
    if np.ndim(baseline) == 0:
        baseline = np.full(y.shape, baseline, dtype=np.float64)
    return _pair(y, baseline, "baseline")[1]


def rmse(y: ArrayLike, prediction: ArrayLike) -> float:
    """Return the root mean squared error, in the unit of ``y``.

    Parameters
    ----------
    y, prediction : array-like of shape (n,)
        Truth and prediction.

    Returns
    -------
    float
        ``sqrt(mean((y - prediction) ** 2))``, at least 0.

    Raises
    ------
    ValueError
        Empty, NaN or infinite values, or different lengths.
    """
    truth, guess = _pair(y, prediction)
    return float(np.sqrt(np.mean((truth - guess) ** 2)))


def mae(y: ArrayLike, prediction: ArrayLike) -> float:
    """Return the mean absolute error, in the unit of ``y``; arguments and errors as for :func:`rmse`."""
    truth, guess = _pair(y, prediction)
    return float(np.mean(np.abs(truth - guess)))


def r2(y: ArrayLike, prediction: ArrayLike) -> float:
    """Return the coefficient of determination: 1 - SSE / SST, SST about the mean of *these* ``y``.

    It compares with a constant that knows the mean of the hold-out, not with persistence: use :func:`skill`
    for that. On price levels it is near 1 for any model that repeats yesterday's price.

    Raises
    ------
    ValueError
        As for :func:`rmse`, or when ``y`` is constant (R² is then undefined).
    """
    truth, guess = _pair(y, prediction)
    spread = np.sum((truth - truth.mean()) ** 2)
    if np.all(truth == truth[0]) or spread == 0:
        raise ValueError(f"R² is undefined: y is the same value in all {truth.size} rows")
    return float(1 - np.sum((truth - guess) ** 2) / spread)


def rmse_ratio(y: ArrayLike, prediction: ArrayLike, baseline: ArrayLike = PERSISTENCE) -> float:
    """Return RMSE(prediction) / RMSE(baseline): below 1 is better than the baseline, 0 is perfect.

    Parameters
    ----------
    y, prediction : array-like of shape (n,)
        Truth and prediction.
    baseline : float or array-like of shape (n,), default 0
        The baseline's predictions. 0 is persistence when ``y`` is a log price change.

    Raises
    ------
    ValueError
        As for :func:`rmse`, or when the baseline has no error at all.
    """
    truth, guess = _pair(y, prediction)
    reference = rmse(truth, _baseline(truth, baseline))
    if reference == 0:
        raise ValueError("the baseline is exact on every row, so no ratio to it is defined")
    return rmse(truth, guess) / reference


def skill(y: ArrayLike, prediction: ArrayLike, baseline: ArrayLike = PERSISTENCE) -> float:
    """Return the skill score against a baseline: ``1 - MSE(prediction) / MSE(baseline)``.

    1 is perfect, 0 is as good as the baseline, negative is worse. It is the ratio of *mean squared* errors:
    skill = 1 - rmse_ratio ** 2 (Murphy 1988, *Skill scores based on the mean square error*). Arguments and
    errors as for :func:`rmse_ratio`; the default baseline is persistence of a log price change.
    """
    return 1 - rmse_ratio(y, prediction, baseline) ** 2


def evaluate(y: ArrayLike, prediction: ArrayLike, baseline: ArrayLike = PERSISTENCE) -> dict[str, float]:
    """Return ``{rmse, mae, r2, skill, rmse_ratio}`` of one model; arguments and errors as for the parts."""
    return {
        "rmse": rmse(y, prediction),
        "mae": mae(y, prediction),
        "r2": r2(y, prediction),
        "skill": skill(y, prediction, baseline),
        "rmse_ratio": rmse_ratio(y, prediction, baseline),
    }


class Interval(NamedTuple):
    """A figure and its interval."""

    estimate: float
    low: float
    high: float


_STATISTICS: dict[str, Callable[..., Any]] = {
    "rmse": lambda squared, absolute, reference, rows: np.sqrt(squared / rows),
    "mae": lambda squared, absolute, reference, rows: absolute / rows,
    "rmse_ratio": lambda squared, absolute, reference, rows: np.sqrt(squared / reference),
    "skill": lambda squared, absolute, reference, rows: 1 - squared / reference,
}


def interval_over_items(
    y: ArrayLike,
    prediction: ArrayLike,
    items: ArrayLike,
    *,
    statistic: str = "rmse_ratio",
    baseline: ArrayLike = PERSISTENCE,
    level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Return a bootstrap percentile interval of a metric, resampling whole items.

    Rows of one item share its noise and its jumps, so resampling rows would give an interval that is far too
    narrow (Efron and Tibshirani 1993, ch. 13; the cluster bootstrap). Items share the market factor as well:
    what all items did in the hold-out period is *not* covered.

    Parameters
    ----------
    y, prediction : array-like of shape (n,)
        Truth and prediction.
    items : array-like of shape (n,)
        The item of each row.
    statistic : {"rmse", "mae", "rmse_ratio", "skill"}
        Which metric; it pools the rows of the resampled items.
    baseline : float or array-like of shape (n,), default 0
        As for :func:`rmse_ratio`.
    level : float, default 0.95
        Coverage, between 0 and 1.
    n_resamples, seed : int
        Bootstrap resamples and their seed.

    Returns
    -------
    Interval
        ``(estimate, low, high)``; the estimate is the metric on the data as it is.

    Raises
    ------
    ValueError
        As for :func:`rmse`; fewer than two items; an unknown statistic; a baseline without error; a level
        outside (0, 1).
    """
    if statistic not in _STATISTICS:
        raise ValueError(f"unknown statistic {statistic!r}: choose from {', '.join(_STATISTICS)}")
    if not 0 < level < 1:
        raise ValueError(f"level is a coverage between 0 and 1, not {level}")
    truth, guess = _pair(y, prediction)
    reference = _baseline(truth, baseline)
    codes, unique = pd.factorize(np.asarray(items).ravel(), sort=True)
    if codes.size != truth.size:
        raise ValueError(f"y has {truth.size} values and items {codes.size}: they must have one row each")
    if (codes < 0).any():
        raise ValueError(f"items has {(codes < 0).sum()} missing values")
    if len(unique) < 2:
        raise ValueError("an interval over items needs at least two items")

    # Every statistic is a function of sums over rows, so a resample only weights the sums of the items.
    sums = np.stack(
        [
            np.bincount(codes, each)
            for each in ((truth - guess) ** 2, abs(truth - guess), (truth - reference) ** 2)
        ]
        + [np.bincount(codes).astype(float)]
    )
    if statistic in ("rmse_ratio", "skill") and sums[2].sum() == 0:
        raise ValueError("the baseline is exact on every row, so no ratio to it is defined")
    counts = np.random.default_rng(seed).multinomial(
        len(unique), np.full(len(unique), 1 / len(unique)), size=n_resamples
    )
    function = _STATISTICS[statistic]
    with np.errstate(divide="ignore", invalid="ignore"):
        resampled = function(*(sums @ counts.T))
    resampled = resampled[np.isfinite(resampled)]  # a resample of items that never moved has no ratio
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(function(*sums.sum(axis=1))), float(low), float(high))


def compare(
    y: ArrayLike,
    predictions: Mapping[str, ArrayLike],
    baseline: ArrayLike = PERSISTENCE,
    items: ArrayLike | None = None,
    *,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return one row of metrics per model, best (lowest RMSE) first.

    Parameters
    ----------
    y : array-like of shape (n,)
        Truth.
    predictions : mapping of str to array-like of shape (n,)
        Each model's predictions.
    baseline : float or array-like of shape (n,), default 0
        As for :func:`rmse_ratio`.
    items : array-like of shape (n,), optional
        Given, the columns ``low`` and ``high`` bound ``rmse_ratio`` (see :func:`interval_over_items`).
    level, seed : float, int
        Of that interval.

    Returns
    -------
    DataFrame
        Index ``model``; columns rmse, mae, r2, skill, rmse_ratio[, low, high].

    Raises
    ------
    ValueError
        As for the parts, or when ``predictions`` is empty.
    """
    if not predictions:
        raise ValueError("predictions is empty: there is no model to compare")
    rows = {}
    for model, prediction in predictions.items():
        rows[model] = evaluate(y, prediction, baseline)
        if items is not None:
            bounds = interval_over_items(y, prediction, items, baseline=baseline, level=level, seed=seed)
            rows[model] |= {"low": bounds.low, "high": bounds.high}
    return (
        pd.DataFrame.from_dict(rows, orient="index").rename_axis("model").sort_values("rmse", kind="stable")
    )
