"""An LSTM that forecasts log price changes from windows of any length, with scikit-learn's contract.

Your work in this file follows the notebook's tasks 1 to 7 and 9. Every place to fill in raises
``NotImplementedError``; the docstring above it says exactly what the checks expect. ``ChannelScaler`` and
``LSTMPricePredictor`` are scikit-learn estimators: ``__init__`` keeps its arguments and does nothing else, and names of
what ``fit`` learns end in ``_``.

A *window* is a row of ``X``: the log prices of consecutive days, oldest first, and beside them, where there is a
third axis, the units sold. A new item's window has NaN on the left, for the days before its first sale.
"""

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import itemmarket as im

MIN_DAYS = 2
"""Known days that a window has at least: one change."""

TICK = 0.01
"""Added to the spread of a window, so that one whose price rests has a spread, too."""


def check_windows(X: np.ndarray, y: np.ndarray | None = None, n_series: int | None = None) -> None:
    """Refuse windows that no model can learn from or predict on.

    Parameters
    ----------
    X : numpy.ndarray
        Windows, shape (n, length) for log prices alone, or (n, length, 2) for log prices and units sold.
    y : numpy.ndarray, optional
        Log price changes; must have shape (n,) and no NaN or infinity.
    n_series : int, optional
        What ``X`` must hold: 1 for log prices alone, 2 for log prices and units sold.

    Raises
    ------
    ValueError
        Naming what is wrong. The message holds the word ``shape`` for another number of axes or a last axis
        that is not 2, ``empty``, ``series`` where ``n_series`` differs, ``NaN`` for a NaN after a known day, on
        one of the two series only, or an infinity, ``days`` for a window of fewer than ``MIN_DAYS`` known
        days, ``units`` for negative units sold, ``length`` where X and y differ, ``NaN`` for one in y.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


def known_days(X: np.ndarray) -> np.ndarray:
    """Count the known days of each window.

    Parameters
    ----------
    X : numpy.ndarray
        Windows, shape (n, length) or (n, length, k), with NaN on the left.

    Returns
    -------
    numpy.ndarray
        Whole numbers, shape (n,).
    """
    # YOUR CODE HERE
    raise NotImplementedError()


def to_front(X: np.ndarray) -> np.ndarray:
    """Move the known days of each window to its front, in their order, and put zeros behind them.

    PyTorch packs sequences that begin at the first step and are padded at the end.

    Parameters
    ----------
    X : numpy.ndarray
        Windows, shape (n, length, k), with NaN on the left.

    Returns
    -------
    numpy.ndarray
        Shape (n, length, k), float32, without NaN.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


