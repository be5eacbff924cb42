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
    ### BEGIN SOLUTION
    with pytest.raises(ValueError, match=word):
        check_windows(X, y, n_series)
    ### END SOLUTION


def test_good_windows(windows):
    """Windows of new items are no mistake, with and without units sold."""
    ### BEGIN SOLUTION
    X, y = windows
    check_windows(X, y, n_series=2)
    check_windows(X[..., 0], y, n_series=1)
    ### END SOLUTION


def test_padding():
    """Known days are counted, and come first in their order, with zeros behind."""
    ### BEGIN SOLUTION
    X = np.array([[np.nan, np.nan, 1, 2], [3, 4, 5, 6], [np.nan, 7, 8, 9]])
    assert known_days(X).tolist() == known_days(X[..., None]).tolist() == [2, 4, 3]
    expected = [[1, 2, 0, 0], [3, 4, 5, 6], [7, 8, 9, 0]]
    np.testing.assert_array_equal(to_front(X[..., None])[..., 0], expected)
    ### END SOLUTION


def test_inputs(windows):
    """Inputs are what the docstring says; padding and the price level change nothing that they should not."""
    ### BEGIN SOLUTION
    X = np.array([[[0.5, 9], [0.9, 99], [0.7, 0]]], dtype=np.float32)
    inputs, spread = window_inputs(X)
    assert spread == pytest.approx(np.sqrt(0.08 / 3) + 0.01, rel=1e-4)
    np.testing.assert_allclose(inputs[0, :, 0], np.array([-0.2, 0.2, 0]) / spread, atol=1e-4)
    np.testing.assert_allclose(inputs[0, :, 1], np.log(spread[0]), atol=1e-4)
    np.testing.assert_allclose(inputs[0, :, 2:], np.c_[X[0, :, 0], np.log1p(X[0, :, 1])], atol=1e-4)
    padded = np.concatenate([np.full((200, 3, 2), np.nan, dtype=np.float32), windows[0]], axis=1)
    for whole, more in zip(window_inputs(windows[0]), window_inputs(padded), strict=True):
        np.testing.assert_allclose(more[:, -8:] if more.ndim == 3 else more, whole, rtol=1e-4, atol=1e-5)
    assert np.isfinite(window_inputs(np.ones((1, 4)))[0]).all()
    ### END SOLUTION


def test_scaler():
    """Channels have median 0 and quartiles 1 apart; wild values are clipped; a constant channel becomes 0."""
    ### BEGIN SOLUTION
    inputs = np.random.default_rng(1).normal(size=(80, 5, 3)) * [1, 100, 0] + 5
    inputs[:20, :2] = np.nan
    inputs[30, 0, 0] = 1e9
    scaler = ChannelScaler(limit=9.0).fit(inputs)
    scaled = scaler.transform(inputs)
    low, middle, high = np.nanquantile(scaled, [0.25, 0.5, 0.75], axis=(0, 1))
    np.testing.assert_allclose(middle, 0, atol=1e-3)
    np.testing.assert_allclose((high - low)[:2], 1, atol=1e-3)
    assert scaled[30, 0, 0] == 9 and np.isnan(scaled[:20, :2]).all() and np.nanmax(abs(scaled[..., 2])) == 0
    ### END SOLUTION


def test_network():
    """Each sequence is read to its own end, whatever stands behind, alone and together; dropout is off."""
    ### BEGIN SOLUTION
    rng = np.random.default_rng(2)
    network = PriceLSTM(3, hidden=8, dropout=0.5)
    assert any(weight.shape == (32, 3) for weight in network.state_dict().values())
    assert any(weight.shape == (256, 3) for weight in PriceLSTM(3).state_dict().values())
    inputs, lengths = rng.normal(size=(4, 6, 3)).astype(np.float32), np.array([2, 6, 4, 1])
    together = network_outputs(network, inputs, lengths)
    np.testing.assert_array_equal(network_outputs(network, inputs, lengths), together)
    for row, length in enumerate(lengths):
        alone = network_outputs(network, inputs[row : row + 1, :length].copy(), lengths[row : row + 1])
        np.testing.assert_allclose(alone, together[row], atol=1e-5)
    ### END SOLUTION


def test_fit_learns(windows):
    """A fitted model knows the rule, alone, in a batch and padded, and answers wild windows in proportion."""
    ### BEGIN SOLUTION
    X, y = windows
    model = LSTMPricePredictor(**SMALL, max_epochs=25, patience=25).fit(X, y)
    forecast = model.predict(X)
    assert forecast.shape == y.shape
    assert im.r2(y, forecast) > 0.7
    cut = X[:9, -3:].copy()
    padded = np.concatenate([np.full_like(cut, np.nan), cut], axis=1)
    np.testing.assert_allclose(model.predict(padded), model.predict(cut), atol=1e-5)
    np.testing.assert_allclose(model.predict(padded[4:5]), model.predict(cut)[4:5], atol=1e-5)
    wild = X.copy()
    wild[..., 0] += 9 * (X[..., 0] - X[:, -1:, 0])
    assert np.std(model.predict(wild)) > 4 * np.std(forecast)
    assert len(model.predict(np.tile(X, (6, 1, 1)))) == 1200
    ### END SOLUTION


