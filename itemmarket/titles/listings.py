"""Listings' titles as marketplaces write them, made from the catalogue, and honest splits of them.

A market's own hash name is exact. What sellers and other marketplaces make of it is not: wear in two letters or
left out, ``ST`` for StatTrak™, ``AK47``, no bar, no ★, URL slugs, typos, Russian. The rarity of an item is never in
the title; whoever wants it has to recognise the item, or to know what makes such items rare.
"""

import zlib
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import pandas as pd

from itemmarket.errors import MarketDataError
from itemmarket.market.catalogue import load_catalogue, market_names
from itemmarket.titles.spelling import SPELLINGS, Dice, Listing, write_title

KIND_SHARES = {
    "skin": 0.45,
    "sticker": 0.20,
    "knife": 0.10,
    "graffiti": 0.05,
    "gloves": 0.03,
    "capsule": 0.03,
    "agent": 0.02,
    "charm": 0.02,
    "patch": 0.02,
    "souvenir package": 0.02,
    "sticker slab": 0.02,
    "case": 0.015,
    "music kit": 0.015,
    "pin": 0.01,
}
"""Share of each kind among the titles. It balances the four classes to between a fifth and a third each."""

N_ITEMS = 1600
"""Items that are listed at all unless others are named: among 25 000 titles, each has about fifteen listings."""


_DICE = 32  # numbers per title, more than any title takes


def rarity_titles(
    n_titles: int, seed: int, *, items: Iterable[str] | None = None, spelling: str = "market"
) -> pd.DataFrame:
    """Make listings' titles with the rarity of what they sell.

    Kinds come in the proportions of `KIND_SHARES`, items of a kind equally often, and so do an item's variants
    (wear, StatTrak™, Souvenir). The first titles of a longer table with the same seed are those of a shorter one.

    Parameters
    ----------
    n_titles : int
        How many, at least 1. A title may occur twice, as it does on a market.
    seed : int
        Non-negative. The same arguments make the same table on every system.
    items : iterable of str, optional
        Base names of the catalogue to draw from; default the items of `title_items`, the same for every seed.
    spelling : str, default "market"
        One of `SPELLINGS`.

    Returns
    -------
    pandas.DataFrame
        ``n_titles`` rows: ``title`` (str), ``name`` (str, the catalogue's base name), ``kind`` (category) and
        ``rarity`` (ordered category of the four values of `itemmarket.RARITY_CLASSES`, lowest first).

    Raises
    ------
    ValueError
        If ``n_titles`` or ``seed`` is out of range, or there is no such spelling.
    MarketDataError
        If an item is not in the catalogue, cannot be sold, or is of a kind without a share.
    """
    if n_titles < 1:
        raise ValueError(f"n_titles must be at least 1, not {n_titles}")
    if spelling not in SPELLINGS:
        raise ValueError(f"spelling must be one of {', '.join(SPELLINGS)}, not {spelling!r}")
    catalogue = load_catalogue().set_index("name", drop=False)
    variants = _variants(tuple(title_items()) if items is None else tuple(dict.fromkeys(items)))
    dice = np.random.default_rng([seed, zlib.crc32(b"titles")]).random((n_titles, _DICE))
    share = np.array([KIND_SHARES[kind] for kind in variants])
    kind_of = np.searchsorted(np.cumsum(share / share.sum())[:-1], dice[:, 0], side="right")
    designs = list(variants.values())
    titles, names = [], []
    for row, kind in zip(dice, kind_of.tolist(), strict=True):
        copies = designs[kind][int(row[1] * len(designs[kind]))]
        listing = copies[int(row[2] * len(copies))]
        titles.append(write_title(listing, spelling, Dice(row[3:])))
        names.append(listing.base)
    facts = catalogue.loc[names]
    return pd.DataFrame(
        {
            "title": pd.array(titles, dtype="str"),
            "name": pd.array(names, dtype="str"),
            "kind": facts["kind"].array,
            "rarity": facts["rarity_class"].array,
        }
    )


def title_items(n_items: int = N_ITEMS) -> list[str]:
    """Return base names for `rarity_titles` to draw from: of each kind its share, or all that there are.

    Parameters
    ----------
    n_items : int
        About how many; a million asks for every item. The items of a smaller number are among those of a larger one:
        which come first depends on nothing but their names.

    Returns
    -------
    list of str
        In the catalogue's order.
    """
    catalogue = load_catalogue()
    listed = catalogue[catalogue["marketable"] & catalogue["kind"].isin(list(KIND_SHARES))]
    # Three patches differ from a lesser one by a ★ at the end, which titles lose.
    listed = listed[~listed["name"].str.endswith(" ★")]
    order = listed["name"].map(lambda name: zlib.crc32(name.encode()))
    rank = order.groupby(listed["kind"], observed=True).rank(method="first")
    most = listed["kind"].astype("str").map(KIND_SHARES) * n_items
    return listed.loc[rank <= most, "name"].tolist()


@lru_cache(maxsize=4)
def _variants(items: tuple[str, ...]) -> dict[str, list[list[Listing]]]:
    """List the variants of each item, by kind in the order of `KIND_SHARES`."""
    catalogue = load_catalogue().set_index("name", drop=False)
    unknown = [name for name in items if name not in catalogue.index]
    if unknown or not items:
        raise MarketDataError(
            f"no items of the catalogue: {unknown[:3]}" if items else "there are no items to make titles of"
        )
    rows = catalogue.loc[list(items)]
    wrong = rows.loc[~(rows["marketable"] & rows["kind"].isin(list(KIND_SHARES))), "name"]
    if len(wrong):
        raise MarketDataError(
            f"these items have no listings: {wrong.tolist()[:3]}; see itemmarket.title_items"
        )
    kinds = rows["kind"].astype("str")
    facts = dict(zip(rows["name"], zip(rows["name_ru"], kinds, rows["weapon"], strict=True), strict=True))
    copies: dict[str, list[Listing]] = {}
    listed = market_names(rows.reset_index(drop=True))
    columns = (listed[column].astype(object) for column in ("base", "wear", "stattrak", "souvenir"))
    for base, wear, stattrak, souvenir in zip(*columns, strict=True):
        russian, kind, weapon = facts[base]
        weapon, wear = (part if isinstance(part, str) else None for part in (weapon, wear))
        copies.setdefault(base, []).append(Listing(base, russian, kind, weapon, wear, stattrak, souvenir))
    by_kind: dict[str, list[list[Listing]]] = {kind: [] for kind in KIND_SHARES}
    for base, listings in copies.items():
        by_kind[facts[base][1]].append(listings)
    return {kind: designs for kind, designs in by_kind.items() if designs}
