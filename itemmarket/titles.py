"""Listings' titles as marketplaces write them, made from the catalogue, and honest splits of them.

A market's own hash name is exact. What sellers and other marketplaces make of it is not: wear in two letters or
left out, ``ST`` for StatTrak™, ``AK47``, no bar, no ★, URL slugs, typos, Russian. The rarity of an item is never in
the title; whoever wants it has to recognise the item, or to know what makes such items rare.
"""

import re
import unicodedata
import zlib
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from .catalogue import load_catalogue, market_names
from .errors import MarketDataError
from .names import WEARS

SPELLINGS = ("plain", "english", "market", "typos", "russian")
"""How titles can be written: the exact market hash name; the ways English listings are written; those, one in twelve
in Russian and one in ten of the rest mistyped; English with one or two typos in each; Russian."""

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

WEARS_RU = (
    "Прямо с завода",
    "Немного поношенное",
    "После полевых испытаний",
    "Поношенное",
    "Закалённое в боях",
)
"""The five wear names in Russian, best first."""

_SHORT = dict(zip(WEARS, ("FN", "MW", "FT", "WW", "BS"), strict=True))
_IN_RUSSIAN = dict(zip(WEARS, WEARS_RU, strict=True))
_NICKNAMES = {
    "AK-47": ("AK47", "AK"),
    "CZ75-Auto": ("CZ75", "CZ-75"),
    "Desert Eagle": ("Deagle",),
    "Dual Berettas": ("Dualies", "Dual Beretta"),
    "Five-SeveN": ("Five Seven", "FiveSeven", "57"),
    "Galil AR": ("Galil", "Galil-AR"),
    "Glock-18": ("Glock", "Glock 18"),
    "M4A1-S": ("M4A1S", "M4A1 S", "M4A1"),
    "MAC-10": ("MAC10", "MAC 10"),
    "MP5-SD": ("MP5", "MP5SD"),
    "PP-Bizon": ("Bizon", "PP Bizon"),
    "R8 Revolver": ("R8", "Revolver"),
    "SCAR-20": ("SCAR", "SCAR20"),
    "SG 553": ("SG553", "SG"),
    "SSG 08": ("SSG08", "Scout"),
    "Sawed-Off": ("Sawed Off", "Sawedoff"),
    "Tec-9": ("Tec9", "Tec 9"),
    "UMP-45": ("UMP45", "UMP"),
    "USP-S": ("USP", "USPS", "USP S"),
    "Zeus x27": ("Zeus",),
    "Broken Fang Gloves": ("Broken Fang",),
    "Sport Gloves": ("Sports Gloves",),
    "Hand Wraps": ("Wraps",),
}
_KEY_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {
    letter: "".join(row[max(0, at - 1) : at] + row[at + 1 : at + 2])
    for row in _KEY_ROWS
    for at, letter in enumerate(row)
}
_LETTER = re.compile(r"[A-Za-z]")
_RUSSIAN_SHARE, _TYPO_SHARE = 1 / 12, 1 / 10  # of the spelling "market"


class _Listing(NamedTuple):
    """What a title says, before it is written."""

    base: str
    base_ru: str
    kind: str
    weapon: str | None
    wear: str | None
    stattrak: bool
    souvenir: bool


class _Dice:
    """The uniform numbers of one title, taken one by one: a title depends on its own row of numbers only."""

    def __init__(self, numbers: np.ndarray):
        self._numbers = iter(numbers.tolist())

    def __call__(self) -> float:
        return next(self._numbers)

    def happens(self, share: float) -> bool:
        """Tell whether something that happens to this share of titles happens to this one."""
        return self() < share

    def pick(self, *choices: str) -> str:
        """Return one of the choices; who repeats one makes it likelier."""
        return choices[int(self() * len(choices))]


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
        titles.append(_write(listing, spelling, _Dice(row[3:])))
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


@lru_cache(maxsize=4)
def _variants(items: tuple[str, ...]) -> dict[str, list[list[_Listing]]]:
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
    copies: dict[str, list[_Listing]] = {}
    listed = market_names(rows.reset_index(drop=True))
    columns = (listed[column].astype(object) for column in ("base", "wear", "stattrak", "souvenir"))
    for base, wear, stattrak, souvenir in zip(*columns, strict=True):
        russian, kind, weapon = facts[base]
        known = [part if isinstance(part, str) else None for part in (weapon, wear)]
        copies.setdefault(base, []).append(_Listing(base, russian, kind, *known, stattrak, souvenir))
    by_kind: dict[str, list[list[_Listing]]] = {kind: [] for kind in KIND_SHARES}
    for base, listings in copies.items():
        by_kind[facts[base][1]].append(listings)
    return {kind: designs for kind, designs in by_kind.items() if designs}


def _write(listing: _Listing, spelling: str, dice: _Dice) -> str:
    """Write one title."""
    if spelling == "plain":
        return _plain(listing)
    if spelling == "russian" or (spelling == "market" and dice.happens(_RUSSIAN_SHARE)):
        return _russian(listing, dice)
    title = _english(listing, dice)
    if spelling == "typos" or (spelling == "market" and dice.happens(_TYPO_SHARE)):
        title = _mistype(title, dice)
        if dice.happens(1 / 4):
            title = _mistype(title, dice)
    return title


