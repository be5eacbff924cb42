"""Tests of ``mlp.py``, graded by the branches that they run and by the planted bugs that they notice (task 10).

Test what the docstrings promise: every other correct ``mlp.py`` must pass your tests, too.
"""

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

import itemmarket as im

from mlp import PyTorchPredictor, Standardiser, check_inputs, make_network


@pytest.fixture
def rows() -> tuple[np.ndarray, np.ndarray]:
    """Return 200 inputs with three columns on unequal scales, and a target that is linear in them."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 3))
    return (z * [1, 10, 100] + 5).astype(np.float32), (0.05 * z @ [1, -2, 3]).astype(np.float32)


def test_standardiser(rows):
    """Each scaled column has mean 0 and deviation 1; a constant column becomes 0; wild values are clipped."""
    X = rows[0].copy()
    scaler = Standardiser(limit=4.0).fit(X)
    np.testing.assert_allclose(scaler.transform(X).mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(scaler.transform(X).std(axis=0), 1, atol=1e-3)
    assert (scaler.transform(X + 1e6) == 4).all()
    X[:, 1] = 7
    assert (Standardiser().fit(X).transform(X)[:, 1] == 0).all()


def test_network():
    """The network has the widths that it was asked for, and dropout acts in training only."""
    torch.manual_seed(0)  # one network in many has no unit that is not silent
    network = make_network(3, hidden=(8, 4), dropout=0.5)
    shapes = [tuple(weight.shape) for weight in network.state_dict().values()]
    assert shapes == [(8, 3), (8,), (4, 8), (4,), (1, 4), (1,)]
    inputs = torch.ones(100, 3)
    assert len(network.train()(inputs).unique()) > 1
    assert len(network.eval()(inputs).unique()) == 1


@pytest.mark.parametrize(
    ("X", "y", "n_features", "word"),
    [
        (np.zeros(3), None, None, "shape"),
        (np.zeros((0, 3)), None, None, "empty"),
        (np.zeros((2, 3)), None, 4, "columns"),
        (np.array([[np.nan]]), None, None, "NaN"),
        (np.zeros((2, 3)), np.zeros(3), None, "length"),
        (np.zeros((2, 3)), np.array([0.0, np.inf]), None, "NaN"),
    ],
)
def test_bad_inputs(X, y, n_features, word):
    """Each kind of bad input raises a ValueError that names it."""
    with pytest.raises(ValueError, match=word):
        check_inputs(X, y, n_features)


def test_fit_learns(rows):
    """A fitted model explains a linear rule in the units of y, each time with the same forecast."""
    X, y = rows
    model = PyTorchPredictor(batch_size=32, max_epochs=40, learning_rate=1e-2).fit(X, y)
    forecast = model.predict(X)
    assert forecast.shape == y.shape
    assert im.r2(y, forecast) > 0.8
    np.testing.assert_array_equal(model.predict(X), forecast)


def test_early_stopping():
    """Noise cannot be learned: training stops `patience` epochs after the best, whose weights come back."""
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(100, 3)), rng.normal(size=100)
    model = PyTorchPredictor(batch_size=16, max_epochs=100, patience=2, learning_rate=1e-2).fit(X, y)
    assert len(model.validation_losses_) == model.best_epoch_ + 3 < 100
    tail_loss = np.mean((model.predict(X[-10:]) - y[-10:]) ** 2)
    assert tail_loss == pytest.approx(min(model.validation_losses_), rel=1e-4)


def test_nothing_is_learned_from_the_tail(rows):
    """After one epoch the forecasts are the same, whatever the last tenth of the rows holds."""
    X, y = rows
    other, targets = X.copy(), y.copy()
    other[-20:] *= 50
    targets[-20:] += 1
    one, two = (PyTorchPredictor(max_epochs=1).fit(*data) for data in ((X, y), (other, targets)))
    np.testing.assert_allclose(one.predict(X), two.predict(X), rtol=1e-4)


def test_seed(rows):
    """The same seed gives the same model, also after an earlier fit; another seed gives another one."""
    X, y = rows
    first, again, other = (PyTorchPredictor(max_epochs=2, seed=seed).fit(X, y) for seed in (3, 3, 4))
    forecast = first.predict(X)
    np.testing.assert_array_equal(again.predict(X), forecast)
    assert not np.allclose(other.predict(X), forecast)
    again.fit(-X, y)
    np.testing.assert_array_equal(again.fit(X, y).predict(X), forecast)
    assert len(again.validation_losses_) == 2


def test_refusals(rows):
    """A single row, a model that was never fitted and another number of columns are refused."""
    X, y = rows
    with pytest.raises(ValueError):
        PyTorchPredictor().fit(X[:1], y[:1])
    with pytest.raises(NotFittedError):
        PyTorchPredictor().predict(X)
    with pytest.raises(ValueError, match="columns"):
        PyTorchPredictor(max_epochs=1).fit(X, y).predict(X[:, :2])


@pytest.mark.parametrize("hidden", [(128, 64), (5,)])
def test_save_and_load(rows, tmp_path, hidden):
    """A loaded model gives the same forecasts, whatever its widths; an unfitted one cannot be saved."""
    X, y = rows
    model = PyTorchPredictor(hidden=hidden, max_epochs=2).fit(X, y)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(PyTorchPredictor.load(tmp_path / "model").predict(X), model.predict(X))
    with pytest.raises(NotFittedError):
        PyTorchPredictor().save(tmp_path / "other")
