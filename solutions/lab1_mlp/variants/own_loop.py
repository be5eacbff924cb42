"""Another correct solution: one module for scaling and network, float64, early stopping in a generator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from itemmarket import load_artefact, save_artefact


@dataclass
class Standardiser(TransformerMixin, BaseEstimator):
    """Scale columns to mean 0 and deviation 1, and clip.

    Parameters
    ----------
    limit : float
        Largest absolute value.
    """

    limit: float = 5.0

    def fit(self, X: np.ndarray, y: None = None) -> Standardiser:
        """Learn from training rows.

        Parameters
        ----------
        X : numpy.ndarray
            Rows.
        y : None, optional
            Ignored.

        Returns
        -------
        Standardiser
            Itself.
        """
        n = len(X)
        columns = np.asarray(X, dtype=np.float64).T
        self.mean_ = np.array([column.sum() / n for column in columns])
        deviations = columns - self.mean_[:, None]
        self.scale_ = np.sqrt((deviations**2).sum(axis=1) / n)
        self.scale_[np.ptp(columns, axis=1) == 0] = 1.0
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Scale rows.

        Parameters
        ----------
        X : numpy.ndarray
            Rows.

        Returns
        -------
        numpy.ndarray
            Scaled rows, float32.
        """
        check_is_fitted(self, ["mean_", "scale_"])
        return (((X - self.mean_) / self.scale_).clip(-self.limit, self.limit)).astype(np.float32)


class Regressor(torch.nn.Sequential):
    """A stack of layers that ends in one number.

    Parameters
    ----------
    n_features : int
        Columns.
    hidden : tuple of int
        Widths.
    dropout : float
        Share of silenced units.
    """

    def __init__(self, n_features: int, hidden: tuple[int, ...], dropout: float) -> None:
        super().__init__()
        for units in hidden:
            self.append(torch.nn.Linear(n_features, units))
            self.append(torch.nn.ReLU())
            self.append(torch.nn.Dropout(p=dropout))
            n_features = units
        self.append(torch.nn.Linear(n_features, 1))


def make_network(n_features: int, hidden: tuple[int, ...] = (128, 64), dropout: float = 0.2) -> Regressor:
    """Build the network.

    Parameters
    ----------
    n_features : int
        Columns.
    hidden : tuple of int
        Widths.
    dropout : float
        Share of silenced units.

    Returns
    -------
    Regressor
        The network.
    """
    return Regressor(n_features, hidden, dropout)


def check_inputs(X: np.ndarray, y: np.ndarray | None = None, n_features: int | None = None) -> None:
    """Refuse what cannot be used.

    Parameters
    ----------
    X : numpy.ndarray
        Inputs.
    y : numpy.ndarray, optional
        Targets.
    n_features : int, optional
        Columns that X must have.

    Raises
    ------
    ValueError
        If something is wrong.
    """
    if len(np.shape(X)) != 2:
        raise ValueError(f"bad shape {np.shape(X)}")
    rows, columns = np.shape(X)
    if rows * columns == 0:
        raise ValueError("X is empty")
    if columns != (n_features or columns):
        raise ValueError(f"{n_features} columns are needed, there are {columns}")
    if not np.isfinite(np.sum(np.abs(X), dtype=np.float64)):
        raise ValueError("there is a NaN or an infinity in X")
    if y is not None:
        if np.shape(y) != (rows,):
            raise ValueError(f"the length of y is not {rows}")
        if not np.isfinite(np.sum(np.abs(y), dtype=np.float64)):
            raise ValueError("there is a NaN or an infinity in y")


