"""Another correct solution: padding and sorting by torch, one loop."""

import copy
import math

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

import itemmarket as im
from itemmarket.models.training_state import Training
from itemmarket.titles.checkpoints import SPECIALS

CLASSES = im.CLASSES
WORDS, POSITIONS = (f"embeddings.{kind}_embeddings.weight" for kind in ("word", "position"))


def is_character(piece):
    """Tell single characters from longer pieces.

    Parameters
    ----------
    piece : str
        A word piece.

    Returns
    -------
    bool
        True for one letter, digit or sign of ASCII or Cyrillic.
    """
    text = piece[2:] if piece.startswith("##") and len(piece) > 2 else piece
    return len(text) == 1 and (ord(text) < 128 or 0x400 <= ord(text) < 0x500)


def prune(checkpoint, titles, max_length):
    """Throw away embeddings that are not needed.

    Parameters
    ----------
    checkpoint : itemmarket.Checkpoint
        The encoder.
    titles : list of str
        What it will read.
    max_length : int
        Positions.

    Returns
    -------
    itemmarket.Checkpoint
        The smaller encoder.
    """
    tokeniser = im.make_tokeniser(checkpoint.vocabulary, checkpoint.lower_case)
    wanted = {number for row in tokeniser(list(titles))["input_ids"] for number in row[:max_length]}
    wanted |= {n for n, p in enumerate(checkpoint.vocabulary) if p in SPECIALS or is_character(p)}
    kept = torch.tensor(sorted(wanted))
    weights = dict(checkpoint.weights)
    weights[WORDS] = torch.index_select(weights[WORDS], 0, kept)
    weights[POSITIONS] = weights[POSITIONS][:max_length].clone()
    return im.Checkpoint(
        checkpoint.name,
        {**checkpoint.config, "vocab_size": len(kept), "max_position_embeddings": len(weights[POSITIONS])},
        weights,
        tuple(checkpoint.vocabulary[n] for n in kept.tolist()),
        checkpoint.lower_case,
    )


def length_batches(lengths, batch_size, generator=None):
    """Group rows by length.

    Parameters
    ----------
    lengths : list of int
        How long each is.
    batch_size : int
        Most rows together.
    generator : torch.Generator, optional
        Chance.

    Returns
    -------
    list of list of int
        The groups.
    """
    lengths = torch.as_tensor(lengths)
    if generator is None:
        return [part.tolist() for part in torch.argsort(lengths, stable=True).split(batch_size)]
    mixed = torch.randperm(len(lengths), generator=generator)
    parts = mixed[torch.argsort(lengths[mixed], stable=True)].split(batch_size)
    return [parts[n].tolist() for n in torch.randperm(len(parts), generator=generator).tolist()]


def pad(rows):
    """Make a rectangle.

    Parameters
    ----------
    rows : list of list of int
        Ids.

    Returns
    -------
    tuple of torch.Tensor
        Ids and mask.
    """
    tensors = [torch.tensor(row, dtype=torch.int64) for row in rows]
    ids = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    return ids, (torch.arange(ids.shape[1]) < lengths[:, None]).long()


def check_titles(titles, labels=None):
    """Refuse nonsense.

    Parameters
    ----------
    titles : list of str
        Titles.
    labels : list of str, optional
        Rarities.

    Raises
    ------
    ValueError
        Saying what is wrong.
    """
    if isinstance(titles, str) or len(titles) < 1:
        raise ValueError("the list of titles is empty, or no list of text")
    wrong = [n for n, title in enumerate(titles) if not (isinstance(title, str) and title.split())]
    if wrong:
        raise ValueError(f"not text: title {wrong[0]}")
    if labels is None:
        return
    if len(labels) != len(titles):
        raise ValueError("labels have another length than titles")
    if unknown := set(labels) - set(CLASSES):
        raise ValueError(f"unknown label: {unknown}")


def class_weights(targets, balance=0.5):
    """Weigh classes.

    Parameters
    ----------
    targets : numpy.ndarray
        Class of each row.
    balance : float
        How much.

    Returns
    -------
    torch.Tensor
        Four weights.
    """
    counts = torch.bincount(torch.as_tensor(targets), minlength=4).clamp(min=1)
    return (len(targets) / (4 * counts.float())).pow(balance)


def rate_factor(step, n_steps, warm_up=0.1):
    """Return a triangle.

    Parameters
    ----------
    step : int
        Where.
    n_steps : int
        Its end.
    warm_up : float
        Its peak, as a share.

    Returns
    -------
    float
        Between 0 and 1.
    """
    peak = max(round(n_steps * warm_up), 1)
    return min((step + 1) / peak, (n_steps - step) / (n_steps - peak + 1))


