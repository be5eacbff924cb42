"""A multilayer perceptron that forecasts log price changes, with scikit-learn's contract.

Your work in this file follows the notebook's tasks 1 to 6. Every place to fill in raises
``NotImplementedError``; the docstring above it says exactly what the checks expect. Both classes are scikit-learn
estimators: ``__init__`` keeps its arguments and does nothing else, and names of what ``fit`` learns end in ``_``.
"""

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

import itemmarket as im


class Standardiser(TransformerMixin, BaseEstimator):
    """Scale each column to mean 0 and standard deviation 1, then clip to ±``limit``.

    Parameters
    ----------
    limit : float
        Scaled values are clipped to [-limit, limit], so that one wild price cannot dominate.

    Attributes
    ----------
    mean_, scale_ : numpy.ndarray
        Mean and standard deviation of each column, shape (k,), float64; 1 for a column that never changes.
    """

    def __init__(self, limit: float = 5.0) -> None:
        self.limit = limit

    def fit(self, X: np.ndarray, y: None = None) -> "Standardiser":
        """Learn the mean and the standard deviation of each column.

        Parameters
        ----------
        X : numpy.ndarray
            Training inputs, shape (n, k).
        y : None, optional
            Not read; scikit-learn's pipelines hand it over.

        Returns
        -------
        Standardiser
            Itself. A column that never changes gets scale 1, so that it becomes 0 and not NaN.
        """
        self.mean_ = X.mean(axis=0, dtype=np.float64)
        scale = X.std(axis=0, dtype=np.float64)
        self.scale_ = np.where(scale > 0, scale, 1.0)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Scale inputs with what :meth:`fit` learned.

        Parameters
        ----------
        X : numpy.ndarray
            Inputs, shape (n, k).

        Returns
        -------
        numpy.ndarray
            Scaled and clipped inputs, shape (n, k), float32.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        """
        check_is_fitted(self)
        scaled = (X - self.mean_) / self.scale_
        return np.clip(scaled, -self.limit, self.limit).astype(np.float32)


def make_network(n_features: int, hidden: tuple[int, ...] = (128, 64), dropout: float = 0.2) -> nn.Sequential:
    """Build the network: for each hidden width a linear layer, ReLU and dropout; then one linear output.

    Parameters
    ----------
    n_features : int
        Number of input columns.
    hidden : tuple of int
        Widths of the hidden layers, in order.
    dropout : float
        Share of units that dropout silences during training.

    Returns
    -------
    torch.nn.Sequential
        Maps a tensor of shape (n, n_features) to one of shape (n, 1).
    """
    layers: list[nn.Module] = []
    width = n_features
    for units in hidden:
        layers += [nn.Linear(width, units), nn.ReLU(), nn.Dropout(dropout)]
        width = units
    return nn.Sequential(*layers, nn.Linear(width, 1))


def check_inputs(X: np.ndarray, y: np.ndarray | None = None, n_features: int | None = None) -> None:
    """Refuse inputs that no model can learn from or predict on.

    Parameters
    ----------
    X : numpy.ndarray
        Inputs; must be a non-empty array of shape (n, k) without NaN or infinity.
    y : numpy.ndarray, optional
        Targets; must have shape (n,) and no NaN or infinity.
    n_features : int, optional
        The number of columns that ``X`` must have.

    Raises
    ------
    ValueError
        Naming what is wrong. The message holds the word ``shape`` for a wrong number of dimensions,
        ``empty``, ``NaN`` (or infinity), ``columns`` for a wrong width, ``length`` where X and y differ.
    """
    if X.ndim != 2:
        raise ValueError(f"X must have shape (n, k), not {X.shape}")
    if X.size == 0:
        raise ValueError(f"X is empty: its shape is {X.shape}")
    if n_features is not None and X.shape[1] != n_features:
        raise ValueError(f"X has {X.shape[1]} columns, the model was fitted on {n_features} columns")
    if not np.isfinite(X).all():
        raise ValueError(
            f"X holds NaN or infinity, first in row {np.flatnonzero(~np.isfinite(X).all(axis=1))[0]}"
        )
    if y is None:
        return
    if y.shape != (len(X),):
        raise ValueError(f"X and y differ in length: X has shape {X.shape}, y has shape {y.shape}")
    if not np.isfinite(y).all():
        raise ValueError(f"y holds NaN or infinity, first in row {np.flatnonzero(~np.isfinite(y))[0]}")


class PyTorchPredictor(RegressorMixin, BaseEstimator):
    """Forecast the next log price change with a multilayer perceptron.

    Parameters
    ----------
    hidden : tuple of int
        Widths of the hidden layers.
    dropout : float
        Dropout share during training.
    learning_rate : float
        Step size of Adam.
    batch_size : int
        Rows per gradient step.
    max_epochs : int
        Upper bound on passes over the training rows.
    patience : int
        Epochs without a better validation loss after which training stops.
    validation_fraction : float
        Share of the rows, taken from the end, that early stopping watches.
    seed : int
        Seed of the initial weights, the order of the batches and dropout.

    Attributes
    ----------
    n_features_in_ : int
        Number of input columns that :meth:`fit` saw.
    standardiser_ : Standardiser
        Scales inputs, as learned from the training rows.
    y_scale_ : float
        Standard deviation of the targets that were trained on; 1 where they are all the same.
    network_ : torch.nn.Sequential
        From scaled inputs to targets over ``y_scale_``.
    validation_losses_ : list of float
        Mean squared error on the validation tail after each epoch, in the units of ``y`` squared.
    best_epoch_ : int
        Index into ``validation_losses_`` of the epoch whose weights the fitted model has.
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
        self.hidden = hidden
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.seed = seed

    def fit(self, X: np.ndarray, y: np.ndarray) -> "PyTorchPredictor":
        """Train with Adam on the mean squared error, stop early, keep the best weights.

        The last ``validation_fraction`` of the rows (at least one) are the validation tail: nothing is
        learned from them, neither weights nor scaling. Rows must therefore come in date order.

        Parameters
        ----------
        X : numpy.ndarray
            Inputs, shape (n, k).
        y : numpy.ndarray
            Targets, shape (n,).

        Returns
        -------
        PyTorchPredictor
            Itself, in evaluation mode, with the weights of the epoch of the lowest validation loss.

        Raises
        ------
        ValueError
            For inputs that :func:`check_inputs` refuses, or fewer than two rows.
        """
        X, y = np.asarray(X, dtype=np.float32), np.asarray(y, dtype=np.float32)
        check_inputs(X, y)
        if len(X) < 2:
            raise ValueError("X must have at least two rows: one to train on and one to validate on")
        self.n_features_in_ = X.shape[1]
        torch.manual_seed(self.seed)
        n_validation = max(1, round(len(X) * self.validation_fraction))
        X_train, X_tail = X[:-n_validation], X[-n_validation:]
        y_train, y_tail = y[:-n_validation], y[-n_validation:]
        self.standardiser_ = Standardiser().fit(X_train)
        self.y_scale_ = float(y_train.std()) or 1.0
        inputs = torch.from_numpy(self.standardiser_.transform(X_train))
        targets = torch.from_numpy(y_train / self.y_scale_)[:, None]
        self.network_ = make_network(self.n_features_in_, self.hidden, self.dropout)
        optimiser = torch.optim.Adam(self.network_.parameters(), lr=self.learning_rate)
        self.validation_losses_, best_weights = [], None
        for epoch in range(self.max_epochs):
            self._train_epoch(inputs, targets, optimiser)
            loss = float(np.mean((self.predict(X_tail) - y_tail) ** 2))
            self.validation_losses_.append(loss)
            if best_weights is None or loss < self.validation_losses_[self.best_epoch_]:
                self.best_epoch_ = epoch
                best_weights = {name: tensor.clone() for name, tensor in self.network_.state_dict().items()}
            elif epoch - self.best_epoch_ >= self.patience:
                break
        self.network_.load_state_dict(best_weights)
        return self

    def _train_epoch(
        self, inputs: torch.Tensor, targets: torch.Tensor, optimiser: torch.optim.Optimizer
    ) -> None:
        """Take one pass over the training rows in random batches.

        Parameters
        ----------
        inputs : torch.Tensor
            Scaled inputs, shape (n, k).
        targets : torch.Tensor
            Scaled targets, shape (n, 1).
        optimiser : torch.optim.Optimizer
            Updates the network's weights.
        """
        self.network_.train()
        for batch in torch.randperm(len(inputs)).split(self.batch_size):
            loss = nn.functional.mse_loss(self.network_(inputs[batch]), targets[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Forecast the log price change of each row.

        Parameters
        ----------
        X : numpy.ndarray
            Inputs, shape (n, k).

        Returns
        -------
        numpy.ndarray
            Forecasts, shape (n,), float32, in the units of ``y``. The same row gets the same forecast,
            alone or in a batch, today and tomorrow: dropout is off.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        ValueError
            For inputs that :func:`check_inputs` refuses.
        """
        check_is_fitted(self, "network_")
        X = np.asarray(X, dtype=np.float32)
        check_inputs(X, n_features=self.n_features_in_)
        self.network_.eval()
        with torch.no_grad():
            scaled = self.network_(torch.from_numpy(self.standardiser_.transform(X)))
        return scaled[:, 0].numpy() * self.y_scale_

    def save(self, path: str) -> None:
        # YOUR CODE HERE
        raise NotImplementedError()

    @classmethod
    def load(cls, path: str) -> "PyTorchPredictor":
        # YOUR CODE HERE
        raise NotImplementedError()
