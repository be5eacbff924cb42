"""The opponents of every model: they read a window of log prices and predict the change that follows.

All keep scikit-learn's contract: ``fit(X, y)``, ``predict(X)``, with ``X`` of shape (n, length) holding the
log prices of consecutive days, oldest first (`itemmarket.price_windows`), and ``y`` of shape (n,) the next
log price change.
"""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.utils.validation import check_is_fitted, validate_data


class _WindowRegressor(RegressorMixin, BaseEstimator):
    """What the baselines share: input checks, and fitting nothing."""

    _needs = 1  # days that a window has at least

    def fit(self, X: ArrayLike, y: ArrayLike) -> "_WindowRegressor":
        """Check the windows and learn from them.

        Parameters
        ----------
        X : array-like of shape (n, length)
            Log prices.
        y : array-like of shape (n,)
            Log price changes.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Missing values, a wrong shape, or windows shorter than the model needs.
        """
        windows, changes = validate_data(self, X, y, y_numeric=True, dtype=np.float64)
        if windows.shape[1] < self._shortest():
            raise ValueError(
                f"{type(self).__name__} needs windows of at least {self._shortest()} days, not {windows.shape[1]}"
            )
        self._learn(windows, changes)
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return the predicted log price changes, shape (n,), for windows of shape (n, length)."""
        check_is_fitted(self, "n_features_in_")
        return self._forecast(validate_data(self, X, dtype=np.float64, reset=False))

    def _shortest(self) -> int:
        return 1

    def _learn(self, X: np.ndarray, y: np.ndarray) -> None:
        """Learn nothing: most baselines are formulas."""

    def _forecast(self, X: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class Persistence(_WindowRegressor):
    """Tomorrow's price is today's: the change is 0. The honest opponent on anything like a random walk."""

    def _forecast(self, X: np.ndarray) -> np.ndarray:
        return np.zeros(len(X))


class MovingAverage(_WindowRegressor):
    """Tomorrow's log price is the mean of the last ``days`` log prices.

    Parameters
    ----------
    days : int, default 7
        Days in the mean.
    """

    def __init__(self, days: int = 7):
        self.days = days

    def _shortest(self) -> int:
        if self.days < 1:
            raise ValueError(f"days must be at least 1, not {self.days}")
        return self.days

    def _forecast(self, X: np.ndarray) -> np.ndarray:
        return X[:, -self.days :].mean(axis=1) - X[:, -1]


class RidgeLags(_WindowRegressor):
    """Ridge regression on every day of the window, measured from the last day.

    Parameters
    ----------
    alpha : float, default 1.0
        Strength of the penalty.
    """

    def __init__(self, alpha: float = 1.0):
        self.alpha = alpha

    def _shortest(self) -> int:
        return 2

    def _learn(self, X: np.ndarray, y: np.ndarray) -> None:
        self.model_ = Ridge(alpha=self.alpha).fit(_from_last(X)[:, :-1], y)

    def _forecast(self, X: np.ndarray) -> np.ndarray:
        return self.model_.predict(_from_last(X)[:, :-1])


class WindowForest(_WindowRegressor):
    """Random forest on three summaries: 7-day mean and mean of the window (from the last day), and sd.

    Parameters
    ----------
    n_estimators : int, default 100
        Trees.
    min_samples_leaf : int, default 20
        Fewest windows in a leaf.
    max_samples : float or int or None, default None
        Windows drawn for each tree (None: as many as there are).
    random_state : int or None, default 0
        Seed of the forest.
    n_jobs : int or None, default None
        Processes at work.
    """

    def __init__(
        self,
        n_estimators: int = 100,
        min_samples_leaf: int = 20,
        max_samples: float | int | None = None,
        random_state: int | None = 0,
        n_jobs: int | None = None,
    ):
        self.n_estimators = n_estimators
        self.min_samples_leaf = min_samples_leaf
        self.max_samples = max_samples
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _shortest(self) -> int:
        return 7

    def _learn(self, X: np.ndarray, y: np.ndarray) -> None:
        self.model_ = RandomForestRegressor(**self.get_params()).fit(self._summaries(X), y)

    def _forecast(self, X: np.ndarray) -> np.ndarray:
        return self.model_.predict(self._summaries(X))

    @staticmethod
    def _summaries(X: np.ndarray) -> np.ndarray:
        """Return (n, 3): MA7 and MA of the whole window less the last log price, sd of the daily changes."""
        return np.column_stack(
            [X[:, -7:].mean(axis=1) - X[:, -1], X.mean(axis=1) - X[:, -1], np.diff(X, axis=1).std(axis=1)]
        )


def _from_last(X: np.ndarray) -> np.ndarray:
    """Measure each window from its last day: what is left is the same at every price level."""
    return X - X[:, -1:]
