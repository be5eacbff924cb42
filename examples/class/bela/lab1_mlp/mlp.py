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
        # YOUR CODE HERE
        raise NotImplementedError()

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
        # YOUR CODE HERE
        raise NotImplementedError()


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
    # YOUR CODE HERE
    raise NotImplementedError()


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
    # YOUR CODE HERE
    raise NotImplementedError()


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
        # YOUR CODE HERE
        raise NotImplementedError()

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
        # YOUR CODE HERE
        raise NotImplementedError()

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
        # YOUR CODE HERE
        raise NotImplementedError()

    def save(self, path: str) -> None:
        # YOUR CODE HERE
        raise NotImplementedError()

    @classmethod
    def load(cls, path: str) -> "PyTorchPredictor":
        # YOUR CODE HERE
        raise NotImplementedError()
