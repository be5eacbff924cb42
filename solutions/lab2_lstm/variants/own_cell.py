"""Другое верное решение: цикл по дням с LSTMCell и маской, обучение в float64, проверки списком."""

import copy
import math

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

import itemmarket

MIN_DAYS, TICK = 2, 0.01


def check_windows(X, y=None, n_series=None):
    """Raise a ValueError for windows that cannot be used.

    Parameters
    ----------
    X : numpy.ndarray
        Windows.
    y : numpy.ndarray, optional
        Changes.
    n_series : int, optional
        Series that X must have.

    Raises
    ------
    ValueError
        With a word for what is wrong.
    """
    X = np.asarray(X)
    if not (X.ndim == 2 or (X.ndim == 3 and X.shape[-1] == 2)):
        raise ValueError(f"the shape {X.shape} is none of (n, length), (n, length, 2)")
    if 0 in X.shape:
        raise ValueError("empty windows")
    if n_series and n_series != X.ndim - 1:
        raise ValueError(f"{n_series} series are needed")
    for number, row in enumerate(X.reshape(len(X), X.shape[1], -1)):
        whole = np.isfinite(row).all(axis=1)
        first = int(whole.argmax()) if whole.any() else len(row)
        if not np.isnan(row[:first]).all() or not whole[first:].all():
            raise ValueError(f"window {number} has a NaN or an infinity where it should not")
        if len(row) - first < MIN_DAYS:
            raise ValueError(f"window {number} has too few known days")
        if row.shape[1] == 2 and row[first:, 1].min() < 0:
            raise ValueError(f"window {number} has negative units")
    if y is not None:
        if np.shape(y) != (len(X),):
            raise ValueError("the length of y is not that of X")
        if not np.isfinite(y).all():
            raise ValueError("NaN in y")


def known_days(X):
    """Count days.

    Parameters
    ----------
    X : numpy.ndarray
        Windows.

    Returns
    -------
    numpy.ndarray
        Days.
    """
    unknown = np.isnan(X) if X.ndim == 2 else np.isnan(X).any(axis=2)
    return X.shape[1] - np.count_nonzero(unknown, axis=1)


def to_front(X):
    """Turn left padding into right padding.

    Parameters
    ----------
    X : numpy.ndarray
        Windows.

    Returns
    -------
    numpy.ndarray
        Windows.
    """
    moved = np.zeros(X.shape, dtype=np.float32)
    for row, days in enumerate(known_days(X)):
        moved[row, :days] = X[row, X.shape[1] - days :]
    return moved


def window_inputs(X):
    """Describe windows.

    Parameters
    ----------
    X : numpy.ndarray
        Windows.

    Returns
    -------
    tuple
        Inputs and spreads.
    """
    X = np.asarray(X, dtype=float)
    price = X if X.ndim == 2 else X[:, :, 0]
    known = ~np.isnan(price)
    moves = np.where(known, price - price[:, [-1]], 0)
    spread = np.sqrt((moves**2).sum(1) / known.sum(1)) + TICK
    parts = [moves / spread[:, None], np.broadcast_to(np.log(spread)[:, None], price.shape), price]
    if X.ndim == 3:
        parts.append(np.log(1 + X[:, :, 1]))
    inputs = np.stack(parts, axis=2)
    inputs[~known] = np.nan
    return inputs, spread


class ChannelScaler(TransformerMixin, BaseEstimator):
    """Robust scaling.

    Parameters
    ----------
    limit : float
        Largest absolute value.
    """

    def __init__(self, limit=8.0):
        self.limit = limit

    def fit(self, inputs, y=None):
        """Learn.

        Parameters
        ----------
        inputs : numpy.ndarray
            Inputs.
        y : None, optional
            Ignored.

        Returns
        -------
        ChannelScaler
            Itself.
        """
        flat = np.asarray(inputs, dtype=float).reshape(-1, inputs.shape[-1])
        self.centre_ = np.nanmedian(flat, axis=0)
        self.scale_ = np.nanpercentile(flat, 75, axis=0) - np.nanpercentile(flat, 25, axis=0)
        self.scale_[self.scale_ == 0] = 1
        return self

    def transform(self, inputs):
        """Scale.

        Parameters
        ----------
        inputs : numpy.ndarray
            Inputs.

        Returns
        -------
        numpy.ndarray
            Scaled inputs.
        """
        check_is_fitted(self)
        return np.maximum(np.minimum((inputs - self.centre_) / self.scale_, self.limit), -self.limit)


