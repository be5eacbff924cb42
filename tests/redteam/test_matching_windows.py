"""Hidden inputs must not hold each other's answers: somebody who matches rows or windows gains nothing.

Tomorrow's row of an item tells today's answer: its price less its last change is today's price, and that change is
the answer. A student's `predict` sees all hidden rows in one call, so that it may look for such pairs.
"""

import numpy as np
import pytest

import itemmarket as im
from benchmarks._common import lab_modules

SEED = 20260731


@pytest.fixture(scope="module")
def lab1():
    """The lab's modules, imported by name as the judge does."""
    with lab_modules("lab1_mlp") as modules:
        yield modules


def matched(rows: im.Supervised, tolerance: float) -> np.ndarray:
    """Return the answers that other rows of the same batch tell, and 0 (persistence) where no row fits."""
    names = ("log_price", "change_1", "change_30", "volume_7")
    price, change, month, volume = (rows.X[name].to_numpy(dtype=float) for name in names)
    price_before = price - change
    order = np.argsort(price_before)
    first = np.searchsorted(price_before[order], price - 1e-6)
    last = np.searchsorted(price_before[order], price + 1e-6)
    forecast = np.zeros(len(price))
    for row in range(len(price)):
        others = order[first[row] : last[row]]
        others = others[others != row]
        if len(others):  # many items cost the same: a day changes a week's volume and a month's change little
            apart = np.abs(volume[others] - volume[row]) / 0.1
            apart += np.abs(month[others] - change[others] - month[row]) / 0.02
            best = int(np.argmin(apart))
            forecast[row] = change[others[best]] if apart[best] < tolerance else 0.0
    return forecast


def gain(rows: im.Supervised, tolerance: float) -> float:
    """Return the matcher's RMSE over persistence's."""
    return im.rmse(rows.y, matched(rows, tolerance)) / im.rmse(rows.y, np.zeros(len(rows)))


@pytest.mark.parametrize("tolerance", [1.0, 2.0, 5.0, 20.0])
def test_matching_rows_of_the_hidden_market_gains_nothing(lab1, tolerance):
    rows = lab1["reference"].hidden_rows(SEED)
    assert len(rows) > 1000
    assert gain(rows, tolerance) > 0.99


def test_the_matcher_recovers_answers_where_rows_do_overlap(lab1):
    """The control: on rows of consecutive days the same matcher is far better than persistence."""
    prices = im.simulate_market(n_items=100, start="2023-01-01", end="2024-06-30", seed=SEED)
    volume = lab1["visible_checks"].MIN_WEEKLY_VOLUME
    rows = im.supervised(prices, im.FeatureExtractor.basic(), min_weekly_volume=volume)
    assert gain(rows, 2.0) < 0.8


def test_rows_of_an_item_are_further_apart_than_look_back_and_horizon(lab1):
    rows = lab1["reference"].hidden_rows(SEED)
    days = rows.dates.to_numpy().astype("datetime64[D]").astype(int)
    names = np.asarray(rows.names)
    gaps = [np.diff(np.sort(days[names == name])) for name in np.unique(names)]
    assert np.concatenate(gaps).min() > im.FeatureExtractor.basic().lookback + 1


# ---------------------------------------------------------------- lab 2


@pytest.fixture(scope="module")
def lab2():
    """The lab's modules, likewise."""
    with lab_modules("lab2_lstm") as modules:
        yield modules


def continued(windows: im.Windows, reach: int = 600) -> np.ndarray:
    """Return forecasts by what other windows say: where one looks as if it went on from another, its first price.

    Windows come in date order, so the continuation stands within the next ``reach`` rows.
    """
    first = windows.X[np.arange(len(windows)), windows.X.shape[1] - windows.lengths]
    last, before = windows.X[:, -1], windows.X[:, -2]
    units = np.log1p(windows.volumes)
    level, begins = np.nanmean(units[:, -5:], axis=1), np.nanmean(units, axis=1)
    spread = np.log(np.nanstd(windows.X, axis=1) + 1e-3)
    forecast = np.zeros(len(windows))
    for row in range(len(windows) - 1):
        others = np.arange(row + 1, min(len(windows), row + reach))
        # A window that overlaps holds this one's last two days side by side.
        pairs = np.abs(windows.X[others, :-1] - before[row]) + np.abs(windows.X[others, 1:] - last[row])
        day = np.nanargmin(np.where(np.isnan(pairs), np.inf, pairs)[:, :-1], axis=1)
        overlap = pairs[np.arange(len(others)), day]
        if overlap.min() < 1e-6:
            best = int(np.argmin(overlap))
            forecast[row] = windows.X[others[best], day[best] + 2] - last[row]
            continue
        apart = np.abs(first[others] - last[row]) / 0.05 + np.abs(begins[others] - level[row]) / 0.3
        apart += np.abs(spread[others] - spread[row]) / 0.3
        best = int(np.argmin(apart))
        forecast[row] = (first[others[best]] - last[row]) / 3 if apart[best] < 2 else 0.0
    return forecast


def test_matching_windows_of_the_hidden_market_gains_nothing(lab2):
    windows = lab2["reference"].hidden_windows(SEED)
    assert len(windows) > 1000
    assert im.rmse_ratio(windows.y, continued(windows)) > 0.98


def test_the_matcher_of_windows_recovers_answers_where_they_overlap(lab2):
    """The control: on windows three days apart the same matcher is far better than persistence."""
    prices = im.simulate_market(n_items=60, start="2023-01-01", end="2024-03-31", seed=SEED)
    checks = lab2["visible_checks"]
    windows = im.price_windows(prices, checks.LENGTH, step=3, min_volume=checks.MIN_VOLUME)
    assert im.rmse_ratio(windows.y, continued(windows)) < 0.4


def test_windows_of_an_item_begin_long_after_the_last_one_ended(lab2):
    windows = lab2["reference"].hidden_windows(SEED)
    days = windows.dates.to_numpy().astype("datetime64[D]").astype(int)
    for name in np.unique(windows.names):
        own = np.sort(days[windows.names == name])
        assert (np.diff(own) > 2 * (windows.X.shape[1] + 1)).all()