def window_inputs(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Describe each day of each window by what is comparable between items: the inputs of the network.

    The *spread* of a window is the root mean square, over its known days, of the log price less that of the
    last day, plus ``TICK``.

    Parameters
    ----------
    X : numpy.ndarray
        Windows, shape (n, length) or (n, length, 2), with NaN on the left.

    Returns
    -------
    inputs : numpy.ndarray
        Shape (n, length, 3), or (n, length, 4) with units sold. For each known day: the log price less that of
        the last day, over the window's spread; the log of the spread; the log price; log(1 + units sold). NaN
        on the other days.
    spread : numpy.ndarray
        Spread of each window, shape (n,).
    """
    # YOUR CODE HERE
    raise NotImplementedError()


class ChannelScaler(TransformerMixin, BaseEstimator):
    """Scale each channel to median 0 and interquartile range 1, then clip to ±``limit``.

    Median and quartiles do not care how wild the wildest price is; mean and standard deviation do.

    Parameters
    ----------
    limit : float
        Scaled values are clipped to [-limit, limit].

    Attributes
    ----------
    centre_, scale_ : numpy.ndarray
        Median and interquartile range of each channel, shape (k,), float64; 1 for a range of 0.
    """

    def __init__(self, limit: float = 8.0) -> None:
        self.limit = limit

    def fit(self, inputs: np.ndarray, y: None = None) -> "ChannelScaler":
        """Learn the median and the interquartile range of each channel over all known days.

        Parameters
        ----------
        inputs : numpy.ndarray
            Inputs of training windows, shape (n, length, k), NaN on unknown days.
        y : None, optional
            Not read; scikit-learn's pipelines hand it over.

        Returns
        -------
        ChannelScaler
            Itself. A channel whose interquartile range is 0 gets scale 1.
        """
        # YOUR CODE HERE
        raise NotImplementedError()

    def transform(self, inputs: np.ndarray) -> np.ndarray:
        """Scale inputs with what :meth:`fit` learned.

        Parameters
        ----------
        inputs : numpy.ndarray
            Inputs, shape (n, length, k), NaN on unknown days.

        Returns
        -------
        numpy.ndarray
            Scaled and clipped inputs, the same shape; NaN stays NaN.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        """
        check_is_fitted(self)
        # YOUR CODE HERE
        raise NotImplementedError()


class PriceLSTM(nn.Module):
    """An LSTM over the known days, then a fully connected head on its last state.

    Parameters
    ----------
    n_channels : int
        Numbers that describe a day.
    hidden : int
        Units of the LSTM; the head has half as many.
    dropout : float
        Share of the LSTM's last state that dropout silences during training.
    """

    def __init__(self, n_channels: int, hidden: int = 64, dropout: float = 0.1) -> None:
        super().__init__()
        # YOUR CODE HERE
        raise NotImplementedError()

    def forward(self, inputs: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Read each sequence up to its own end.

        Parameters
        ----------
        inputs : torch.Tensor
            Scaled inputs, shape (n, length, n_channels), known days first. What stands behind them must not matter.
        lengths : torch.Tensor
            Known days of each sequence, shape (n,), whole numbers.

        Returns
        -------
        torch.Tensor
            One number for each sequence, shape (n,).
        """
        # YOUR CODE HERE
        raise NotImplementedError()


def network_outputs(network: PriceLSTM, inputs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Run a network on any number of sequences, a thousand at a time, with dropout off and without gradients.

    Parameters
    ----------
    network : PriceLSTM
        Trained or not.
    inputs : numpy.ndarray
        Scaled inputs, shape (n, length, n_channels), float32, known days first.
    lengths : numpy.ndarray
        Known days of each sequence, shape (n,).

    Returns
    -------
    numpy.ndarray
        Outputs, shape (n,), float32: the same each time that they are asked for.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


def robust_loss(forecast: torch.Tensor, y: torch.Tensor, y_scale: float) -> torch.Tensor:
    """Return the mean Huber loss: squared up to three ``y_scale``, linear beyond. Nothing to fill in here.

    One overpaid trade would otherwise weigh as much as a thousand ordinary days.

    Parameters
    ----------
    forecast, y : torch.Tensor
        Forecast and true log price changes, shape (n,).
    y_scale : float
        Standard deviation of the training targets.

    Returns
    -------
    torch.Tensor
        The loss in units of ``y_scale`` squared, one number.
    """
    return nn.functional.huber_loss(forecast / y_scale, y / y_scale, delta=3.0)


class LSTMPricePredictor(RegressorMixin, BaseEstimator):
    """Forecast the log price change over the horizon that ``y`` has, from windows of any length.

    Parameters
    ----------
    hidden : int
        Units of the LSTM.
    dropout : float
        Dropout share during training.
    learning_rate : float
        Step size of Adam.
    batch_size : int
        Windows per gradient step.
    max_epochs : int
        Upper bound on passes over the training windows.
    patience : int
        Epochs without a better validation loss after which training stops.
    validation_fraction : float
        Share of the windows, taken from the end, that early stopping watches.
    seed : int
        Seed of the initial weights, the order of the batches and dropout.

    Attributes
    ----------
    n_series_ : int
        What :meth:`fit` saw: 1 for log prices alone, 2 for log prices and units sold.
    scaler_ : ChannelScaler
        Scales the channels, as learned from the training windows.
    network_ : PriceLSTM
        From scaled inputs to changes in units of the window's spread.
    validation_losses_ : list of float
        :func:`robust_loss` of what :meth:`predict` forecasts for the validation tail, after each epoch.
    best_epoch_ : int
        Index into ``validation_losses_`` of the epoch whose weights the fitted model has.
    y_scale_ : float
        Standard deviation of the targets that were trained on; 1 where they are all the same.
    """

    def __init__(
        self,
        hidden: int = 64,
        dropout: float = 0.1,
        learning_rate: float = 3e-3,
        batch_size: int = 128,
        max_epochs: int = 6,
        patience: int = 2,
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

    def fit(self, X: np.ndarray, y: np.ndarray) -> "LSTMPricePredictor":
        """Train with Adam on :func:`robust_loss`, stop early, keep the best weights.

        The last ``validation_fraction`` of the windows (at least one) are the validation tail: nothing is
        learned from them, neither weights nor scaling. Windows must therefore come in date order.

        The network's output is a change in units of the window's spread: the forecast is output × spread. The
        training loss reads the output as it is; :meth:`predict`, and so the validation loss, limits it to ±1.

        Parameters
        ----------
        X : numpy.ndarray
            Windows, shape (n, length) or (n, length, 2), with NaN on the left.
        y : numpy.ndarray
            Log price changes, shape (n,).

        Returns
        -------
        LSTMPricePredictor
            Itself, with the weights of the epoch of the lowest validation loss.

        Raises
        ------
        ValueError
            For windows that :func:`check_windows` refuses, or fewer than two of them.
        """
        X, y = np.asarray(X, dtype=np.float32), np.asarray(y, dtype=np.float32)
        check_windows(X, y)
        if len(X) < 2:
            raise ValueError("X must have at least two windows: one to train on and one to validate on")
        self.n_series_ = X.ndim - 1
        torch.manual_seed(self.seed)
        # YOUR CODE HERE
        raise NotImplementedError()

    def _prepare(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Turn windows into what the network reads.

        Parameters
        ----------
        X : numpy.ndarray
            Windows that were checked.

        Returns
        -------
        tuple of numpy.ndarray
            Scaled inputs with the known days first, known days, and spreads (float32).
        """
        # YOUR CODE HERE
        raise NotImplementedError()

    def _train_epoch(
        self,
        inputs: torch.Tensor,
        lengths: torch.Tensor,
        spread: torch.Tensor,
        y: torch.Tensor,
        optimiser: torch.optim.Optimizer,
    ) -> None:
        """Take one pass over the training windows in random batches.

        Parameters
        ----------
        inputs, lengths, spread : torch.Tensor
            As :meth:`_prepare` returns them.
        y : torch.Tensor
            Log price changes, shape (n,).
        optimiser : torch.optim.Optimizer
            Updates the network's weights.
        """
        # YOUR CODE HERE
        raise NotImplementedError()

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Forecast the log price change that follows each window.

        Parameters
        ----------
        X : numpy.ndarray
            Windows, shape (n, any length) or (n, any length, 2), with NaN on the left.

        Returns
        -------
        numpy.ndarray
            Forecasts, shape (n,), float32, none larger than its window's spread in either direction. A window
            gets the same forecast alone or in a batch, padded with NaN or cut to its known days (to 1e-5).

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        ValueError
            For windows that :func:`check_windows` refuses.
        """
        # YOUR CODE HERE
        raise NotImplementedError()

    def save(self, path: str) -> None:
        # YOUR CODE HERE
        raise NotImplementedError()

    @classmethod
    def load(cls, path: str) -> "LSTMPricePredictor":
        # YOUR CODE HERE
        raise NotImplementedError()


def ensemble_weight(y: np.ndarray, ensemble: np.ndarray, candidate: np.ndarray) -> float:
    """Find how much of a candidate an ensemble should take, on forecasts for validation windows.

    Parameters
    ----------
    y : numpy.ndarray
        True log price changes, shape (n,).
    ensemble, candidate : numpy.ndarray
        Forecasts of the ensemble without the candidate, and of the candidate, shape (n,) each.

    Returns
    -------
    float
        The w from 0 to 1 for which (1 - w) × ensemble + w × candidate has the lowest mean squared error on
        ``y``, to 0.01. It is 0 where the two forecasts are the same.

    Raises
    ------
    ValueError
        Where the three differ in length.
    """
    # YOUR CODE HERE
    raise NotImplementedError()
