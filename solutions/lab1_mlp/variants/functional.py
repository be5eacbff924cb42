"""Another correct solution: scikit-learn does the scaling and the splitting, functions do the training."""

import functools
import operator

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler
from torch import nn

import itemmarket as im


class Standardiser(TransformerMixin, BaseEstimator):
    """StandardScaler with a limit.

    Parameters
    ----------
    limit : float
        Largest absolute value.
    """

    def __init__(self, limit=5.0):
        self.limit = limit

    def fit(self, X, y=None):
        """Learn mean and scale.

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
        scaler = StandardScaler().fit(np.asarray(X, dtype=np.float64))
        self.mean_, self.scale_ = scaler.mean_, scaler.scale_
        return self

    def transform(self, X):
        """Scale and clip.

        Parameters
        ----------
        X : numpy.ndarray
            Rows.

        Returns
        -------
        numpy.ndarray
            Rows, scaled.
        """
        if not hasattr(self, "mean_"):
            raise NotFittedError("call fit first")
        scaler = StandardScaler()
        scaler.mean_, scaler.scale_, scaler.n_features_in_ = self.mean_, self.scale_, len(self.mean_)
        return np.clip(scaler.transform(np.asarray(X, dtype=np.float64)), -self.limit, self.limit).astype(
            "f4"
        )


def make_network(n_features, hidden=(128, 64), dropout=0.2):
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
    torch.nn.Sequential
        The network.
    """
    widths = [n_features, *hidden]
    layers = [
        [nn.Linear(n_in, n_out), nn.ReLU(), nn.Dropout(dropout)]
        for n_in, n_out in zip(widths, hidden, strict=False)
    ]
    return nn.Sequential(*functools.reduce(operator.add, layers, []), nn.Linear(widths[-1], 1))


def _finite(name, array):
    if not bool(torch.isfinite(torch.as_tensor(np.asarray(array, dtype=np.float64))).all()):
        raise ValueError(f"{name} contains NaN or infinite values")


def check_inputs(X, y=None, n_features=None):
    """Refuse bad data.

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
        For bad data.
    """
    if X.ndim != 2:
        raise ValueError(f"X has the wrong shape: {X.ndim} dimensions, not 2")
    if min(X.shape) == 0:
        raise ValueError("X is empty")
    if n_features not in (None, X.shape[1]):
        raise ValueError(f"the number of columns is {X.shape[1]} and should be {n_features}")
    _finite("X", X)
    if y is not None:
        if y.ndim != 1 or len(y) != len(X):
            raise ValueError("y does not have the length of X")
        _finite("y", y)


def train_epoch(network, batches, optimiser):
    """Take one pass over batches of inputs and targets.

    Parameters
    ----------
    network : torch.nn.Module
        What learns.
    batches : iterable
        Pairs of tensors.
    optimiser : torch.optim.Optimizer
        How.
    """
    network.train()
    for inputs, targets in batches:
        optimiser.zero_grad()
        nn.MSELoss()(network(inputs).flatten(), targets).backward()
        optimiser.step()
    network.eval()


def evaluate(network, inputs):
    """Return a network's outputs without gradients or dropout.

    Parameters
    ----------
    network : torch.nn.Module
        The network.
    inputs : numpy.ndarray
        Scaled rows.

    Returns
    -------
    numpy.ndarray
        One number per row.
    """
    network.eval()
    with torch.no_grad():
        return network(torch.from_numpy(inputs)).numpy().reshape(-1)


class PyTorchPredictor(RegressorMixin, BaseEstimator):
    """A regressor in the style of scikit-learn.

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
        Share of the last rows that are watched.
    seed : int
        Seed.
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
        self.hidden = hidden
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.seed = seed

    def fit(self, X, y):
        """Train on the first rows, watch the last.

        Parameters
        ----------
        X : numpy.ndarray
            Inputs.
        y : numpy.ndarray
            Targets.

        Returns
        -------
        PyTorchPredictor
            Itself.
        """
        X, y = np.array(X, dtype=np.float32), np.array(y, dtype=np.float32)
        check_inputs(X, y)
        n_tail = max(1, round(len(X) * self.validation_fraction))
        if len(X) - n_tail < 1:
            raise ValueError("at least two rows, please")
        (X, X_tail), (y, y_tail) = np.split(X, [-n_tail]), np.split(y, [-n_tail])
        torch.manual_seed(self.seed)
        self.n_features_in_ = X.shape[1]
        self.standardiser_ = Standardiser().fit(X)
        self.y_scale_ = float(np.std(y) or 1)
        inputs = torch.from_numpy(self.standardiser_.transform(X))
        targets = torch.from_numpy(y / np.float32(self.y_scale_))
        self.network_ = make_network(X.shape[1], self.hidden, self.dropout)
        optimiser = torch.optim.Adam(self.network_.parameters(), lr=self.learning_rate)
        history = []
        while len(history) < self.max_epochs:
            order = torch.randperm(len(inputs))
            batches = ((inputs[rows], targets[rows]) for rows in torch.split(order, self.batch_size))
            train_epoch(self.network_, batches, optimiser)
            loss = float(np.square(self.predict(X_tail) - y_tail).mean())
            history.append((loss, [tensor.clone() for tensor in self.network_.state_dict().values()]))
            best = min(range(len(history)), key=lambda epoch: history[epoch][0])
            if len(history) - 1 - best >= self.patience:
                break
        self.best_epoch_ = best
        self.validation_losses_ = [loss for loss, _ in history]
        self.network_.load_state_dict(dict(zip(self.network_.state_dict(), history[best][1], strict=True)))
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
            One number per row.
        """
        self._require_fitted()
        X = np.asarray(X)
        check_inputs(X, n_features=self.n_features_in_)
        return evaluate(self.network_, self.standardiser_.transform(X)) * np.float32(self.y_scale_)

    def __sklearn_is_fitted__(self):
        return "network_" in vars(self)

    def _require_fitted(self):
        if not self.__sklearn_is_fitted__():
            raise NotFittedError("call fit first")

    def save(self, path):
        """Write the model.

        Parameters
        ----------
        path : str
            Folder.
        """
        self._require_fitted()
        arrays = {
            name.replace(".", "_"): tensor.numpy() for name, tensor in self.network_.state_dict().items()
        }
        scaling = {"mean": self.standardiser_.mean_, "scale": self.standardiser_.scale_}
        config = {"hidden": list(self.hidden), "dropout": self.dropout, "y_scale": self.y_scale_}
        im.save_artefact(path, class_name="PyTorchPredictor", config=config, arrays=arrays | scaling)

    @classmethod
    def load(cls, path):
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
        artefact = im.load_artefact(path, class_name="PyTorchPredictor")
        model = cls(hidden=artefact.config["hidden"], dropout=artefact.config["dropout"])
        model.y_scale_ = artefact.config["y_scale"]
        model.standardiser_ = Standardiser()
        model.standardiser_.mean_, model.standardiser_.scale_ = (
            artefact.arrays["mean"],
            artefact.arrays["scale"],
        )
        model.n_features_in_ = len(model.standardiser_.mean_)
        model.network_ = make_network(model.n_features_in_, model.hidden, model.dropout)
        names = model.network_.state_dict()
        model.network_.load_state_dict(
            {name: torch.from_numpy(artefact.arrays[name.replace(".", "_")]) for name in names}
        )
        model.network_.eval()
        return model
