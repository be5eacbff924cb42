"""Прогноз логарифма изменения цены: другое, но верное решение (DataLoader, float64, класс сети, numpy-проверки)."""

import copy
import math

import numpy as np
import torch
from sklearn.exceptions import NotFittedError
from torch.utils.data import DataLoader, TensorDataset

import itemmarket


class Standardiser:
    """Centre, scale and clip columns.

    Parameters
    ----------
    limit : float
        Largest absolute value after scaling.
    """

    def __init__(self, limit=5.0):
        self.limit = limit

    def fit(self, X):
        """Remember the columns' centre and spread.

        Parameters
        ----------
        X : numpy.ndarray
            Inputs, shape (n, k).

        Returns
        -------
        Standardiser
            Itself.
        """
        X = np.asarray(X, dtype=np.float64)
        self.centre = X.mean(0)
        self.spread = X.std(0)
        self.spread[self.spread == 0] = 1
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
        z = (np.asarray(X, dtype=np.float64) - self.centre) / self.spread
        return np.maximum(np.minimum(z, self.limit), -self.limit).astype("float32")


class Block(torch.nn.Sequential):
    """A hidden layer with its activation and dropout.

    Parameters
    ----------
    n_in, n_out : int
        Widths before and after.
    p : float
        Share of silenced units.
    """

    def __init__(self, n_in, n_out, p):
        super().__init__(torch.nn.Linear(n_in, n_out), torch.nn.ReLU(inplace=True), torch.nn.Dropout(p))


def make_network(n_features, hidden=(128, 64), dropout=0.2):
    """Stack blocks and one linear output.

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
    blocks = [Block(a, b, dropout) for a, b in zip(widths[:-1], widths[1:], strict=True)]
    return torch.nn.Sequential(*blocks, torch.nn.Linear(widths[-1], 1))


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


class PyTorchPredictor:
    """An MLP regressor.

    Parameters
    ----------
    **options
        See ``DEFAULTS``.
    """

    DEFAULTS = {
        "hidden": (128, 64),
        "dropout": 0.2,
        "learning_rate": 3e-3,
        "batch_size": 512,
        "max_epochs": 20,
        "patience": 3,
        "validation_fraction": 0.1,
        "seed": 0,
    }

    def __init__(self, **options):
        unknown = options.keys() - self.DEFAULTS.keys()
        if unknown:
            raise TypeError(f"unknown options: {sorted(unknown)}")
        self.options = {**self.DEFAULTS, **options}
        self.model = None

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
        o = self.options
        X, y = np.asarray(X), np.asarray(y, dtype=np.float64)
        check_inputs(X, y)
        cut = len(X) - max(1, math.ceil(len(X) * o["validation_fraction"] - 1e-9))
        if cut < 1:
            raise ValueError("too few rows")
        generator = torch.Generator().manual_seed(o["seed"])
        torch.manual_seed(o["seed"])
        self.scaler = Standardiser().fit(X[:cut])
        self.spread = np.std(y[:cut]) or 1.0
        inside = torch.tensor(self.scaler.transform(X), dtype=torch.float64)
        wanted = torch.tensor(y / self.spread)
        loader = DataLoader(
            TensorDataset(inside[:cut], wanted[:cut]), o["batch_size"], shuffle=True, generator=generator
        )
        self.model = make_network(X.shape[1], o["hidden"], o["dropout"]).double()
        optimiser = torch.optim.Adam(self.model.parameters(), o["learning_rate"])
        self.validation_losses_ = []
        best, waited = math.inf, 0
        for epoch in range(o["max_epochs"]):
            self.model.train()
            for xb, yb in loader:
                optimiser.zero_grad(set_to_none=True)
                ((self.model(xb).squeeze(1) - yb) ** 2).mean().backward()
                optimiser.step()
            self.model.eval()
            with torch.inference_mode():
                error = self.model(inside[cut:]).squeeze(1) - wanted[cut:]
            loss = float((error**2).mean()) * self.spread**2
            self.validation_losses_.append(loss)
            if loss < best:
                best, waited, self.best_epoch_ = loss, 0, epoch
                kept = copy.deepcopy(self.model.state_dict())
            else:
                waited += 1
            if waited == o["patience"]:
                break
        self.model.load_state_dict(kept)
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
            Forecasts, shape (n,).
        """
        if self.model is None:
            raise NotFittedError("call fit first")
        X = np.asarray(X)
        check_inputs(X, n_features=len(self.scaler.centre))
        with torch.inference_mode():
            scaled = self.model.eval()(torch.tensor(self.scaler.transform(X), dtype=torch.float64))
        return scaled.numpy().ravel() * self.spread

    def save(self, path):
        """Write an artefact.

        Parameters
        ----------
        path : str
            Folder.
        """
        if self.model is None:
            raise NotFittedError("call fit first")
        arrays = {f"w/{name}": value.numpy() for name, value in self.model.state_dict().items()}
        arrays |= {"centre": self.scaler.centre, "spread": self.scaler.spread}
        config = {**self.options, "hidden": list(self.options["hidden"]), "y_spread": float(self.spread)}
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
        config = dict(artefact.config)
        spread = config.pop("y_spread")
        model = cls(**config)
        model.spread = spread
        model.scaler = Standardiser()
        model.scaler.centre, model.scaler.spread = artefact.arrays["centre"], artefact.arrays["spread"]
        model.model = make_network(len(model.scaler.centre), config["hidden"], config["dropout"]).double()
        weights = {
            key[2:]: torch.tensor(value) for key, value in artefact.arrays.items() if key.startswith("w/")
        }
        model.model.load_state_dict(weights)
        return model
