"""Titles to learn from and titles to be asked: each split asks one definite question."""

import numpy as np
import pandas as pd

from itemmarket.titles.listings import rarity_titles

N_TITLES = 25_000
"""Listings in lab 3's whole table."""


def training_titles() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return all of lab 3's training titles, and unseen listings of the same items."""
    return split_titles(rarity_titles(N_TITLES, seed=0))


def split_titles(
    titles: pd.DataFrame,
    by: str = "listing",
    *,
    test_fraction: float = 0.2,
    labelled: int | None = None,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split titles so that the test asks one definite question.

    Parameters
    ----------
    titles : pandas.DataFrame
        What `rarity_titles` makes.
    by : {"listing", "item"}
        ``"listing"``: unseen listings of known items. Every item of the test has a training listing, and no test
        title is a training title, in whatever capitals and spaces. ``"item"``: unseen items. No item has listings
        on both sides.
    test_fraction : float, default 0.2
        Share of the distinct titles, or of the items, that is held out. Items with one title are all trained on.
    labelled : int, optional
        Keep only so many items' listings for training, drawn as often as they are listed: few labels.
    seed : int, default 0
        Of the draw.

    Returns
    -------
    train, test : pandas.DataFrame
        Rows of ``titles`` in their order, numbered anew.

    Raises
    ------
    ValueError
        If there is no such split, the fraction is not between 0 and 1, a side stays empty, or fewer items than
        ``labelled`` are left for training.
    """
    if by not in ("listing", "item"):
        raise ValueError(f'by must be "listing" or "item", not {by!r}')
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction must be between 0 and 1, not {test_fraction}")
    rng = np.random.default_rng(seed)
    key = titles["title"].map(lambda title: " ".join(title.casefold().split()))
    group, unique = pd.factorize(key if by == "listing" else titles["name"])
    held_out = (rng.random(len(unique)) < test_fraction)[group]
    if by == "listing":
        known = titles["name"].isin(titles.loc[~held_out, "name"]).to_numpy()
        held_out &= np.isin(group, group[held_out & ~known], invert=True)
    train, test = titles[~held_out], titles[held_out]
    if labelled is not None:
        items = train["name"].to_numpy()[rng.permutation(len(train))]
        chosen = pd.unique(pd.Series(items))[:labelled]
        if len(chosen) < labelled:
            raise ValueError(f"{len(chosen)} items are left for training, fewer than labelled={labelled}")
        train = train[train["name"].isin(chosen)]
        if by == "listing":
            test = test[test["name"].isin(chosen)]
    if train.empty or test.empty:
        raise ValueError(f"{len(titles)} titles are too few for test_fraction={test_fraction}: make more")
    return train.reset_index(drop=True), test.reset_index(drop=True)
