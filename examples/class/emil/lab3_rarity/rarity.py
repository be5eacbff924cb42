"""From the title of a listing to its rarity: a pretrained DistilBERT, pruned, fine-tuned and compressed.

Your work in this file follows the notebook's tasks 1 to 7. Every place to fill in raises
``NotImplementedError``; the docstring above it says exactly what the checks expect. ``RarityClassifier`` is a
scikit-learn estimator: ``__init__`` keeps its arguments and does nothing else, and names of what ``fit`` learns end in
``_``.
"""

import copy
import dataclasses

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from torch.nn.functional import cross_entropy
from tqdm import tqdm
from transformers.models.bert.tokenization_bert import BertTokenizer
from transformers.models.distilbert.modeling_distilbert import DistilBertForSequenceClassification

import itemmarket as im
from itemmarket.models.training_state import Training
from itemmarket.titles.checkpoints import SPECIALS

ROWS_AT_ONCE = 128  # while predicting
CLASSES = im.CLASSES  # "Common", "Rare", "Epic", "Legendary": the order of the network's outputs


def prune(checkpoint: im.Checkpoint, titles: list[str], max_length: int) -> im.Checkpoint:
    """Leave out the word pieces and the positions that titles do not need.

    Parameters
    ----------
    checkpoint : itemmarket.Checkpoint
        A pretrained encoder.
    titles : list of str
        The training titles.
    max_length : int
        Number of positions to keep: no title is read further.

    Returns
    -------
    itemmarket.Checkpoint
        The same encoder with fewer embeddings. Kept are, in their old order, the special pieces, the
        pieces that occur in ``titles``, and the letters, digits and signs of ASCII and Cyrillic (alone and
        with ``##``) that the vocabulary has, so that a word never seen falls apart and does not disappear.
        ``embeddings.word_embeddings.weight`` keeps their rows and
        ``embeddings.position_embeddings.weight`` the first ``max_length`` rows; ``vocab_size`` and
        ``max_position_embeddings`` in ``config`` say how many these are.
    """
    tokeniser = im.make_tokeniser(checkpoint.vocabulary, checkpoint.lower_case)
    seen = set().union(*tokeniser(titles, truncation=True, max_length=max_length)["input_ids"])
    kept = [
        number
        for number, piece in enumerate(checkpoint.vocabulary)
        if number in seen or piece in SPECIALS or is_character(piece)
    ]
    words, positions = "embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight"
    weights = checkpoint.weights | {
        words: checkpoint.weights[words][kept],
        positions: checkpoint.weights[positions][:max_length],
    }
    config = checkpoint.config | {"vocab_size": len(kept), "max_position_embeddings": len(weights[positions])}
    vocabulary = tuple(checkpoint.vocabulary[number] for number in kept)
    return dataclasses.replace(checkpoint, config=config, weights=weights, vocabulary=vocabulary)


def is_character(piece: str) -> bool:
    """Tell whether a word piece is a single letter, digit or sign of ASCII or Cyrillic.

    Parameters
    ----------
    piece : str
        A word piece, with or without ``##``.

    Returns
    -------
    bool
        Whether :func:`prune` keeps it in any case.
    """
    character = piece.removeprefix("##") or piece
    return len(character) == 1 and (character.isascii() or "\u0400" <= character <= "\u04ff")


def length_batches(
    lengths: list[int], batch_size: int, generator: torch.Generator | None = None
) -> list[list[int]]:
    """Divide rows into batches of similar length, so that little is computed on padding.

    Parameters
    ----------
    lengths : list of int
        Length of each row.
    batch_size : int
        Rows in a batch; one batch may have fewer.
    generator : torch.Generator, optional
        With one, rows of the same length go together in random order and the batches come in random order.
        Without, rows come from the shortest to the longest.

    Returns
    -------
    list of list of int
        Positions of rows; every row is in exactly one batch.
    """
    noise = torch.zeros(len(lengths)) if generator is None else torch.rand(len(lengths), generator=generator)
    order = sorted(range(len(lengths)), key=lambda row: (lengths[row], float(noise[row])))
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    if generator is None:
        return batches
    return [batches[number] for number in torch.randperm(len(batches), generator=generator)]


