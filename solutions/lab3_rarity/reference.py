"""What the hidden checks compare a submission with; computed once per grading process."""

import functools
from collections.abc import Mapping
from typing import Any

import pandas as pd
from sklearn.metrics import accuracy_score, f1_score

import itemmarket as im
from itemmarket.titles.listings import title_items
from itemmarket.titles.split import training_titles

import visible_checks

N_TITLES = 900


@functools.cache
def hidden_titles(seed: int) -> pd.DataFrame:
    """Return new listings of the items that the artefact was trained on, drawn with the grader's secret."""
    train, _ = training_titles()
    return unseen(im.rarity_titles(N_TITLES, seed=seed), train)


@functools.cache
def hidden_budget_titles(seed: int) -> pd.DataFrame:
    """Return new listings of the items that the grader trains on within its budget."""
    items = title_items(visible_checks.BUDGET_ITEMS)
    return unseen(im.rarity_titles(N_TITLES, seed=seed, items=items), visible_checks.budget_titles()[0])


@functools.cache
def hidden_product_titles(seed: int) -> pd.DataFrame:
    """Return those of :func:`hidden_budget_titles` that the artefact was not trained on either."""
    return unseen(hidden_budget_titles(seed), training_titles()[0])


def measure(name: str, titles: pd.DataFrame, model: Any) -> float:
    """Return a classifier's ``accuracy`` or ``macro-F1`` on titles."""
    truth, found = visible_checks.answers_of(titles).tolist(), list(model.predict(titles["title"].tolist()))
    if name == "accuracy":
        return accuracy_score(truth, found)
    return f1_score(truth, found, average="macro", labels=list(im.CLASSES))


def count_parameters(config: Mapping[str, int]) -> dict[str, int]:
    """Return how many numbers DistilBERT's embeddings and its layers have learned."""
    dim, hidden = config["dim"], config["hidden_dim"]
    embeddings = (config["vocab_size"] + config["max_position_embeddings"] + 2) * dim
    layer = 4 * (dim * dim + dim) + (dim * hidden + hidden) + (hidden * dim + dim) + 2 * 2 * dim
    return {"embeddings": embeddings, "layers": config["n_layers"] * layer}


def unseen(titles: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
    """Return titles of trained items that are no training titles, in whatever capitals and spaces; each once."""
    key = titles["title"].map(_key)
    keep = titles["name"].isin(train["name"]) & ~key.isin(set(train["title"].map(_key))) & ~key.duplicated()
    return titles[keep].reset_index(drop=True)


def _key(title: str) -> str:
    return " ".join(title.casefold().split())
