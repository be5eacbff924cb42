"""Another correct solution: one module for scaling and network, float64, early stopping in a generator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from sklearn.exceptions import NotFittedError

from itemmarket import load_artefact, save_artefact


@dataclass
class Standardiser:
    """Scale columns to mean 0 and deviation 1, and clip.

    Parameters
    ----------
    limit : float
        Largest absolute value.
    mean, scale : numpy.ndarray, optional
        What fit learns.
    """

    limit: float = 5.0
    mean: np.ndarray | None = field(default=None, repr=False)
    scale: np.ndarray | None = field(default=None, repr=False)

    def fit(self, X: np.ndarray) -> Standardiser:
        """Learn from training rows.

        Parameters
        ----------
        X : numpy.ndarray
            Rows.

        Returns
        -------
        Standardiser
            Itself.
        """
        n = len(X)
        columns = np.asarray(X, dtype=np.float64).T
        self.mean = np.array([column.sum() / n for column in columns])
        deviations = columns - self.mean[:, None]
        self.scale = np.sqrt((deviations**2).sum(axis=1) / n)
        self.scale[np.ptp(columns, axis=1) == 0] = 1.0
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
        return (((X - self.mean) / self.scale).clip(-self.limit, self.limit)).astype(np.float32)


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


class PyTorchPredictor:
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
        self.hidden = tuple(hidden)
        self._forget()

    def _forget(self) -> None:
        self.network, self.standardiser, self.y_scale = None, Standardiser(), 1.0
        self.validation_losses_, self.best_epoch_ = [], -1

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
        self._forget()
        torch.manual_seed(self.seed)
        self.standardiser.fit(X[:-n_watched])
        self.y_scale = float(y[:-n_watched].std()) or 1.0
        self.network = make_network(X.shape[1], self.hidden, self.dropout)
        scaled = torch.as_tensor(self.standardiser.transform(X))
        target = torch.as_tensor(y[:, None] / self.y_scale, dtype=torch.float32)
        weights = None
        for epoch in self._epochs(scaled[:-n_watched], target[:-n_watched]):
            difference = self.predict(X[-n_watched:]) - y[-n_watched:]
            self.validation_losses_.append(float(difference @ difference) / n_watched)
            if self.validation_losses_.index(min(self.validation_losses_)) == epoch:
                self.best_epoch_ = epoch
                weights = [parameter.detach().clone() for parameter in self.network.parameters()]
            if epoch == self.best_epoch_ + self.patience:
                break
        with torch.no_grad():
            for parameter, best in zip(self.network.parameters(), weights, strict=True):
                parameter.copy_(best)
        return self

    def _epochs(self, inputs: torch.Tensor, targets: torch.Tensor) -> Iterator[int]:
        """Train for an epoch at a time, and say which it was."""
        optimiser = torch.optim.Adam(self.network.parameters(), lr=self.learning_rate)
        shuffler = np.random.default_rng(self.seed)
        for epoch in range(self.max_epochs):
            self.network.train()
            order = shuffler.permutation(len(inputs))
            for start in range(0, len(order), self.batch_size):
                rows = order[start : start + self.batch_size]
                self.network.zero_grad()
                torch.mean((self.network(inputs[rows]) - targets[rows]) ** 2).backward()
                optimiser.step()
            self.network.eval()
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
        if self.network is None:
            raise NotFittedError("fit comes first")
        check_inputs(X, n_features=self.standardiser.mean.size)
        self.network.eval()
        scaled = torch.as_tensor(self.standardiser.transform(np.asarray(X)))
        return self.network(scaled).detach().numpy()[:, 0] * np.float32(self.y_scale)

    def save(self, path: str) -> None:
        """Write the model.

        Parameters
        ----------
        path : str
            Folder.
        """
        if self.network is None:
            raise NotFittedError("fit comes first")
        arrays = {f"weights{n}": p.detach().numpy() for n, p in enumerate(self.network.parameters())}
        arrays["scaling"] = np.stack([self.standardiser.mean, self.standardiser.scale])
        config = {"widths": list(self.hidden), "dropout": self.dropout, "y_scale": self.y_scale}
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
        model.standardiser.mean, model.standardiser.scale = found.arrays["scaling"]
        model.y_scale = found.config["y_scale"]
        model.network = make_network(found.arrays["scaling"].shape[1], model.hidden, model.dropout).eval()
        with torch.no_grad():
            for n, parameter in enumerate(model.network.parameters()):
                parameter.copy_(torch.tensor(found.arrays[f"weights{n}"]))
        return model