def freeze(network, n_layers):
    """Decide what learns.

    Parameters
    ----------
    network : transformers.DistilBertForSequenceClassification
        The network.
    n_layers : int
        What does not, from the bottom.
    """
    parts = [network.distilbert.embeddings, *network.distilbert.transformer.layer]
    for parameter in network.parameters():
        parameter.requires_grad = True
    for number in range(min(n_layers, len(parts))):
        for parameter in parts[number].parameters():
            parameter.requires_grad = False


def quantise(weight):
    """Round to int8.

    Parameters
    ----------
    weight : torch.Tensor
        A matrix.

    Returns
    -------
    tuple of torch.Tensor
        Numbers and scales.
    """
    array = torch.as_tensor(weight).detach().numpy()
    scale = np.abs(array).max(axis=1) / np.float32(127)
    scale[scale == 0] = 1
    numbers = np.rint(array / scale[:, None]).clip(-127, 127).astype(np.int8)
    return torch.from_numpy(numbers), torch.from_numpy(scale.astype(np.float32))


def dequantise(numbers, scale):
    """Multiply by the scales.

    Parameters
    ----------
    numbers : torch.Tensor
        Whole numbers.
    scale : torch.Tensor
        One per row.

    Returns
    -------
    torch.Tensor
        The matrix.
    """
    return torch.as_tensor(scale).unsqueeze(1) * torch.as_tensor(numbers).float()


