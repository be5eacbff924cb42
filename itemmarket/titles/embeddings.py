"""Titles as points: what a pretrained encoder makes of them before it is trained on anything of ours."""

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from itemmarket.titles.checkpoints import MINILM, load_checkpoint, make_classifier, make_tokeniser

if TYPE_CHECKING:
    from transformers import BertTokenizer

_AT_ONCE = 128
_LONGEST = 64  # word pieces; no title of the catalogue has as many


def embed_titles(titles: Sequence[str], checkpoint: str | os.PathLike[str] = MINILM) -> np.ndarray:
    """Return the mean of an encoder's outputs over the word pieces of each title, scaled to length 1.

    That is how all-MiniLM-L6-v2 was trained to be read (mean pooling; its card). A core reads one or two hundred
    titles a second.

    Parameters
    ----------
    titles : sequence of str
        Any texts; what lies beyond 64 word pieces is not read.
    checkpoint : str or path-like
        What `itemmarket.load_checkpoint` takes; the last one used stays in memory.

    Returns
    -------
    numpy.ndarray
        Shape (n, width of the encoder), float32. A title's numbers do not depend on the others (to 1e-5).

    Raises
    ------
    ArtefactError
        If the checkpoint cannot be read.
    """
    import torch

    tokeniser, encoder, width = _encoder(os.fspath(checkpoint))
    if len(titles) == 0:
        return np.empty((0, width), np.float32)
    rows = tokeniser(list(titles), truncation=True, max_length=_LONGEST)["input_ids"]
    result = np.empty((len(rows), width), np.float32)
    order = sorted(range(len(rows)), key=lambda row: len(rows[row]))  # little is computed on padding
    for start in range(0, len(order), _AT_ONCE):
        batch = order[start : start + _AT_ONCE]
        longest = len(rows[batch[-1]])
        ids = torch.tensor([rows[row] + [0] * (longest - len(rows[row])) for row in batch])
        mask = torch.tensor([[1] * len(rows[row]) + [0] * (longest - len(rows[row])) for row in batch])
        with torch.inference_mode():
            outputs = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
            means = (outputs * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
            result[batch] = torch.nn.functional.normalize(means, dim=1).numpy()
    return result


@lru_cache(maxsize=1)
def _encoder(checkpoint: str) -> "tuple[BertTokenizer, Any, int]":
    """Return tokeniser, encoder and its width."""
    pretrained = load_checkpoint(checkpoint)
    encoder = make_classifier(pretrained.config, ["no", "yes"], pretrained.weights).distilbert
    return make_tokeniser(pretrained.vocabulary, pretrained.lower_case), encoder, pretrained.config["dim"]
