"""Tests of ``mlp.py``. Yours are graded by the branches of ``mlp.py`` that they run: above 80 % is full credit."""

import numpy as np
import pytest
from mlp import PyTorchPredictor, Standardiser, check_inputs, make_network
from sklearn.exceptions import NotFittedError

import itemmarket as im


@pytest.fixture
def rows() -> tuple[np.ndarray, np.ndarray]:
    """Return 200 inputs with three columns, and a target that is linear in them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)).astype(np.float32)
    return X, (X @ [0.1, -0.2, 0.3]).astype(np.float32)


def test_standardiser(rows):
    """Scaled columns have mean 0; a constant column becomes 0."""
    X = rows[0].copy()
    X[:, 1] = 7.0
    scaled = Standardiser().fit(X).transform(X)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-5)
    assert (scaled[:, 1] == 0).all()


def test_network_widths():
    """The network has the widths that it was asked for."""
    shapes = [tuple(weight.shape) for weight in make_network(3, hidden=(8, 4)).state_dict().values()]
    assert shapes == [(8, 3), (8,), (4, 8), (4,), (1, 4), (1,)]


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
    """A fitted model explains a linear rule, and stops early with its best weights."""
    X, y = rows
    model = PyTorchPredictor(batch_size=16, max_epochs=60, learning_rate=1e-2).fit(X, y)
    assert im.r2(y, model.predict(X)) > 0.8
    tail_loss = np.mean((model.predict(X[-20:]) - y[-20:]) ** 2)
    assert tail_loss == pytest.approx(min(model.validation_losses_), rel=1e-4)


def test_early_stopping_on_noise():
    """Noise cannot be learned: training stops before the last epoch."""
    rng = np.random.default_rng(1)
    model = PyTorchPredictor(batch_size=16, max_epochs=100, patience=2, learning_rate=1e-2)
    model.fit(rng.normal(size=(100, 3)), rng.normal(size=100))
    assert len(model.validation_losses_) == model.best_epoch_ + 3 < 100


def test_one_row_is_too_few():
    """A single row cannot be split into training and validation."""
    with pytest.raises(ValueError):
        PyTorchPredictor().fit(np.zeros((1, 3)), np.zeros(1))


def test_save_and_load(rows, tmp_path):
    """A loaded model gives the same forecasts; an unfitted one cannot be saved or asked."""
    X, y = rows
    model = PyTorchPredictor(max_epochs=2).fit(X, y)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(PyTorchPredictor.load(tmp_path / "model").predict(X), model.predict(X))
    with pytest.raises(NotFittedError):
        PyTorchPredictor().predict(X)
    with pytest.raises(NotFittedError):
        PyTorchPredictor().save(tmp_path / "other")
