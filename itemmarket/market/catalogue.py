"""The catalogue: every item of Counter-Strike 2, and what is fixed about it.

The table is ``data/catalogue.parquet`` (its card: ``data/catalogue.md``), made by
`itemmarket.data.catalogue_build`. A row is a *base name*: wear, StatTrak™ and Souvenir are variants of it,
which `market_names` lists.
"""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from itemmarket.errors import MarketDataError
from itemmarket.market.bundled import bundled_file
from itemmarket.market.names import KINDS, WEARS, parse_name
from itemmarket.paths import data_dir

RARITIES = (
    "Consumer Grade",
    "Industrial Grade",
    "Mil-Spec Grade",
    "Restricted",
    "Classified",
    "Covert",
    "Contraband",
)
"""The game's seven tiers, lowest first, by their names for weapons.

A tier is a colour, and other items have other words for the same colour. From the lowest up: white (Base
Grade of stickers and cases), light blue, blue (High Grade, Distinguished agents), purple (Remarkable,
Exceptional), pink (Exotic, Superior), red (Extraordinary gloves and stickers, Master agents; knives),
gold (Contraband).
"""

RARITY_CLASSES = {
    "Consumer Grade": "Common",
    "Industrial Grade": "Common",
    "Mil-Spec Grade": "Rare",
    "Restricted": "Epic",
    "Classified": "Epic",
    "Covert": "Legendary",
    "Contraband": "Legendary",
}
"""Tier to the four classes of the labs: neighbouring tiers joined so that no class is nearly empty.

The two lowest tiers drop in play for cents; blue is what a case gives four times out of five; purple and
pink are the better finds; red and gold (three items in the game) are the rarest.
"""

CLASSES = tuple(dict.fromkeys(RARITY_CLASSES.values()))
"""The four classes, lowest first."""

WEAR_RANGES = {
    "Factory New": (0.0, 0.07),
    "Minimal Wear": (0.07, 0.15),
    "Field-Tested": (0.15, 0.38),
    "Well-Worn": (0.38, 0.45),
    "Battle-Scarred": (0.45, 1.0),
}
"""Wear value (0 pristine, 1 ruined) at which each wear name begins and ends, the same for all finishes."""

COLUMNS = (
    "name",
    "name_ru",
    "kind",
    "weapon",
    "finish",
    "rarity",
    "rarity_class",
    "collection",
    "wear_min",
    "wear_max",
    "stattrak",
    "souvenir",
    "marketable",
)
"""Columns of the catalogue, in order; ``data/catalogue.md`` says what each means."""

_CURE = (
    "restore it with `git checkout -- data/catalogue.parquet` or make it with `python course.py data build`"
)


def catalogue_path() -> Path:
    """Return where the catalogue lies."""
    return data_dir() / "catalogue.parquet"


def load_catalogue() -> pd.DataFrame:
    """Return the catalogue.

    Returns
    -------
    pandas.DataFrame
        One row per base name with the columns `COLUMNS`; ``kind``, ``weapon``, ``collection`` are categories,
        ``rarity`` and ``rarity_class`` ordered ones. It is the caller's own: changing it changes nothing else.

    Raises
    ------
    MarketDataError
        If the file is missing, cannot be read, or is not a catalogue, or there is no data folder at all.
    """
    return _read(*_path_and_stamp()).copy()


