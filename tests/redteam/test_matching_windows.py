"""Lab 1's hidden inputs must not hold each other's answers: somebody who matches rows gains nothing.

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
