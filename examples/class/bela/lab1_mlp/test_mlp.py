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
    # YOUR CODE HERE
    raise NotImplementedError()


def test_network():
    """The network has the widths that it was asked for, and dropout acts in training only."""
    # YOUR CODE HERE
    raise NotImplementedError()


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
    # YOUR CODE HERE
    raise NotImplementedError()


def test_fit_learns(rows):
    """A fitted model explains a linear rule in the units of y, each time with the same forecast."""
    # YOUR CODE HERE
    raise NotImplementedError()


def test_early_stopping():
    """Noise cannot be learned: training stops `patience` epochs after the best, whose weights come back."""
    # YOUR CODE HERE
    raise NotImplementedError()


def test_nothing_is_learned_from_the_tail(rows):
    """After one epoch the forecasts are the same, whatever the last tenth of the rows holds."""
    # YOUR CODE HERE
    raise NotImplementedError()


def test_seed(rows):
    """The same seed gives the same model, also after an earlier fit; another seed gives another one."""
    # YOUR CODE HERE
    raise NotImplementedError()


def test_refusals(rows):
    """A single row, a model that was never fitted and another number of columns are refused."""
    # YOUR CODE HERE
    raise NotImplementedError()


@pytest.mark.parametrize("hidden", [(128, 64), (5,)])
def test_save_and_load(rows, tmp_path, hidden):
    """A loaded model gives the same forecasts, whatever its widths; an unfitted one cannot be saved."""
    # YOUR CODE HERE
    raise NotImplementedError()