def market_names(catalogue: pd.DataFrame | None = None) -> pd.DataFrame:
    """List every name that the market can show: base × wear in its range × plain, StatTrak™ or Souvenir.

    Parameters
    ----------
    catalogue : pandas.DataFrame, optional
        Rows of the catalogue to list the variants of; default all.

    Returns
    -------
    pandas.DataFrame
        Columns ``name`` (str, unique), ``base`` (str), ``wear`` (ordered category, missing where there is none),
        ``stattrak``, ``souvenir`` (bool), ``kind``, ``rarity`` (the catalogue's), in the catalogue's order.
    """
    rows = load_catalogue() if catalogue is None else catalogue
    rows = rows[rows["marketable"]].reset_index(drop=True)
    worn = rows["wear_min"].notna().to_numpy()
    low, high = rows["wear_min"].to_numpy(), rows["wear_max"].to_numpy()
    # Position of each wear, -1 for none, and whether the row comes in it.
    wears = [(-1, ~worn)] + [
        (code, worn & (low < end) & (high > start)) for code, (start, end) in enumerate(WEAR_RANGES.values())
    ]
    variants = [(False, False, True), (True, False, rows["stattrak"]), (False, True, rows["souvenir"])]
    parts = [
        pd.DataFrame(
            {"row": np.flatnonzero(has & exists), "wear": code, "stattrak": stattrak, "souvenir": souvenir}
        )
        for stattrak, souvenir, exists in variants
        for code, has in wears
    ]
    listing = pd.concat(parts).sort_values(["row", "souvenir", "stattrak", "wear"], ignore_index=True)
    row = listing["row"].to_numpy()
    wear = pd.Series(pd.Categorical.from_codes(listing["wear"], WEARS, ordered=True))
    base = rows["name"].to_numpy()[row]
    star = pd.Series(base).str.startswith("★ ")
    prefix = listing["souvenir"].map({True: "Souvenir ", False: ""}) + listing["stattrak"].map(
        {True: "StatTrak™ ", False: ""}
    )
    name = star.map({True: "★ ", False: ""}) + prefix + pd.Series(base).str.removeprefix("★ ")
    name += (" (" + wear.astype("str") + ")").where(wear.notna(), "")
    return pd.DataFrame(
        {
            "name": name,
            "base": base,
            "wear": wear,
            "stattrak": listing["stattrak"],
            "souvenir": listing["souvenir"],
            "kind": rows["kind"].array[row],
            "rarity": rows["rarity"].array[row],
        }
    )


def rarity_of(names: Iterable[str]) -> np.ndarray:
    """Rank the rarity of market names.

    Parameters
    ----------
    names : iterable of str
        Market names; repetitions cost next to nothing.

    Returns
    -------
    numpy.ndarray of int8, shape (n_names,)
        1 (Consumer Grade) to 7 (Contraband), the place in `RARITIES`; 0 for a name that the catalogue lacks.
    """
    codes, unique = pd.factorize(
        names if isinstance(names, pd.Series) else pd.Series(list(names), dtype=object)
    )
    ranks = _ranks(*_path_and_stamp())
    # A missing name has code -1 and takes the extra zero at the end.
    return np.array([*(ranks.get(parse_name(name).base, 0) for name in unique), 0], dtype=np.int8)[codes]


def _path_and_stamp() -> tuple[Path, int]:
    """Return where the file lies and when it was changed last: the key of the caches below."""
    path = bundled_file(catalogue_path().name)
    try:
        return path, path.stat().st_mtime_ns
    except OSError as error:
        raise MarketDataError(f"no catalogue at {path}: {_CURE}") from error


@lru_cache(maxsize=2)
def _read(path: Path, stamp: int) -> pd.DataFrame:
    """Read and check the file."""
    try:
        table = pd.read_parquet(path)
    except Exception as error:  # pyarrow raises a dozen kinds for a damaged file
        raise MarketDataError(f"{path} cannot be read as parquet ({error}): {_CURE}") from error
    listed = {"kind": KINDS, "rarity": RARITIES, "rarity_class": CLASSES}
    if (
        tuple(table.columns) != COLUMNS
        or table.empty
        or not table["name"].is_unique
        or not all(table[column].isin(values).all() for column, values in listed.items())
    ):
        raise MarketDataError(f"{path} is not a catalogue of this version: {_CURE}")
    categories = {"weapon": "category", "collection": "category"} | {
        column: pd.CategoricalDtype(values, ordered=column != "kind") for column, values in listed.items()
    }
    return table.astype(categories)


@lru_cache(maxsize=2)
def _ranks(path: Path, stamp: int) -> dict[str, int]:
    """Rank of every base name."""
    table = _read(path, stamp)
    return dict(zip(table["name"], (table["rarity"].cat.codes + 1).tolist(), strict=True))
