"""The baselines forecast what their names say, on windows of log prices."""

import numpy as np
import pytest
from sklearn.base import clone

from itemmarket.models.baselines import MovingAverage, Persistence, RidgeLags, WindowForest

ALL = [Persistence(), MovingAverage(7), RidgeLags(), WindowForest(n_estimators=20, min_samples_leaf=5)]


def noisy_walks(n: int, seed: int = 0, noise: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Return windows of walks seen through noise, and the change that follows."""
    rng = np.random.default_rng(seed)
    walk = rng.normal(0, 2, (n, 1)) + np.cumsum(rng.normal(0, 0.01, (n, 31)), axis=1)
    seen = walk + rng.normal(0, noise, walk.shape)
    return seen[:, :-1], seen[:, -1] - seen[:, -2]


def error(model, train, test) -> float:
    model.fit(*train)
    return float(np.sqrt(np.mean((model.predict(test[0]) - test[1]) ** 2)))


def test_persistence_and_moving_average_are_what_they_say():
    X, y = noisy_walks(50)
    assert not Persistence().fit(X, y).predict(X).any()
    mean = MovingAverage(3).fit(X, y).predict(X)
    np.testing.assert_allclose(mean, (X[:, -3] + X[:, -2] + X[:, -1]) / 3 - X[:, -1])
    np.testing.assert_allclose(MovingAverage(1).fit(X, y).predict(X), 0, atol=1e-12)


def test_ridge_recovers_a_linear_rule():
    rng = np.random.default_rng(1)
    X = np.cumsum(rng.normal(0, 0.1, (4000, 10)), axis=1)
    y = 0.3 * (X[:, -2] - X[:, -1]) - 0.2 * (X[:, 0] - X[:, -1])
    np.testing.assert_allclose(RidgeLags(alpha=1e-6).fit(X, y).predict(X), y, atol=1e-6)


def test_all_beat_persistence_where_noise_reverts():
    train, test = noisy_walks(4000), noisy_walks(4000, seed=1)
    persistence = error(Persistence(), train, test)
    for model in ALL[1:]:
        assert error(model, train, test) < 0.9 * persistence, model


def test_forest_reads_nothing_but_its_three_summaries():
    train = noisy_walks(1000)
    forest = WindowForest(n_estimators=5).fit(*train)
    X = train[0][:20].copy()
    X[:, 1:9] = X[:, 1:9][:, ::-1]  # the same mean, the same last week, other changes ...
    same = X.copy()
    same += 3.0  # ... and no price level
    np.testing.assert_allclose(forest.predict(same), forest.predict(X), atol=1e-9)
    assert forest.model_.n_features_in_ == 3


@pytest.mark.parametrize("model", ALL, ids=lambda m: type(m).__name__)
def test_estimator_contract(model):
    X, y = noisy_walks(200)
    before = X.copy()
    fitted = clone(model).fit(X, y)
    np.testing.assert_array_equal(X, before)
    assert fitted.predict(X).shape == (200,)
    np.testing.assert_array_equal(clone(model).fit(X, y).predict(X), fitted.predict(X))
    with pytest.raises(ValueError, match="features"):
        fitted.predict(X[:, :-1])
    with pytest.raises(ValueError, match="NaN"):
        fitted.predict(np.where(X.max() == X, np.nan, X))
    with pytest.raises(ValueError, match="not fitted"):
        clone(model).predict(X)


def test_windows_too_short_are_refused():
    X, y = noisy_walks(20)
    with pytest.raises(ValueError, match="windows of at least 7 days, not 5"):
        MovingAverage(7).fit(X[:, :5], y)
    with pytest.raises(ValueError, match="windows of at least 7 days, not 6"):
        WindowForest().fit(X[:, :6], y)
    with pytest.raises(ValueError, match="days must be at least 1"):
        MovingAverage(0).fit(X, y)
