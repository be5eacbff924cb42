"""Прогноз логарифма изменения цены: другое, но верное решение (DataLoader, обучение в float64, numpy-проверки)."""

import copy
import itertools
import math

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch.utils.data import DataLoader, TensorDataset

import itemmarket


class Standardiser(TransformerMixin, BaseEstimator):
    """Centre, scale and clip columns.

    Parameters
    ----------
    limit : float
        Largest absolute value after scaling.
    """

    def __init__(self, limit=5.0):
        self.limit = limit

    def fit(self, X, y=None):
        """Remember the columns' centre and spread.

        Parameters
        ----------
        X : numpy.ndarray
            Inputs, shape (n, k).
        y : None, optional
            Ignored.

        Returns
        -------
        Standardiser
            Itself.
        """
        X = np.asarray(X, dtype=np.float64)
        self.mean_ = X.mean(0)
        self.scale_ = X.std(0)
        self.scale_[self.scale_ == 0] = 1
        return self

    def transform(self, X):
        """Apply what was remembered.

        Parameters
        ----------
        X : numpy.ndarray
            Inputs, shape (n, k).

        Returns
        -------
        numpy.ndarray
            Scaled inputs, float32.
        """
        check_is_fitted(self)
        z = (np.asarray(X, dtype=np.float64) - self.mean_) / self.scale_
        return np.maximum(np.minimum(z, self.limit), -self.limit).astype("float32")


def make_network(n_features, hidden=(128, 64), dropout=0.2):
    """Stack hidden layers and one linear output.

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
    torch.nn.Sequential
        The network.
    """
    widths = [n_features, *hidden]
    blocks = (
        (torch.nn.Linear(a, b), torch.nn.ReLU(inplace=True), torch.nn.Dropout(dropout))
        for a, b in itertools.pairwise(widths)
    )
    return torch.nn.Sequential(*itertools.chain.from_iterable(blocks), torch.nn.Linear(widths[-1], 1))


def check_inputs(X, y=None, n_features=None):
    """Raise a ValueError for data that cannot be used.

    Parameters
    ----------
    X : numpy.ndarray
        Inputs.
    y : numpy.ndarray, optional
        Targets.
    n_features : int, optional
        Expected columns.

    Raises
    ------
    ValueError
        With a word for what is wrong.
    """
    problems = {
        "the shape of X is not (n, k)": np.ndim(X) != 2,
        "X is empty": np.size(X) == 0,
        f"X needs {n_features} columns": n_features is not None
        and np.ndim(X) == 2
        and X.shape[1] != n_features,
        "NaN or infinity in X": not np.all(np.isfinite(X)),
        "X and y differ in length": y is not None and np.shape(y) != np.shape(X)[:1],
        "NaN or infinity in y": y is not None and not np.all(np.isfinite(y)),
    }
    for message, wrong in problems.items():
        if wrong:
            raise ValueError(message)