class PriceLSTM(torch.nn.Module):
    """A cell that walks through the days.

    Parameters
    ----------
    n_channels : int
        Channels.
    hidden : int
        Units.
    dropout : float
        Share of silenced units.
    """

    def __init__(self, n_channels, hidden=64, dropout=0.1):
        super().__init__()
        self.hidden = hidden
        self.cell = torch.nn.LSTMCell(n_channels, hidden)
        self.first = torch.nn.Linear(hidden, math.ceil(hidden / 2))
        self.second = torch.nn.Linear(math.ceil(hidden / 2), 1)
        self.dropout = torch.nn.Dropout(dropout)

    def forward(self, inputs, lengths):
        """Walk.

        Parameters
        ----------
        inputs : torch.Tensor
            Sequences.
        lengths : torch.Tensor
            Days.

        Returns
        -------
        torch.Tensor
            One number each.
        """
        state = memory = inputs.new_zeros(len(inputs), self.hidden)
        for day in range(int(lengths.max())):
            next_state, next_memory = self.cell(inputs[:, day], (state, memory))
            alive = (day < lengths)[:, None]
            state = torch.where(alive, next_state, state)
            memory = torch.where(alive, next_memory, memory)
        return self.second(torch.relu(self.first(self.dropout(state)))).squeeze(1)


def network_outputs(network, inputs, lengths):
    """Run without gradients.

    Parameters
    ----------
    network : PriceLSTM
        Network.
    inputs : numpy.ndarray
        Sequences.
    lengths : numpy.ndarray
        Days.

    Returns
    -------
    numpy.ndarray
        Outputs.
    """
    network.train(False)
    kind = next(network.parameters()).dtype
    parts = []
    with torch.inference_mode():
        for start in range(0, len(inputs), 1000):
            piece = torch.tensor(inputs[start : start + 1000], dtype=kind)
            parts.append(network(piece, torch.tensor(np.asarray(lengths)[start : start + 1000])))
    return torch.cat(parts).numpy().astype(np.float32)


def robust_loss(forecast, y, y_scale):
    """Return the Huber loss.

    Parameters
    ----------
    forecast, y : torch.Tensor
        Changes.
    y_scale : float
        Unit.

    Returns
    -------
    torch.Tensor
        Loss.
    """
    size = ((forecast - y) / y_scale).abs()
    return torch.where(size < 3, size**2 / 2, 3 * (size - 1.5)).mean()