def pad(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Put rows of different lengths into one array.

    Parameters
    ----------
    rows : list of list of int
        Ids of word pieces.

    Returns
    -------
    tuple of torch.Tensor and torch.Tensor
        Ids and attention mask, both int64, shape (rows, length of the longest). Ids are 0 and the mask is 0 where a
        row has ended; elsewhere the mask is 1.
    """
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        mask[number, : len(row)] = 1
    return ids, mask


def check_titles(titles: list[str], labels: list[str] | None = None) -> None:
    """Refuse what no classifier can learn from or predict.

    Parameters
    ----------
    titles : list of str
        Titles of listings; at least one, none blank.
    labels : list of str, optional
        One of ``CLASSES`` for each title.

    Raises
    ------
    ValueError
        Naming what is wrong and where. The message holds the word ``empty`` where there is no title, ``text``
        for a title that is no string or is blank, ``length`` where titles and labels differ in number, ``label``
        for a label that is not in ``CLASSES``.
    """
    if isinstance(titles, str):
        raise ValueError(f"titles must be a list of text, not one text: put {titles!r} into a list")
    if len(titles) == 0:
        raise ValueError("titles is empty: at least one is needed")
    for number, title in enumerate(titles):
        if not isinstance(title, str) or not title.strip():
            raise ValueError(f"title {number} is no text or blank: {title!r}")
    if labels is None:
        return
    if len(titles) != len(labels):
        raise ValueError(f"titles and labels differ in length: {len(titles)} titles and {len(labels)} labels")
    for number, label in enumerate(labels):
        if label not in CLASSES:
            raise ValueError(f"label {number} is {label!r} and must be one of {', '.join(CLASSES)}")


def class_weights(targets: np.ndarray, balance: float = 0.5) -> torch.Tensor:
    """Give rows of rare classes more weight in the loss.

    Parameters
    ----------
    targets : numpy.ndarray
        Position of each row's label in ``CLASSES``, shape (n,).
    balance : float
        0 weighs all rows the same, 1 all classes.

    Returns
    -------
    torch.Tensor
        Weight of each class, shape (4,), float32: (n / (4 × rows of the class)) to the power of ``balance``.
        A class without rows counts as if it had one.
    """
    counts = np.maximum(np.bincount(targets, minlength=len(CLASSES)), 1)
    return torch.tensor((len(targets) / (len(CLASSES) * counts)) ** balance, dtype=torch.float32)


def rate_factor(step: int, n_steps: int, warm_up: float = 0.1) -> float:
    """Return the share of the learning rate that a step uses: a linear rise, then a linear fall.

    Parameters
    ----------
    step : int
        Counted from 0.
    n_steps : int
        Steps of the whole training.
    warm_up : float
        Share of the steps in which the rate rises.

    Returns
    -------
    float
        (step + 1) / w during the first w = max(1, round(warm_up × n_steps)) steps, then
        (n_steps - step) / (n_steps - w + 1), which is the same from both sides.
    """
    rising = max(1, round(warm_up * n_steps))
    if step < rising:
        return (step + 1) / rising
    return (n_steps - step) / (n_steps - rising + 1)


def freeze(network: DistilBertForSequenceClassification, n_layers: int) -> None:
    """Take the embeddings and the lowest layers out of training.

    Parameters
    ----------
    network : transformers.DistilBertForSequenceClassification
        The network; ``requires_grad`` of its parameters is set to False or True.
    n_layers : int
        With 0 everything learns. With k > 0 the embeddings and the first k - 1 layers do not.
    """
    encoder = network.distilbert
    network.requires_grad_(True)
    for part in [encoder.embeddings, *encoder.transformer.layer][:n_layers]:
        part.requires_grad_(False)


def quantise(weight: torch.Tensor | np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Round a matrix to 8 bits, each row by a scale of its own.

    Parameters
    ----------
    weight : torch.Tensor or numpy.ndarray
        Shape (rows, columns), float32.

    Returns
    -------
    tuple of torch.Tensor and torch.Tensor
        Whole numbers from -127 to 127, shape (rows, columns), int8; and scales, shape (rows,), float32. The largest
        number of a row is 127 or -127; a row of zeros has scale 1.
    """
    weight = torch.as_tensor(weight)
    largest = weight.abs().amax(dim=1)
    scale = torch.where(largest > 0, largest / 127, 1.0)
    return torch.round(weight / scale[:, None]).clamp(-127, 127).to(torch.int8), scale


def dequantise(numbers: torch.Tensor | np.ndarray, scale: torch.Tensor | np.ndarray) -> torch.Tensor:
    """Undo :func:`quantise`, up to rounding.

    Parameters
    ----------
    numbers : torch.Tensor or numpy.ndarray
        Shape (rows, columns), int8.
    scale : torch.Tensor or numpy.ndarray
        Shape (rows,), float32.

    Returns
    -------
    torch.Tensor
        Shape (rows, columns), float32; off by half a scale at most.
    """
    numbers, scale = torch.as_tensor(numbers), torch.as_tensor(scale)
    return numbers.to(torch.float32) * scale[:, None]


class RarityClassifier(ClassifierMixin, BaseEstimator):
    """Tell an item's rarity from the title of its listing.

    Parameters
    ----------
    checkpoint : str
        The pretrained encoder: ``"minilm"``, a folder in the hub's format, or a name on the hub.
    n_layers : int
        Layers of the encoder to keep, counted from the bottom.
    frozen : int
        What stays as it was pretrained; see :func:`freeze`.
    learning_rate : float
        The largest step size of AdamW.
    batch_size : int
        Titles per gradient step.
    max_epochs : int
        Upper bound on passes over the training titles.
    patience : int
        Epochs without a better validation loss after which training stops.
    validation_fraction : float
        Share of the titles, drawn at random, that early stopping watches.
    balance : float
        Weight of rare classes; see :func:`class_weights`.
    max_length : int
        Word pieces of a title that are read.
    max_minutes : float, optional
        After this long the epoch is cut short and is the last; at least one step is taken.
    bfloat16 : bool
        Whether to compute gradient steps in 16 bits: faster on processors that can, slower on others.
    seed : int
        Seed of the head's first weights, the validation titles, the batches and dropout.

    Attributes
    ----------
    classes_ : numpy.ndarray of str
        ``CLASSES``: the order of the columns of :meth:`predict_proba`.
    network_ : transformers.DistilBertForSequenceClassification
        The fine-tuned network.
    config_ : dict
        Sizes of its encoder, as in a checkpoint's configuration.
    tokeniser_ : transformers.BertTokenizer
        Cuts titles into the pieces of ``vocabulary_``, ignoring case where ``lower_case_`` says so.
    vocabulary_ : tuple of str
        Word pieces in the order of their ids.
    lower_case_ : bool
        Whether case is ignored.
    scales_ : dict of str to torch.Tensor
        Scales of compressed matrices by the name of the weight; empty where nothing is compressed.
    validation_losses_ : list of float
        Mean cross-entropy of the validation titles after each epoch.
    best_epoch_ : int
        Index into ``validation_losses_`` of the epoch whose weights the fitted model has.
    compressed : bool
        Whether its matrices hold 8-bit numbers; see :meth:`compress`.
    """

    def __init__(
        self,
        checkpoint: str = "minilm",
        n_layers: int = 3,
        frozen: int = 0,
        learning_rate: float = 4e-4,
        batch_size: int = 64,
        max_epochs: int = 5,
        patience: int = 2,
        validation_fraction: float = 0.05,
        balance: float = 0.5,
        max_length: int = 48,
        max_minutes: float | None = None,
        bfloat16: bool = False,
        seed: int = 0,
    ) -> None:
        self.checkpoint = checkpoint
        self.n_layers = n_layers
        self.frozen = frozen
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.balance = balance
        self.max_length = max_length
        self.max_minutes = max_minutes
        self.bfloat16 = bfloat16
        self.seed = seed

    @property
    def compressed(self) -> bool:
        """Whether its matrices hold 8-bit numbers.

        Returns
        -------
        bool
            True after :meth:`compress`, and after loading what was.
        """
        return bool(getattr(self, "scales_", None))

    def fit(self, titles: list[str], labels: list[str], folder: str | None = None) -> "RarityClassifier":
        """Prune the checkpoint, train it, stop early, keep the best weights.

        Parameters
        ----------
        titles : list of str
            Titles of listings.
        labels : list of str
            Their rarities, one of ``CLASSES`` each.
        folder : str, optional
            Where to keep the state of the training, about once a minute. An interrupted training goes on from there
            when ``fit`` is called again with the same arguments, and ends with the same weights.

        Returns
        -------
        RarityClassifier
            Itself, with the weights of the epoch of the lowest validation loss.

        Raises
        ------
        ValueError
            For titles and labels that :func:`check_titles` refuses, or fewer than two titles.
        itemmarket.ArtefactError
            If the checkpoint cannot be read, or ``folder`` holds another training.
        """
        check_titles(titles, labels)
        if len(titles) < 2:
            raise ValueError("titles must hold at least two: one to train on and one to validate on")
        torch.manual_seed(self.seed)
        targets = np.array([CLASSES.index(label) for label in labels])
        train, validation = self._split(len(titles))
        checkpoint = prune(
            im.load_checkpoint(self.checkpoint), [titles[row] for row in train], self.max_length
        )
        config = checkpoint.config | {"n_layers": min(self.n_layers, checkpoint.config["n_layers"])}
        self._build(config, checkpoint.vocabulary, checkpoint.lower_case, checkpoint.weights)
        freeze(self.network_, self.frozen)
        rows = self._tokenise(titles)
        optimiser = torch.optim.AdamW(
            [parameter for parameter in self.network_.parameters() if parameter.requires_grad],
            lr=self.learning_rate,
        )
        task = {"settings": self._settings(), "titles": list(titles), "targets": targets.tolist()}
        run = Training(self.network_, optimiser, task, folder)
        lengths, weights = [len(rows[row]) for row in train], class_weights(targets[train], self.balance)
        steps = -(-len(train) // self.batch_size)
        bar = tqdm(total=self.max_epochs * steps, initial=run.epoch * steps + run.step, disable=None)
        while run.epoch < self.max_epochs and not self._is_over(run):
            generator = torch.Generator().manual_seed(1000 * self.seed + run.epoch)
            for batch in length_batches(lengths, self.batch_size, generator)[run.step :]:
                chosen = [train[position] for position in batch]
                rate = rate_factor(run.epoch * steps + run.step, self.max_epochs * steps)
                optimiser.param_groups[0]["lr"] = self.learning_rate * rate
                self._step([rows[row] for row in chosen], targets[chosen], weights, optimiser)
                run.count_step()
                bar.update()
                if self._is_late(run):
                    break
            logits = self._logits([rows[row] for row in validation])
            run.losses.append(float(cross_entropy(logits, torch.as_tensor(targets[validation]))))
            if run.losses[-1] == min(run.losses):
                run.best = {name: tensor.clone() for name, tensor in self.network_.state_dict().items()}
            run.count_epoch()
        bar.close()
        self.network_.load_state_dict(run.best)
        self.network_.eval()
        self.validation_losses_, self.best_epoch_ = run.losses, int(np.argmin(run.losses))
        return self

    def _is_late(self, run: Training) -> bool:
        """Tell whether the minutes are used up."""
        return self.max_minutes is not None and run.seconds > 60 * self.max_minutes

    def _is_over(self, run: Training) -> bool:
        """Tell whether training stops before the last epoch.

        Parameters
        ----------
        run : itemmarket.models.training_state.Training
            Its ``losses`` are the validation losses so far.

        Returns
        -------
        bool
            True when the best loss lies ``patience`` or more epochs back, or the minutes are used up; never before
            the first epoch has ended.
        """
        if not run.losses:
            return False
        return len(run.losses) - 1 - int(np.argmin(run.losses)) >= self.patience or self._is_late(run)

    def _split(self, n_titles: int) -> tuple[list[int], list[int]]:
        """Draw the validation titles: by chance, with the classifier's seed.

        Parameters
        ----------
        n_titles : int
            At least 2.

        Returns
        -------
        tuple of list and list
            Positions of the training titles and of the validation titles (``validation_fraction`` of all, and
            at least one); none is in both.
        """
        order = torch.randperm(n_titles, generator=torch.Generator().manual_seed(self.seed)).tolist()
        n_validation = max(1, round(n_titles * self.validation_fraction))
        return order[n_validation:], order[:n_validation]

    def _settings(self) -> dict[str, object]:
        """Return what a training depends on, beside its titles."""
        return self.get_params() | {"checkpoint": str(self.checkpoint)}

    def _build(
        self,
        config: dict[str, object],
        vocabulary: tuple[str, ...],
        lower_case: bool,
        weights: dict[str, torch.Tensor] | None = None,
    ) -> None:
        """Make network and tokeniser; the encoder's weights are random unless they are given."""
        self.classes_ = np.array(CLASSES)
        self.network_: DistilBertForSequenceClassification = im.make_classifier(config, CLASSES, weights)
        self.tokeniser_: BertTokenizer = im.make_tokeniser(vocabulary, lower_case)
        self.config_, self.vocabulary_, self.lower_case_ = config, vocabulary, lower_case
        self.scales_: dict[str, torch.Tensor] = {}

    def _tokenise(self, titles: list[str]) -> list[list[int]]:
        """Return the ids of each title's word pieces, at most ``max_length``."""
        return self.tokeniser_(list(titles), truncation=True, max_length=self.max_length)["input_ids"]

    def _step(
        self,
        rows: list[list[int]],
        targets: np.ndarray,
        weights: torch.Tensor,
        optimiser: torch.optim.Optimizer,
    ) -> None:
        """Take one gradient step on a batch.

        Parameters
        ----------
        rows : list of list of int
            Ids of word pieces.
        targets : numpy.ndarray
            Position of each row's label in ``CLASSES``.
        weights : torch.Tensor
            Weight of each class in the cross-entropy.
        optimiser : torch.optim.Optimizer
            Updates the weights; its learning rate is set.
        """
        self.network_.train()
        ids, mask = pad(rows)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            logits = self.network_(input_ids=ids, attention_mask=mask).logits
        loss = cross_entropy(logits.float(), torch.as_tensor(targets), weight=weights)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network_.parameters(), 1.0)
        optimiser.step()

    def _logits(self, rows: list[list[int]]) -> torch.Tensor:
        """Return the network's outputs in the order of the rows, computed in batches of similar length.

        Parameters
        ----------
        rows : list of list of int
            Ids of word pieces.

        Returns
        -------
        torch.Tensor
            Shape (rows, 4). Dropout is off, and a row's numbers do not depend on its neighbours in the batch.
        """
        self.network_.eval()
        logits = torch.empty(len(rows), len(CLASSES))
        with torch.inference_mode():
            for batch in length_batches([len(row) for row in rows], ROWS_AT_ONCE):
                ids, mask = pad([rows[position] for position in batch])
                logits[batch] = self.network_(input_ids=ids, attention_mask=mask).logits
        return logits

    def predict_proba(self, titles: list[str]) -> np.ndarray:
        """Give the probability of each rarity.

        Parameters
        ----------
        titles : list of str
            Titles of listings.

        Returns
        -------
        numpy.ndarray
            Shape (n, 4), float32, in the order of ``titles`` and of ``CLASSES``; each row sums to 1. The same title
            gets the same probabilities (to 1e-5) alone or among others.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        ValueError
            For titles that :func:`check_titles` refuses.
        """
        check_is_fitted(self, "network_")
        check_titles(titles)
        return torch.softmax(self._logits(self._tokenise(titles)), dim=1).numpy()

    def predict(self, titles: list[str]) -> list[str]:
        """Name the most probable rarity.

        Parameters
        ----------
        titles : list of str
            Titles of listings.

        Returns
        -------
        list of str
            One of ``CLASSES`` for each title.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        ValueError
            For titles that :func:`check_titles` refuses.
        """
        return [CLASSES[number] for number in self.predict_proba(titles).argmax(axis=1)]

    def compress(self) -> "RarityClassifier":
        """Round every matrix of the network to 8 bits.

        Returns
        -------
        RarityClassifier
            Another classifier; this one stays as it is. Its matrices, embeddings among them, hold what
            :func:`dequantise` gives back, and ``scales_`` their scales by the name of the weight.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        """
        check_is_fitted(self, "network_")
        small = copy.deepcopy(self)
        for name, weight in small.network_.state_dict().items():
            if weight.ndim == 2:
                numbers, small.scales_[name] = quantise(weight)
                weight.copy_(dequantise(numbers, small.scales_[name]))
        return small

    def save(self, path: str, metrics: dict[str, float] | None = None) -> None:
        """Write the fitted model as an artefact: a folder with a manifest and safetensors.

        A compressed model is written as 8-bit numbers and scales.

        Parameters
        ----------
        path : str
            The folder. An earlier artefact there is replaced.
        metrics : dict of str to float, optional
            What the model scored, for the manifest.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        """
        check_is_fitted(self, "network_")
        arrays: dict[str, np.ndarray] = {}
        for name, weight in self.network_.state_dict().items():
            if name in self.scales_:
                numbers = torch.round(weight / self.scales_[name][:, None]).to(torch.int8)
                arrays |= {name: numbers.numpy(), f"scale/{name}": self.scales_[name].numpy()}
            else:
                arrays[name] = weight.numpy()
        im.save_artefact(
            path,
            class_name="RarityClassifier",
            config={
                "encoder": self.config_,
                "vocabulary": list(self.vocabulary_),
                "lower_case": self.lower_case_,
                "settings": self._settings(),
            },
            arrays=arrays,
            metrics=metrics,
        )

    @classmethod
    def load(cls, path: str) -> "RarityClassifier":
        """Read a model that :meth:`save` wrote; no checkpoint is needed.

        Parameters
        ----------
        path : str
            The folder.

        Returns
        -------
        RarityClassifier
            A fitted model whose probabilities equal those of the saved one.

        Raises
        ------
        itemmarket.ArtefactError
            If the folder is no artefact of this class, or was altered.
        """
        artefact = im.load_artefact(path, class_name="RarityClassifier")
        config, arrays = artefact.config, {name: torch.from_numpy(a) for name, a in artefact.arrays.items()}
        model = cls(**config["settings"])
        model._build(config["encoder"], tuple(config["vocabulary"]), config["lower_case"])
        model.scales_ = {
            name.removeprefix("scale/"): array for name, array in arrays.items() if name.startswith("scale/")
        }
        model.network_.load_state_dict(
            {
                name: dequantise(array, model.scales_[name]) if name in model.scales_ else array
                for name, array in arrays.items()
                if not name.startswith("scale/")
            }
        )
        return model