class PyTorchPredictor(RegressorMixin, BaseEstimator):
    """An MLP regressor.

    Parameters
    ----------
    hidden : tuple of int
        Widths of the hidden layers.
    dropout, learning_rate, validation_fraction : float
        Share of silenced units, step size, share of the last rows that are not trained on.
    batch_size, max_epochs, patience, seed : int
        Rows per step, most epochs, epochs to wait for a better one, seed of everything random.
    """

    def __init__(
        self,
        hidden=(128, 64),
        dropout=0.2,
        learning_rate=3e-3,
        batch_size=512,
        max_epochs=20,
        patience=3,
        validation_fraction=0.1,
        seed=0,
    ):
        self.hidden, self.dropout, self.learning_rate = hidden, dropout, learning_rate
        self.batch_size, self.max_epochs, self.patience = batch_size, max_epochs, patience
        self.validation_fraction, self.seed = validation_fraction, seed

    def fit(self, X, y):
        """Train with early stopping on the last rows.

        Parameters
        ----------
        X : numpy.ndarray
            Inputs, in date order.
        y : numpy.ndarray
            Targets.

        Returns
        -------
        PyTorchPredictor
            Itself.
        """
        X, y = np.asarray(X), np.asarray(y, dtype=np.float64)
        check_inputs(X, y)
        cut = len(X) - max(1, round(len(X) * self.validation_fraction))
        if cut < 1:
            raise ValueError("too few rows")
        generator = torch.Generator().manual_seed(self.seed)
        torch.manual_seed(self.seed)
        self.standardiser_ = Standardiser().fit(X[:cut])
        self.y_scale_ = float(np.std(y[:cut])) or 1.0
        inside = torch.tensor(self.standardiser_.transform(X), dtype=torch.float64)
        wanted = torch.tensor(y / self.y_scale_)
        loader = DataLoader(
            TensorDataset(inside[:cut], wanted[:cut]), self.batch_size, shuffle=True, generator=generator
        )
        network = make_network(X.shape[1], self.hidden, self.dropout).double()
        optimiser = torch.optim.Adam(network.parameters(), self.learning_rate)
        self.validation_losses_ = []
        best, waited = math.inf, 0
        for epoch in range(self.max_epochs):
            network.train()
            for xb, yb in loader:
                optimiser.zero_grad(set_to_none=True)
                ((network(xb).squeeze(1) - yb) ** 2).mean().backward()
                optimiser.step()
            network.eval()
            with torch.inference_mode():
                error = network(inside[cut:]).squeeze(1) - wanted[cut:]
            loss = float((error**2).mean()) * self.y_scale_**2
            self.validation_losses_.append(loss)
            if loss < best:
                best, waited, self.best_epoch_ = loss, 0, epoch
                kept = copy.deepcopy(network.state_dict())
            else:
                waited += 1
            if waited == self.patience:
                break
        network.load_state_dict(kept)
        self.network_, self.n_features_in_ = network.float(), X.shape[1]
        return self

    def predict(self, X):
        """Forecast.

        Parameters
        ----------
        X : numpy.ndarray
            Inputs.

        Returns
        -------
        numpy.ndarray
            Forecasts, shape (n,), float32.
        """
        check_is_fitted(self)
        X = np.asarray(X)
        check_inputs(X, n_features=self.n_features_in_)
        with torch.inference_mode():
            scaled = self.network_.eval()(torch.from_numpy(self.standardiser_.transform(X)))
        return scaled.numpy().ravel() * np.float32(self.y_scale_)

    def save(self, path):
        """Write an artefact.

        Parameters
        ----------
        path : str
            Folder.
        """
        check_is_fitted(self)
        arrays = {f"w/{name}": value.numpy() for name, value in self.network_.state_dict().items()}
        arrays |= {"centre": self.standardiser_.mean_, "spread": self.standardiser_.scale_}
        config = {
            "hidden": list(self.hidden),
            "dropout": self.dropout,
            "limit": self.standardiser_.limit,
            "y_spread": self.y_scale_,
        }
        itemmarket.save_artefact(path, class_name=type(self).__name__, config=config, arrays=arrays)

    @classmethod
    def load(cls, path):
        """Read an artefact.

        Parameters
        ----------
        path : str
            Folder.

        Returns
        -------
        PyTorchPredictor
            The model.
        """
        artefact = itemmarket.load_artefact(path, class_name=cls.__name__)
        config = artefact.config
        model = cls(config["hidden"], config["dropout"])
        model.y_scale_ = config["y_spread"]
        model.standardiser_ = Standardiser(config["limit"])
        model.standardiser_.mean_, model.standardiser_.scale_ = (
            artefact.arrays["centre"],
            artefact.arrays["spread"],
        )
        model.n_features_in_ = len(model.standardiser_.mean_)
        model.network_ = make_network(model.n_features_in_, model.hidden, model.dropout)
        weights = {
            key[2:]: torch.tensor(value) for key, value in artefact.arrays.items() if key.startswith("w/")
        }
        model.network_.load_state_dict(weights)
        model.network_.eval()
        return model