class LSTMPricePredictor(RegressorMixin, BaseEstimator):
    """A regressor on windows.

    Parameters
    ----------
    hidden, batch_size, max_epochs, patience, seed : int
        Units, windows per step, most epochs, epochs to wait, seed.
    dropout, learning_rate, validation_fraction : float
        Share of silenced units, step size, share of windows not trained on.
    """

    def __init__(
        self,
        hidden=64,
        dropout=0.1,
        learning_rate=3e-3,
        batch_size=128,
        max_epochs=6,
        patience=2,
        validation_fraction=0.1,
        seed=0,
    ):
        self.hidden, self.dropout, self.learning_rate = hidden, dropout, learning_rate
        self.batch_size, self.max_epochs, self.patience = batch_size, max_epochs, patience
        self.validation_fraction, self.seed = validation_fraction, seed

    def fit(self, X, y):
        """Train.

        Parameters
        ----------
        X : numpy.ndarray
            Windows in date order.
        y : numpy.ndarray
            Changes.

        Returns
        -------
        LSTMPricePredictor
            Itself.
        """
        X, y = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
        check_windows(X, y)
        cut = len(X) - max(1, round(len(X) * self.validation_fraction))
        if cut < 1:
            raise ValueError("one window is too few")
        torch.manual_seed(self.seed)
        inputs, spread = window_inputs(X)
        self.n_series_ = X.ndim - 1
        self.scaler_ = ChannelScaler().fit(inputs[:cut])
        self.y_scale_ = float(np.std(y[:cut])) if min(y[:cut]) < max(y[:cut]) else 1.0
        sequences = to_front(self.scaler_.transform(inputs))
        days = known_days(X)
        network = PriceLSTM(inputs.shape[-1], self.hidden, self.dropout)
        optimiser = torch.optim.Adam(network.parameters(), self.learning_rate)
        self.validation_losses_, best, waited = [], math.inf, 0
        tensors = [torch.tensor(sequences[:cut]), torch.tensor(days[:cut])]
        tensors += [torch.tensor(v[:cut], dtype=torch.float32) for v in (spread, y)]
        for epoch in range(self.max_epochs):
            network.train()
            for rows in torch.randperm(cut).split(self.batch_size):
                x, length, unit, target = (tensor[rows] for tensor in tensors)
                optimiser.zero_grad(set_to_none=True)
                robust_loss(network(x, length) * unit, target, self.y_scale_).backward()
                optimiser.step()
            forecast = network_outputs(network, sequences[cut:], days[cut:]).clip(-1, 1) * spread[cut:]
            loss = float(robust_loss(torch.tensor(forecast), torch.tensor(y[cut:]), self.y_scale_))
            self.validation_losses_.append(loss)
            waited += 1
            if loss < best:
                best, waited, self.best_epoch_, kept = loss, 0, epoch, copy.deepcopy(network.state_dict())
            if waited == self.patience:
                break
        network.load_state_dict(kept)
        self.network_ = network
        return self

    def predict(self, X):
        """Forecast.

        Parameters
        ----------
        X : numpy.ndarray
            Windows.

        Returns
        -------
        numpy.ndarray
            Changes.
        """
        check_is_fitted(self, "network_")
        X = np.asarray(X, dtype=np.float32)
        check_windows(X, n_series=self.n_series_)
        inputs, spread = window_inputs(X)
        sequences = to_front(self.scaler_.transform(inputs))
        outputs = network_outputs(self.network_, sequences, known_days(X))
        return outputs.clip(-1, 1) * spread.astype(np.float32)

    def save(self, path):
        """Write.

        Parameters
        ----------
        path : str
            Folder.
        """
        check_is_fitted(self, "network_")
        arrays = {f"w.{name}": value.numpy() for name, value in self.network_.state_dict().items()}
        arrays |= {"scaling": np.stack([self.scaler_.centre_, self.scaler_.scale_])}
        config = {"hidden": self.hidden, "dropout": self.dropout}
        config |= {"n_series": self.n_series_, "y_scale": self.y_scale_}
        itemmarket.save_artefact(path, class_name="LSTMPricePredictor", config=config, arrays=arrays)

    @classmethod
    def load(cls, path):
        """Read.

        Parameters
        ----------
        path : str
            Folder.

        Returns
        -------
        LSTMPricePredictor
            The model.
        """
        artefact = itemmarket.load_artefact(path, class_name="LSTMPricePredictor")
        model = cls(artefact.config["hidden"], artefact.config["dropout"])
        model.n_series_, model.y_scale_ = artefact.config["n_series"], artefact.config["y_scale"]
        model.scaler_ = ChannelScaler()
        model.scaler_.centre_, model.scaler_.scale_ = artefact.arrays["scaling"]
        model.network_ = PriceLSTM(len(model.scaler_.centre_), model.hidden, model.dropout)
        model.network_.load_state_dict(
            {key[2:]: torch.tensor(value) for key, value in artefact.arrays.items() if key.startswith("w.")}
        )
        return model


def ensemble_weight(y, ensemble, candidate):
    """Try all weights.

    Parameters
    ----------
    y, ensemble, candidate : numpy.ndarray
        Truth and forecasts.

    Returns
    -------
    float
        The best.
    """
    if len({np.shape(y), np.shape(ensemble), np.shape(candidate)}) > 1:
        raise ValueError("not of one length")
    weights = np.linspace(0, 1, 101)
    errors = [np.mean((y - (1 - w) * np.asarray(ensemble) - w * np.asarray(candidate)) ** 2) for w in weights]
    return float(weights[int(np.argmin(errors))])
