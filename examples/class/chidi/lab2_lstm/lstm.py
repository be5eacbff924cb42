"""Another correct solution: sequences of their own lengths in a DataLoader that collates and packs them."""

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader

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
    if X.ndim not in (2, 3) or (X.ndim == 3 and X.shape[2] != 2):
        raise ValueError(f"X must have shape (n, length) or (n, length, 2), not {X.shape}")
    if X.size == 0:
        raise ValueError(f"X is empty: its shape is {X.shape}")
    if n_series is not None and X.ndim - 1 != n_series:
        raise ValueError(
            f"X holds {X.ndim - 1} series (prices, units sold), the model was fitted on {n_series}"
        )
    series = X.reshape(*X.shape[:2], -1)
    known = np.isfinite(series[..., 0])
    padding = np.isnan(series).all(axis=2)
    broken = ~(known | padding) | (~np.isfinite(series).all(axis=2) & known)
    broken[:, 1:] |= known[:, :-1] & ~known[:, 1:]
    if broken.any():
        raise ValueError(
            "NaN may only stand on the left, for days before an item's first sale; in row "
            f"{np.flatnonzero(broken.any(axis=1))[0]} there is a NaN or an infinity among the known days"
        )
    if (known.sum(axis=1) < MIN_DAYS).any():
        short = np.flatnonzero(known.sum(axis=1) < MIN_DAYS)[0]
        raise ValueError(
            f"a window needs at least {MIN_DAYS} known days; row {short} has {known[short].sum()}"
        )
    if X.ndim == 3 and (series[..., 1][known] < 0).any():
        raise ValueError("units sold cannot be negative")
    if y is None:
        return
    if y.shape != (len(X),):
        raise ValueError(f"X and y differ in length: X has shape {X.shape}, y has shape {y.shape}")
    if not np.isfinite(y).all():
        raise ValueError(f"y holds NaN or infinity, first in row {np.flatnonzero(~np.isfinite(y))[0]}")


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
    return np.isfinite(X.reshape(*X.shape[:2], -1)[..., 0]).sum(axis=1)


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
    rows = [
        torch.from_numpy(row[len(row) - days :].astype(np.float32))
        for row, days in zip(X, known_days(X), strict=True)
    ]
    together = pad_sequence(rows, batch_first=True).numpy()
    return np.pad(together, ((0, 0), (0, X.shape[1] - together.shape[1]), (0, 0)))


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
    price = (X[..., 0] if X.ndim == 3 else X).astype(np.float64)
    from_last = price - price[:, -1:]
    spread = np.sqrt(np.nanmean(from_last**2, axis=1)) + TICK
    known = np.isfinite(price)
    channels = [
        from_last / spread[:, None],
        np.where(known, np.log(spread)[:, None], np.nan),
        price,
    ]
    if X.ndim == 3:
        channels.append(np.log1p(X[..., 1].astype(np.float64)))
    return np.stack(channels, axis=-1), spread


