"""Metrics against scikit-learn, their identities, and clear refusals."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as reference

from itemmarket.evaluation import metrics

values = st.floats(-1e3, 1e3, allow_nan=False, width=32)
pairs = st.integers(2, 40).flatmap(
    lambda n: st.tuples(arrays(np.float64, n, elements=values), arrays(np.float64, n, elements=values))
)


@settings(deadline=None, max_examples=200)
@given(pairs)
def test_they_agree_with_scikit_learn(pair):
    y, prediction = pair
    assert metrics.rmse(y, prediction) == pytest.approx(reference.root_mean_squared_error(y, prediction))
    assert metrics.mae(y, prediction) == pytest.approx(reference.mean_absolute_error(y, prediction))
    assume(np.ptp(y) > 1e-3)
    assert metrics.r2(y, prediction) == pytest.approx(reference.r2_score(y, prediction))


@settings(deadline=None, max_examples=200)
@given(pairs, st.floats(0.01, 100))
def test_skill_is_one_minus_the_ratio_of_mean_squared_errors(pair, scale):
    y, prediction = pair
    assume(np.abs(y).max() > 1e-2)
    mse = reference.mean_squared_error
    assert metrics.skill(y, prediction) == pytest.approx(1 - mse(y, prediction) / mse(y, np.zeros_like(y)))
    assert metrics.rmse_ratio(y, prediction) ** 2 == pytest.approx(1 - metrics.skill(y, prediction), abs=1e-9)
    assert metrics.rmse_ratio(scale * y, scale * prediction) == pytest.approx(
        metrics.rmse_ratio(y, prediction)
    )
    assert metrics.skill(y, y) == 1
    assert metrics.skill(y, np.zeros_like(y)) == 0


def test_the_baseline_may_be_any_prediction():
    prices, yesterday, model = np.array([10.0, 11, 12]), np.array([9.0, 10, 11]), np.array([9.5, 10.5, 11.5])
    assert metrics.rmse_ratio(prices, model, baseline=yesterday) == pytest.approx(0.5)
    assert metrics.skill(prices, model, baseline=yesterday) == pytest.approx(0.75)
    assert metrics.evaluate(prices, model, baseline=yesterday) == pytest.approx(
        {"rmse": 0.5, "mae": 0.5, "r2": 1 - 0.75 / 2, "skill": 0.75, "rmse_ratio": 0.5}
    )


@pytest.mark.parametrize(
    "function", [metrics.rmse, metrics.mae, metrics.r2, metrics.skill, metrics.rmse_ratio, metrics.evaluate]
)
@pytest.mark.parametrize(
    ("y", "prediction", "message"),
    [
        ([], [], "y is empty"),
        ([1.0, 2.0], [1.0], "y has 2 values and prediction 1"),
        ([1.0, np.nan, 3.0], [1.0, 2.0, 3.0], "y has 1 NaN or infinite of 3 values, the first at position 1"),
        ([1.0, 2.0], [1.0, np.inf], "prediction has 1 NaN or infinite of 2 values, the first at position 1"),
        (np.ones((2, 2)), [1.0, 2.0], r"y must be a vector, not an array of shape \(2, 2\)"),
    ],
)
def test_bad_input_is_named(function, y, prediction, message):
    with pytest.raises(ValueError, match=message):
        function(y, prediction)


def test_undefined_figures_are_refused():
    with pytest.raises(ValueError, match="R² is undefined"):
        metrics.r2([0.1, 0.1, 0.1], [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="baseline is exact"):
        metrics.skill([0.0, 0.0], [0.1, 0.1])
    with pytest.raises(ValueError, match="baseline 3"):
        metrics.skill([0.0, 1.0], [0.1, 0.1], baseline=[1, 2, 3])


def test_a_column_counts_as_a_vector():
    assert metrics.rmse(np.ones((4, 1)), np.zeros(4)) == 1  # and does not broadcast to 4 by 4
    assert (
        metrics.rmse(pd.Series([1.0, 2], index=[5, 6]), pd.Series([2.0, 1], index=[6, 5])) == 1
    )  # by position


def simulated(n_items=40, rows=50, seed=0, between=0.5):
    """Errors with a common scale per item: rows of an item are far from independent."""
    generator = np.random.default_rng(seed)
    items = np.repeat(np.arange(n_items), rows)
    y = generator.normal(size=n_items * rows)
    prediction = y - generator.normal(size=y.size) * 0.5 - (generator.normal(size=n_items) * between)[items]
    return y, prediction, items


@pytest.mark.parametrize("statistic", ["rmse", "mae", "rmse_ratio", "skill"])
def test_the_interval_matches_a_plain_bootstrap_over_items(statistic):
    y, prediction, items = simulated(n_items=12, rows=6)
    interval = metrics.interval_over_items(
        y, prediction, items, statistic=statistic, n_resamples=4000, seed=1
    )
    function = getattr(metrics, statistic)
    assert interval.estimate == pytest.approx(function(y, prediction))
    generator = np.random.default_rng(2)
    slow = []
    for _ in range(1500):
        rows = np.concatenate([np.flatnonzero(items == i) for i in generator.integers(0, 12, size=12)])
        slow.append(function(y[rows], prediction[rows]))
    width = interval.high - interval.low
    assert interval.low == pytest.approx(np.quantile(slow, 0.025), abs=0.1 * width)
    assert interval.high == pytest.approx(np.quantile(slow, 0.975), abs=0.1 * width)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    truth = np.sqrt(0.5**2 + 0.5**2)
    hits = 0
    for seed in range(200):
        y, prediction, items = simulated(rows=10, seed=seed)
        low, high = metrics.interval_over_items(y, prediction, items, statistic="rmse", n_resamples=400)[1:]
        hits += low <= truth <= high
    assert 0.85 <= hits / 200 <= 0.99, "a bootstrap over rows covers about 0.6 here"


def test_the_interval_is_reproducible_and_widens_with_its_level():
    y, prediction, items = simulated()
    narrow, wide = (metrics.interval_over_items(y, prediction, items, level=level) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.estimate < narrow.high < wide.high
    assert metrics.interval_over_items(y, prediction, items, level=0.5) == narrow
    names = np.array([f"item {i}" for i in items], dtype=object)
    assert metrics.interval_over_items(y, prediction, names, level=0.5).estimate == narrow.estimate


@pytest.mark.parametrize(
    ("items", "arguments", "message"),
    [
        (["a"] * 4, {}, "at least two items"),
        (["a", "b", None, "b"], {}, "1 missing"),
        (["a", "b"], {}, "y has 4 values and items 2"),
        (list("abab"), {"statistic": "r2"}, "unknown statistic 'r2'"),
        (list("abab"), {"level": 95}, "between 0 and 1"),
        (list("abab"), {"baseline": [1.0, 2, 3, 4]}, "baseline is exact"),
    ],
)
def test_an_interval_that_cannot_be_is_refused(items, arguments, message):
    with pytest.raises(ValueError, match=message):
        metrics.interval_over_items([1.0, 2, 3, 4], [1.0, 2, 3, 5], items, **arguments)


def test_compare_ranks_models_and_bounds_their_ratio():
    y, prediction, items = simulated()
    table = metrics.compare(y, {"persistence": np.zeros_like(y), "model": prediction}, items=items)
    assert list(table.index) == ["model", "persistence"]
    assert table.loc["persistence", ["rmse_ratio", "low", "high"]].tolist() == [1, 1, 1]
    assert table.loc["model", "low"] < table.loc["model", "rmse_ratio"] < table.loc["model", "high"] < 1
    assert "low" not in metrics.compare(y, {"model": prediction})
    with pytest.raises(ValueError, match="no model"):
        metrics.compare(y, {})