def test_forecasts_are_limited(windows):
    """No forecast is larger than its window's spread, however large the changes were that followed."""
    ### BEGIN SOLUTION
    X, _ = windows
    spread = window_inputs(X)[1]
    forecast = LSTMPricePredictor(**SMALL, max_epochs=12).fit(X, 3 * spread).predict(X)
    assert (forecast <= 1.001 * spread).all() and np.mean(forecast > 0.99 * spread) > 0.9
    forecast = LSTMPricePredictor(**SMALL, max_epochs=12).fit(X, -3 * spread).predict(X)
    assert (forecast >= -1.001 * spread).all()
    assert LSTMPricePredictor(**SMALL, max_epochs=1).fit(X, np.full(len(X), 0.1)).y_scale_ == 1
    ### END SOLUTION


def test_early_stopping(windows):
    """Noise cannot be learned: training stops `patience` epochs after the best, whose weights come back."""
    ### BEGIN SOLUTION
    X, y = windows[0], 0.05 * np.random.default_rng(3).normal(size=200).astype(np.float32)
    model = LSTMPricePredictor(**SMALL, max_epochs=40, patience=2).fit(X, y)
    assert len(model.validation_losses_) == model.best_epoch_ + 3 < 40
    assert model.y_scale_ == pytest.approx(y[:-20].std(), rel=0.01)
    error = abs(model.predict(X[-20:]) - y[-20:]) / model.y_scale_
    loss = np.mean(np.where(error < 3, error**2 / 2, 3 * error - 4.5))
    assert loss == pytest.approx(min(model.validation_losses_), rel=1e-3)
    ### END SOLUTION


def test_nothing_is_learned_from_the_tail(windows):
    """After one epoch the forecasts are the same, whatever the last tenth of the windows holds."""
    ### BEGIN SOLUTION
    X, y = windows
    other, targets = X.copy(), y.copy()
    other[-20:] = other[-20:] * 3 + 7
    targets[-20:] += 1
    one, two = (LSTMPricePredictor(**SMALL, max_epochs=1).fit(*data) for data in ((X, y), (other, targets)))
    np.testing.assert_allclose(one.predict(X), two.predict(X), rtol=1e-3, atol=1e-6)
    ### END SOLUTION


def test_seed_and_dropout(windows):
    """Seed and dropout decide what is learned; a second fit starts afresh."""
    ### BEGIN SOLUTION
    X, y = windows
    options = ({"seed": 3}, {"seed": 3}, {"seed": 4}, {"seed": 3, "dropout": 0.8})
    first, again, other, dropped = (
        LSTMPricePredictor(**SMALL, max_epochs=2, **more).fit(X, y) for more in options
    )
    forecast = first.predict(X)
    np.testing.assert_array_equal(again.predict(X), forecast)
    assert not np.allclose(other.predict(X), forecast)
    assert not np.allclose(dropped.predict(X), forecast)
    np.testing.assert_array_equal(again.fit(X, y).predict(X), forecast)
    assert len(again.validation_losses_) == 2
    ### END SOLUTION


def test_refusals(windows):
    """A single window, a model that was never fitted and other series are refused."""
    ### BEGIN SOLUTION
    X, y = windows
    with pytest.raises(ValueError):
        LSTMPricePredictor().fit(X[:1], y[:1])
    with pytest.raises(NotFittedError):
        LSTMPricePredictor().predict(X)
    with pytest.raises(ValueError, match="series"):
        LSTMPricePredictor(**SMALL, max_epochs=1).fit(X, y).predict(X[..., 0])
    ### END SOLUTION


@pytest.mark.parametrize("series", [1, 2])
def test_save_and_load(windows, tmp_path, series):
    """A loaded model gives the same forecasts and refusals; an unfitted one cannot be saved."""
    ### BEGIN SOLUTION
    X, y = windows
    given, other = (X[..., 0], X) if series == 1 else (X, X[..., 0])
    model = LSTMPricePredictor(hidden=5 * series, max_epochs=2).fit(given, y)
    model.save(tmp_path / "model")
    loaded = LSTMPricePredictor.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(given), model.predict(given))
    with pytest.raises(ValueError, match="series"):
        loaded.predict(other)
    with pytest.raises(NotFittedError):
        LSTMPricePredictor().save(tmp_path / "other")
    ### END SOLUTION


def test_ensemble_weight():
    """The weight is the best mixture, within 0 and 1; three of unequal length are refused."""
    ### BEGIN SOLUTION
    y, noise = np.random.default_rng(5).normal(size=(2, 500))
    for candidate, weight in ((y, 1), (y / 2, 1), (2 * y, 0.5), (-y, 0), (0 * y, 0)):
        assert ensemble_weight(y, 0 * y, candidate) == pytest.approx(weight, abs=0.011)
    assert ensemble_weight(y, y + noise, y - noise) == pytest.approx(0.5, abs=0.011)
    with pytest.raises(ValueError, match="length"):
        ensemble_weight(y, y, y[:-1])
    ### END SOLUTION
