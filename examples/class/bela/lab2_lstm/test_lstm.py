"""Tests of ``lstm.py``, graded by the branches that they run and by the planted bugs that they notice (task 11).

Test what the docstrings promise: every other correct ``lstm.py`` must pass your tests, too.
"""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import itemmarket as im

from lstm import (
    ChannelScaler,
    LSTMPricePredictor,
    PriceLSTM,
    check_windows,
    ensemble_weight,
    known_days,
    network_outputs,
    to_front,
    window_inputs,
)

SMALL = {"hidden": 16, "batch_size": 32, "learning_rate": 1e-2}


@pytest.fixture
def windows() -> tuple[np.ndarray, np.ndarray]:
    """Return 200 windows of up to 8 days with units sold, and changes back to the mean of each window."""
    rng = np.random.default_rng(0)
    X = np.stack(
        [rng.normal(0, 0.05, (200, 8)) + rng.normal(size=(200, 1)), rng.uniform(9, 99, (200, 8))], -1
    )
    X[::3, : rng.integers(1, 6)] = np.nan
    X[1::7, :2] = np.nan
    y = np.nanmean(X[..., 0], axis=1) - X[:, -1, 0]
    return X.astype(np.float32), y.astype(np.float32)


def bad(day: int, series: int | slice, value: float) -> np.ndarray:
    """Return two windows, one value of the second of which is bad."""
    X = np.ones((2, 5, 2), dtype=np.float32)
    X[1, day, series] = value
    return X


@pytest.mark.parametrize(
    ("X", "y", "n_series", "word"),
    [
        (np.zeros(3), None, None, "shape"),
        (np.zeros((2, 3, 4)), None, None, "shape"),
        (np.zeros((0, 3)), None, None, "empty"),
        (np.zeros((2, 3)), None, 2, "series"),
        (bad(2, slice(None), np.nan), None, None, "NaN"),
        (bad(2, 1, np.nan), None, None, "NaN"),
        (bad(0, 0, np.inf), None, None, "NaN"),
        (np.array([[np.nan, np.nan, 1.0]]), None, None, "days"),
        (bad(2, 1, -1), None, None, "units"),
        (np.zeros((2, 3)), np.zeros(3), None, "length"),
        (np.zeros((2, 3)), np.array([0, np.nan]), None, "NaN"),
    ],
)
def test_bad_windows(X, y, n_series, word):
    """Each kind of bad window raises a ValueError that names it."""
    # YOUR CODE HERE
    raise NotImplementedError()


def test_good_windows(windows):
    """Windows of new items are no mistake, with and without units sold."""
    # YOUR CODE HERE
    raise NotImplementedError()


def test_padding():
    """Known days are counted, and come first in their order, with zeros behind."""
    # YOUR CODE HERE
    raise NotImplementedError()


def test_inputs(windows):
    """Inputs are what the docstring says; padding and the price level change nothing that they should not."""
    # YOUR CODE HERE
    raise NotImplementedError()


def test_scaler():
    """Channels have median 0 and quartiles 1 apart; wild values are clipped; a constant channel becomes 0."""
    # YOUR CODE HERE
    raise NotImplementedError()


def test_network():
    """Each sequence is read to its own end, whatever stands behind, alone and together; dropout is off."""
    # YOUR CODE HERE
    raise NotImplementedError()


def test_fit_learns(windows):
    """A fitted model knows the rule, alone, in a batch and padded, and answers wild windows in proportion."""
    # YOUR CODE HERE
    raise NotImplementedError()


def test_forecasts_are_limited(windows):
    """No forecast is larger than its window's spread, however large the changes were that followed."""
    # YOUR CODE HERE
    raise NotImplementedError()


def test_early_stopping(windows):
    """Noise cannot be learned: training stops `patience` epochs after the best, whose weights come back."""
    # YOUR CODE HERE
    raise NotImplementedError()


def test_nothing_is_learned_from_the_tail(windows):
    """After one epoch the forecasts are the same, whatever the last tenth of the windows holds."""
    # YOUR CODE HERE
    raise NotImplementedError()


def test_seed_and_dropout(windows):
    """Seed and dropout decide what is learned; a second fit starts afresh."""
    # YOUR CODE HERE
    raise NotImplementedError()


def test_refusals(windows):
    """A single window, a model that was never fitted and other series are refused."""
    # YOUR CODE HERE
    raise NotImplementedError()


@pytest.mark.parametrize("series", [1, 2])
def test_save_and_load(windows, tmp_path, series):
    """A loaded model gives the same forecasts and refusals; an unfitted one cannot be saved."""
    # YOUR CODE HERE
    raise NotImplementedError()


def test_ensemble_weight():
    """The weight is the best mixture, within 0 and 1; three of unequal length are refused."""
    # YOUR CODE HERE
    raise NotImplementedError()