class ChannelScaler(TransformerMixin, BaseEstimator):
    """Scale each channel to median 0 and interquartile range 1, then clip to ±``limit``.

    Median and quartiles do not care how wild the wildest price is; mean and standard deviation do.

    Parameters
    ----------
    limit : float
        Scaled values are clipped to [-limit, limit].
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
            Ignored.

        Returns
        -------
        ChannelScaler
            Itself. A channel whose interquartile range is 0 gets scale 1.
        """
        days = inputs[np.isfinite(inputs).all(axis=2)]
        low, self.centre_, high = np.quantile(days, [0.25, 0.5, 0.75], axis=0)
        self.scale_ = np.where(high > low, high - low, 1.0)
        return self

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
        """
        check_is_fitted(self)
        return np.clip((inputs - self.centre_) / self.scale_, -self.limit, self.limit)


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
        self.lstm = nn.LSTM(n_channels, hidden, batch_first=True)
        self.head = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(hidden, hidden // 2), nn.ReLU(), nn.Linear(hidden // 2, 1)
        )

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
        longest_first = torch.argsort(lengths, descending=True, stable=True)
        packed = pack_padded_sequence(inputs[longest_first], lengths[longest_first], batch_first=True)
        state = self.lstm(packed)[1][0].squeeze(0)
        return self.head(state).flatten()[torch.argsort(longest_first)]


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
    network.eval()
    batches = zip(torch.from_numpy(inputs).split(1000), torch.as_tensor(lengths).split(1000), strict=True)
    with torch.no_grad():
        return torch.cat([network(*batch) for batch in batches]).numpy()


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


def _collate(rows):
    sequences, lengths, spread, y = zip(*rows, strict=True)
    padded = pad_sequence(sequences, batch_first=True)
    return padded, torch.tensor(lengths), torch.tensor(spread), torch.tensor(y)


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
    validation_losses_ : list of float
        :func:`robust_loss` of what :meth:`predict` forecasts for the validation tail, after each epoch.
    best_epoch_ : int
        Index into ``validation_losses_`` of the epoch whose weights the fitted model has.
    y_scale_ : float
        Standard deviation of the targets that were trained on (1 where they are all the same).
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

        The network's output is a change in units of the window's spread: the forecast is output × spread.

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
        torch.manual_seed(self.seed)
        n_tail = max(1, round(len(X) * self.validation_fraction))
        inputs, _ = window_inputs(X[:-n_tail])
        self.scaler_ = ChannelScaler().fit(inputs)
        self.n_series_ = X.ndim - 1
        self.y_scale_ = float(np.std(y[:-n_tail])) if len(np.unique(y[:-n_tail])) > 1 else 1.0
        self.network_ = PriceLSTM(inputs.shape[2], self.hidden, self.dropout)
        optimiser = torch.optim.Adam(self.network_.parameters(), lr=self.learning_rate)
        front, lengths, spread = self._prepare(X[:-n_tail])
        rows = [
            (torch.from_numpy(front[i, : lengths[i]]), int(lengths[i]), float(spread[i]), float(y[i]))
            for i in range(len(front))
        ]
        loader = DataLoader(rows, batch_size=self.batch_size, shuffle=True, collate_fn=_collate)
        self.validation_losses_, best_weights = [], None
        for epoch in range(self.max_epochs):
            self._train_epoch(loader, optimiser)
            forecast, truth = (torch.from_numpy(v) for v in (self.predict(X[-n_tail:]), y[-n_tail:]))
            loss = float(robust_loss(forecast, truth, self.y_scale_))
            self.validation_losses_.append(loss)
            if best_weights is None or loss < self.validation_losses_[self.best_epoch_]:
                self.best_epoch_ = epoch
                best_weights = {name: tensor.clone() for name, tensor in self.network_.state_dict().items()}
            elif epoch - self.best_epoch_ >= self.patience:
                break
        self.network_.load_state_dict(best_weights)
        return self

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
        inputs, spread = window_inputs(X)
        return to_front(self.scaler_.transform(inputs)), known_days(X), spread.astype(np.float32)

    def _train_epoch(self, loader, optimiser):
        self.network_.train()
        for inputs, lengths, spread, y in loader:
            optimiser.zero_grad()
            robust_loss(self.network_(inputs, lengths) * spread, y, self.y_scale_).backward()
            nn.utils.clip_grad_norm_(self.network_.parameters(), 10.0)
            optimiser.step()

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
        check_is_fitted(self)
        X = np.asarray(X, dtype=np.float32)
        check_windows(X, n_series=self.n_series_)
        inputs, lengths, spread = self._prepare(X)
        return np.maximum(
            -spread, np.minimum(spread, network_outputs(self.network_, inputs, lengths) * spread)
        )

    def save(self, path: str) -> None:
        """Write the fitted model as an artefact: a folder with a manifest and safetensors.

        Parameters
        ----------
        path : str
            The folder. An earlier artefact there is replaced.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        """
        check_is_fitted(self)
        weights = {f"network.{name}": tensor.numpy() for name, tensor in self.network_.state_dict().items()}
        im.save_artefact(
            path,
            class_name="LSTMPricePredictor",
            config={
                "hidden": self.hidden,
                "dropout": self.dropout,
                "n_series": self.n_series_,
                "y_scale": self.y_scale_,
                "limit": self.scaler_.limit,
            },
            arrays={**weights, "centre": self.scaler_.centre_, "scale": self.scaler_.scale_},
        )

    @classmethod
    def load(cls, path: str) -> "LSTMPricePredictor":
        """Read a model that :meth:`save` wrote.

        Parameters
        ----------
        path : str
            The folder.

        Returns
        -------
        LSTMPricePredictor
            A fitted model whose forecasts equal those of the saved one to the last bit.

        Raises
        ------
        itemmarket.ArtefactError
            If the folder is no artefact of this class, or was altered.
        """
        artefact = im.load_artefact(path, class_name="LSTMPricePredictor")
        config, arrays = artefact.config, artefact.arrays
        model = cls(hidden=config["hidden"], dropout=config["dropout"])
        model.n_series_, model.y_scale_ = config["n_series"], config["y_scale"]
        model.scaler_ = ChannelScaler(config["limit"])
        model.scaler_.centre_, model.scaler_.scale_ = arrays["centre"], arrays["scale"]
        model.network_ = PriceLSTM(len(arrays["centre"]), model.hidden, model.dropout)
        model.network_.load_state_dict(
            {
                name.removeprefix("network."): torch.from_numpy(array)
                for name, array in arrays.items()
                if name.startswith("network.")
            }
        )
        return model


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
    y, ensemble, candidate = (np.asarray(v, dtype=np.float64) for v in (y, ensemble, candidate))
    if not y.shape == ensemble.shape == candidate.shape:
        raise ValueError(f"different length: {y.shape}, {ensemble.shape} and {candidate.shape}")
    step = candidate - ensemble
    if not step.any():
        return 0.0
    return float(np.clip(step @ (y - ensemble) / (step @ step), 0, 1))