def _plain(listing: _Listing) -> str:
    """Market hash name."""
    prefix = ("Souvenir " if listing.souvenir else "") + ("StatTrak™ " if listing.stattrak else "")
    star = "★ " if listing.base.startswith("★ ") else ""
    wear = f" ({listing.wear})" if listing.wear else ""
    return f"{star}{prefix}{listing.base.removeprefix('★ ')}{wear}"


def _russian(listing: _Listing, dice: _Dice) -> str:
    """Write as the Russian market does, or nearly."""
    parts = []
    if listing.base.startswith("★ ") and not dice.happens(0.3):
        parts.append("★")
    if listing.souvenir:
        parts.append(dice.pick("Сувенир", "Сувенирный"))
    if listing.stattrak:
        parts.append(dice.pick("StatTrak™", "StatTrak™", "StatTrak", "ST"))
    parts.append(listing.base_ru.removeprefix("★ "))
    if listing.wear and not dice.happens(0.15):
        parts.append(
            dice.pick(f"({_IN_RUSSIAN[listing.wear]})", _IN_RUSSIAN[listing.wear], _SHORT[listing.wear])
        )
    title = " ".join(parts)
    if dice.happens(0.3):
        title = title.replace(" | ", dice.pick(" ", " - "))
    return title.lower() if dice.happens(0.3) else title


def _english(listing: _Listing, dice: _Dice) -> str:
    """Write as English listings are written, without typos."""
    style = dice()
    if style < 0.25:
        title = _plain(listing)
    else:
        title = _free(listing, dice)
        if style < 0.37:
            return re.sub(r"[\W_]+", "-", title.lower()).strip("-")
    if dice.happens(0.35):
        title = _without_glyphs(title)
    case = dice()
    return title.lower() if case < 0.25 else title.upper() if case < 0.32 else title


def _free(listing: _Listing, dice: _Dice) -> str:
    """Write the parts of a name in a seller's own way."""
    name = listing.base.removeprefix("★ ")
    if listing.weapon:
        _, bar, finish = name.partition(" | ")
        name = _weapon(listing.weapon, dice) + bar + finish
    elif name.startswith("Sticker | ") and dice.happens(0.25):
        name = name.removeprefix("Sticker | ") + " Sticker"
    if dice.happens(0.15):  # Paris 23
        name = re.sub(r"\b20(\d\d)$", r"\1", name)
    if dice.happens(0.6):
        name = name.replace(" | ", dice.pick(" - ", " ", " ", "|", ", "))
    if dice.happens(0.3):
        name = name.replace("(", "").replace(")", "")
    parts = [name]
    if listing.wear:
        long, short = listing.wear, _SHORT[listing.wear]
        parts.append(
            dice.pick(
                f"({long})", f"({short})", short, short, f"[{short}]", long.replace("-", " "), f"- {long}", ""
            )
        )
    if listing.stattrak or listing.souvenir:
        mark = (
            dice.pick("StatTrak™", "StatTrak", "Stat Trak", "ST", "ST™", "stattrack")
            if listing.stattrak
            else dice.pick("Souvenir", "Souvenir", "Souv.", "SV")
        )
        parts.insert(0 if dice.happens(0.75) else len(parts), mark)
    if listing.base.startswith("★ "):
        parts.insert(0, dice.pick("★", "★", "", "", "*"))
    return " ".join(part for part in parts if part)


def _weapon(weapon: str, dice: _Dice) -> str:
    """Name a weapon as players do."""
    nicknames = _NICKNAMES.get(weapon)
    if nicknames and dice.happens(0.5):
        return dice.pick(*nicknames)
    return weapon.removesuffix(" Knife") if dice.happens(0.3) else weapon


def _without_glyphs(title: str) -> str:
    """Leave out what a keyboard does not have: ™, ★, accents, Chinese; a title of nothing else stays."""
    plain = unicodedata.normalize("NFKD", title.replace("™", "")).encode("ascii", "ignore").decode()
    return " ".join(plain.replace("()", "").split())


def _mistype(title: str, dice: _Dice) -> str:
    """Hit one letter wrongly: two swapped, one left out, doubled, or the key beside it. Digits stay."""
    places = [match.start() for match in _LETTER.finditer(title)]
    if not places:
        return title
    at = places[int(dice() * len(places))]
    before, letter, after = title[:at], title[at], title[at + 1 :]
    slip = dice.pick("swap", "drop", "double", "neighbour")
    if slip == "swap" and after[:1].isalpha() and after[0] != letter:
        return before + after[0] + letter + after[1:]
    if slip == "drop":
        return before + after
    if slip == "double":
        return before + letter + letter + after
    wrong = dice.pick(*_NEIGHBOURS[letter.lower()])
    return before + (wrong.upper() if letter.isupper() else wrong) + after