class RarityClassifier(ClassifierMixin, BaseEstimator):
    """Titles in, rarities out.

    Parameters
    ----------
    checkpoint : str
        What to start from.
    n_layers : int
        Layers.
    frozen : int
        Parts that do not learn.
    learning_rate : float
        Largest step size.
    batch_size : int
        Titles per step.
    max_epochs : int
        Most epochs.
    patience : int
        Epochs to wait for a better one.
    validation_fraction : float
        Share that is watched.
    balance : float
        Weight of rare classes.
    max_length : int
        Pieces per title.
    max_minutes : float, optional
        Most minutes.
    bfloat16 : bool
        Whether to train in 16 bits.
    seed : int
        Seed.
    """

    def __init__(
        self,
        checkpoint="minilm",
        n_layers=3,
        frozen=0,
        learning_rate=4e-4,
        batch_size=64,
        max_epochs=5,
        patience=2,
        validation_fraction=0.05,
        balance=0.5,
        max_length=48,
        max_minutes=None,
        bfloat16=False,
        seed=0,
    ):
        self.checkpoint, self.n_layers, self.frozen = checkpoint, n_layers, frozen
        self.learning_rate, self.batch_size, self.max_epochs = learning_rate, batch_size, max_epochs
        self.patience, self.validation_fraction, self.balance = patience, validation_fraction, balance
        self.max_length, self.max_minutes, self.bfloat16, self.seed = max_length, max_minutes, bfloat16, seed

    @property
    def compressed(self):
        """Whether its matrices are rounded.

        Returns
        -------
        bool
            True after :meth:`compress`, and after loading what was.
        """
        return len(vars(self).get("scales_", {})) > 0

    def _settings(self):
        return {**self.get_params(), "checkpoint": str(self.checkpoint)}

    def _set_up(self, config, vocabulary, lower_case, weights=None):
        self.network_ = im.make_classifier(config, CLASSES, weights)
        self.tokeniser_ = im.make_tokeniser(vocabulary, lower_case)
        self.config_, self.vocabulary_, self.lower_case_ = dict(config), tuple(vocabulary), lower_case
        self.scales_, self.classes_ = {}, np.asarray(CLASSES)

    def _ids(self, titles):
        return self.tokeniser_(list(titles), truncation=True, max_length=self.max_length)["input_ids"]

    def fit(self, titles, labels, folder=None):
        """Train.

        Parameters
        ----------
        titles : list of str
            Titles.
        labels : list of str
            Rarities.
        folder : str, optional
            Where to keep the training.

        Returns
        -------
        RarityClassifier
            Itself.
        """
        check_titles(titles, labels)
        if len(titles) == 1:
            raise ValueError("two titles, please: one of them is for validation")
        torch.manual_seed(self.seed)
        targets = torch.tensor([CLASSES.index(label) for label in labels])
        order = np.random.default_rng(self.seed).permutation(len(titles)).tolist()
        n_watched = max(1, round(len(titles) * self.validation_fraction))
        watched, learned = order[:n_watched], order[n_watched:]
        small = prune(im.load_checkpoint(self.checkpoint), [titles[n] for n in learned], self.max_length)
        n_layers = min(self.n_layers, small.config["n_layers"])
        self._set_up(
            {**small.config, "n_layers": n_layers}, small.vocabulary, small.lower_case, small.weights
        )
        freeze(self.network_, self.frozen)
        rows = self._ids(titles)
        optimiser = torch.optim.AdamW(
            (p for p in self.network_.parameters() if p.requires_grad), lr=self.learning_rate
        )
        run = Training(self.network_, optimiser, [self._settings(), list(titles), list(labels)], folder)
        weights = class_weights(targets[learned].numpy(), self.balance)
        n_batches = math.ceil(len(learned) / self.batch_size)

        def late():
            return self.max_minutes is not None and run.seconds > self.max_minutes * 60

        while run.epoch < self.max_epochs:
            if run.losses and (len(run.losses) - 1 - np.argmin(run.losses) >= self.patience or late()):
                break
            chance = torch.Generator().manual_seed(self.seed * 7919 + run.epoch)
            groups = length_batches([len(rows[n]) for n in learned], self.batch_size, chance)
            self.network_.train()
            for group in groups[run.step :]:
                number = run.epoch * n_batches + run.step
                for setting in optimiser.param_groups:
                    setting["lr"] = self.learning_rate * rate_factor(number, self.max_epochs * n_batches)
                chosen = [learned[n] for n in group]
                ids, mask = pad([rows[n] for n in chosen])
                logits = self.network_(input_ids=ids, attention_mask=mask).logits
                optimiser.zero_grad()
                torch.nn.functional.cross_entropy(logits, targets[chosen], weights).backward()
                torch.nn.utils.clip_grad_norm_(self.network_.parameters(), 1.0)
                optimiser.step()
                run.count_step()
                if late():
                    break
            logits = self._logits([rows[n] for n in watched])
            run.losses.append(torch.nn.functional.cross_entropy(logits, targets[watched]).item())
            if int(np.argmin(run.losses)) == len(run.losses) - 1:
                run.best = copy.deepcopy(self.network_.state_dict())
            run.count_epoch()
        self.network_.load_state_dict(run.best)
        self.validation_losses_ = run.losses
        self.best_epoch_ = int(np.argmin(run.losses))
        return self

    def _logits(self, rows):
        self.network_.eval()
        parts, order = [], []
        for group in length_batches([len(row) for row in rows], 100):
            ids, mask = pad([rows[n] for n in group])
            with torch.no_grad():
                parts.append(self.network_(input_ids=ids, attention_mask=mask).logits)
            order += group
        return torch.cat(parts)[torch.argsort(torch.tensor(order))]

    def predict_proba(self, titles):
        """Give probabilities.

        Parameters
        ----------
        titles : list of str
            Titles.

        Returns
        -------
        numpy.ndarray
            A row for each title.
        """
        check_is_fitted(self)
        check_titles(titles)
        return self._logits(self._ids(titles)).softmax(-1).numpy()

    def predict(self, titles):
        """Choose.

        Parameters
        ----------
        titles : list of str
            Titles.

        Returns
        -------
        list of str
            A rarity for each title.
        """
        return [CLASSES[row.argmax()] for row in self.predict_proba(titles)]

    def compress(self):
        """Round all matrices.

        Returns
        -------
        RarityClassifier
            A smaller one.
        """
        check_is_fitted(self)
        other = copy.deepcopy(self)
        with torch.no_grad():
            for name, parameter in other.network_.named_parameters():
                if parameter.dim() == 2:
                    numbers, scale = quantise(parameter)
                    other.scales_[name] = scale
                    parameter.copy_(dequantise(numbers, scale))
        return other

    def save(self, path, metrics=None):
        """Write the model.

        Parameters
        ----------
        path : str
            Folder.
        metrics : dict of str to float, optional
            Figures.
        """
        check_is_fitted(self)
        arrays = {}
        for name, tensor in self.network_.state_dict().items():
            scale = self.scales_.get(name)
            if scale is not None:
                arrays["scale/" + name] = scale.numpy()
                tensor = (tensor / scale[:, None]).round().to(torch.int8)
            arrays[name] = tensor.numpy()
        config = {
            "encoder": self.config_,
            "vocabulary": list(self.vocabulary_),
            "lower_case": self.lower_case_,
        }
        config["settings"] = self._settings()
        im.save_artefact(path, class_name="RarityClassifier", config=config, arrays=arrays, metrics=metrics)

    @classmethod
    def load(cls, path):
        """Read a model.

        Parameters
        ----------
        path : str
            Folder.

        Returns
        -------
        RarityClassifier
            The model.
        """
        artefact = im.load_artefact(path, class_name="RarityClassifier")
        config = artefact.config
        model = cls(**config["settings"])
        model._set_up(config["encoder"], config["vocabulary"], config["lower_case"])
        state = {}
        for name in model.network_.state_dict():
            state[name] = torch.from_numpy(artefact.arrays[name])
            if "scale/" + name in artefact.arrays:
                model.scales_[name] = torch.from_numpy(artefact.arrays["scale/" + name])
                state[name] = dequantise(state[name], model.scales_[name])
        model.network_.load_state_dict(state)
        model.network_.eval()
        return model