class PyTorchPredictor(RegressorMixin, BaseEstimator):
    """Forecast log price changes.

    Parameters
    ----------
    hidden : tuple of int
        Widths.
    dropout : float
        Share of silenced units.
    learning_rate : float
        Step size.
    batch_size : int
        Rows per step.
    max_epochs : int
        Most epochs.
    patience : int
        Epochs to wait for a better one.
    validation_fraction : float
        Share of the rows at the end that are watched.
    seed : int
        Seed.
    """

    def __init__(
        self,
        hidden: tuple[int, ...] = (128, 64),
        dropout: float = 0.2,
        learning_rate: float = 3e-3,
        batch_size: int = 512,
        max_epochs: int = 20,
        patience: int = 3,
        validation_fraction: float = 0.1,
        seed: int = 0,
    ) -> None:
        vars(self).update({name: value for name, value in locals().items() if name != "self"})

    def fit(self, X: np.ndarray, y: np.ndarray) -> PyTorchPredictor:
        """Train.

        Parameters
        ----------
        X : numpy.ndarray
            Inputs in date order.
        y : numpy.ndarray
            Targets.

        Returns
        -------
        PyTorchPredictor
            Itself.
        """
        X, y = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
        check_inputs(X, y)
        n_watched = max(1, round(self.validation_fraction * len(X)))
        if n_watched >= len(X):
            raise ValueError("there must be two rows at least")
        torch.manual_seed(self.seed)
        self.validation_losses_, self.n_features_in_ = [], X.shape[1]
        self.standardiser_ = Standardiser().fit(X[:-n_watched])
        self.y_scale_ = float(y[:-n_watched].std()) or 1.0
        self.network_ = make_network(X.shape[1], self.hidden, self.dropout)
        scaled = torch.as_tensor(self.standardiser_.transform(X))
        target = torch.as_tensor(y[:, None] / self.y_scale_, dtype=torch.float32)
        weights = None
        for epoch in self._epochs(scaled[:-n_watched], target[:-n_watched]):
            difference = self.predict(X[-n_watched:]) - y[-n_watched:]
            self.validation_losses_.append(float(difference @ difference) / n_watched)
            if self.validation_losses_.index(min(self.validation_losses_)) == epoch:
                self.best_epoch_ = epoch
                weights = [parameter.detach().clone() for parameter in self.network_.parameters()]
            if epoch == self.best_epoch_ + self.patience:
                break
        with torch.no_grad():
            for parameter, best in zip(self.network_.parameters(), weights, strict=True):
                parameter.copy_(best)
        return self

    def _epochs(self, inputs: torch.Tensor, targets: torch.Tensor) -> Iterator[int]:
        """Train for an epoch at a time, and say which it was."""
        optimiser = torch.optim.Adam(self.network_.parameters(), lr=self.learning_rate)
        shuffler = np.random.default_rng(self.seed)
        for epoch in range(self.max_epochs):
            self.network_.train()
            order = shuffler.permutation(len(inputs))
            for start in range(0, len(order), self.batch_size):
                rows = order[start : start + self.batch_size]
                self.network_.zero_grad()
                torch.mean((self.network_(inputs[rows]) - targets[rows]) ** 2).backward()
                optimiser.step()
            self.network_.eval()
            yield epoch

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Forecast.

        Parameters
        ----------
        X : numpy.ndarray
            Inputs.

        Returns
        -------
        numpy.ndarray
            One number per row.
        """
        check_is_fitted(self, "network_")
        check_inputs(X, n_features=self.n_features_in_)
        self.network_.eval()
        scaled = torch.as_tensor(self.standardiser_.transform(np.asarray(X)))
        return self.network_(scaled).detach().numpy()[:, 0] * np.float32(self.y_scale_)

    def save(self, path: str) -> None:
        """Write the model.

        Parameters
        ----------
        path : str
            Folder.
        """
        check_is_fitted(self, "network_")
        arrays = {f"weights{n}": p.detach().numpy() for n, p in enumerate(self.network_.parameters())}
        arrays["scaling"] = np.stack([self.standardiser_.mean_, self.standardiser_.scale_])
        config = {"widths": list(self.hidden), "dropout": self.dropout, "y_scale": self.y_scale_}
        save_artefact(path, class_name="PyTorchPredictor", config=config, arrays=arrays)

    @classmethod
    def load(cls, path: str) -> PyTorchPredictor:
        """Read a model.

        Parameters
        ----------
        path : str
            Folder.

        Returns
        -------
        PyTorchPredictor
            The model.
        """
        found = load_artefact(path, class_name="PyTorchPredictor")
        model = cls(hidden=found.config["widths"], dropout=found.config["dropout"])
        model.standardiser_ = Standardiser()
        model.standardiser_.mean_, model.standardiser_.scale_ = found.arrays["scaling"]
        model.y_scale_ = found.config["y_scale"]
        model.n_features_in_ = found.arrays["scaling"].shape[1]
        model.network_ = make_network(model.n_features_in_, model.hidden, model.dropout).eval()
        with torch.no_grad():
            for n, parameter in enumerate(model.network_.parameters()):
                parameter.copy_(torch.tensor(found.arrays[f"weights{n}"]))
        return model
