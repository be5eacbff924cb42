"""Which listings a simulated market holds, what each is worth and how much of it is sold."""

import zlib

import numpy as np
import pandas as pd

from itemmarket.errors import MarketDataError
from itemmarket.market.catalogue import market_names
from itemmarket.simulation import calibration as cal


class Streams:
    """Random numbers by name: each quantity has a stream of its own.

    Adding a quantity leaves the others as they were; and because an array is filled row by row, the first
    items of a larger market are those of a smaller one.

    Parameters
    ----------
    seed : int
        Non-negative.
    """

    def __init__(self, seed: int):
        self._seed = seed

    def __call__(self, name: str) -> np.random.Generator:
        """Return the generator of one quantity, always at its beginning."""
        return np.random.default_rng([self._seed, zlib.crc32(name.encode())])

    def normal(self, name: str, *shape: int) -> np.ndarray:
        """Return standard normal numbers."""
        return self(name).standard_normal(shape)

    def student(self, name: str, tail: float, *shape: int) -> np.ndarray:
        """Return Student's t with ``tail`` > 2 degrees of freedom, scaled to unit variance."""
        chi2 = 2 * self(f"{name}, tail").standard_gamma(tail / 2, shape)
        return self.normal(name, *shape) * np.sqrt((tail - 2) / chi2)


def draw_listings(n_items: int, seed: int, catalogue: pd.DataFrame | None = None) -> pd.DataFrame:
    """Choose listings from the catalogue and give each a price level and a liquidity.

    Kinds come in the proportions of `calibration.KINDS`; designs come whole, so that wears and StatTrak
    copies of one design can be compared.

    Parameters
    ----------
    n_items : int
        How many.
    seed : int
        The first listings of a larger market with the same seed are those of a smaller one.
    catalogue : pandas.DataFrame, optional
        Rows of the catalogue to choose from; default all.

    Returns
    -------
    pandas.DataFrame
        ``n_items`` rows with the columns of `itemmarket.market.catalogue.market_names` and ``family`` (int, the same
        for the copies of a design, in order of appearance), ``level`` (log USD, may be below the lowest
        price), ``liquidity`` (log units a day).

    Raises
    ------
    MarketDataError
        If the catalogue has too few listings of these kinds.
    """
    streams = Streams(seed)
    names = market_names(catalogue)
    names = names[names["kind"].isin(list(cal.KINDS))].reset_index(drop=True)
    if len(names) < n_items:
        raise MarketDataError(
            f"the catalogue has {len(names)} listings to simulate, fewer than n_items={n_items}"
        )
    chosen = _choose(names, n_items, streams)
    if len(chosen) < n_items:
        raise MarketDataError(
            f"n_items={n_items} uses up every kind but the rarest ({len(chosen)} found): ask for fewer items"
        )
    design, bases = pd.factorize(names["base"])
    design_effect = streams.normal("design level", len(bases))[design][chosen]
    listings = names.loc[chosen].reset_index(drop=True)
    listings["family"] = pd.factorize(listings["base"])[0]

    kinds = [cal.KINDS[kind] for kind in listings["kind"].astype(str)]
    tier = listings["rarity"].cat.codes.to_numpy()
    lowest = (tier == 0) & (listings["kind"] == "skin").to_numpy()
    level = np.array([kind.prices[min(t, len(kind.prices) - 1)] for kind, t in zip(kinds, tier, strict=True)])
    level += (
        design_effect * np.array([kind.price_sd for kind in kinds]) * np.where(lowest, cal.LOWEST_TIER_SD, 1)
    )
    liquidity = np.array([kind.volume for kind in kinds])
    for name, variants in (
        ("wear", [cal.WEARS.get(wear) for wear in listings["wear"].astype(object)]),
        ("StatTrak", [cal.STATTRAK if has else None for has in listings["stattrak"]]),
        ("Souvenir", [cal.SOUVENIR if has else None for has in listings["souvenir"]]),
    ):
        ratio, ratio_sd, volume = np.array([variant or (1.0, 0.0, 0.0) for variant in variants]).T
        level += np.log(ratio) + ratio_sd * streams.normal(f"{name} ratio", n_items)
        liquidity += volume
    liquidity += cal.VOLUME_BY_PRICE * np.maximum(level, np.log(cal.LOWEST_PRICE))
    liquidity += np.array([kind.volume_sd for kind in kinds]) * streams.normal("liquidity", n_items)
    return listings.assign(level=level, liquidity=liquidity)


def _choose(names: pd.DataFrame, n_items: int, streams: Streams) -> list[int]:
    """Return positions in ``names``: kinds by their share, designs in random order with the copies kept."""
    design, bases = pd.factorize(names["base"])
    is_skin = (names["kind"] == "skin").to_numpy()
    chance = np.where(names["souvenir"], cal.LISTED["souvenir"], cal.LISTED["plain"])
    kept = streams("listed").random(len(names)) < np.where(is_skin, chance, 1.0)
    order = np.lexsort(
        (streams("copy").random(len(names)), streams("design").random(len(bases))[design], ~kept)
    )
    kind = names["kind"].astype(str).to_numpy(object)[order]
    queues = {name: iter(order[kind == name].tolist()) for name in cal.KINDS if (kind == name).any()}
    share = np.array([cal.KINDS[name].share for name in queues])
    draws = cal.DRAWS_PER_ITEM * n_items + cal.DRAWS_BEYOND
    drawn = streams("kinds").choice(len(queues), size=draws, p=share / share.sum())
    kinds = list(queues)
    chosen: list[int] = []
    for code in drawn:
        position = next(queues[kinds[code]], None)
        if position is not None:
            chosen.append(position)
        if len(chosen) == n_items:
            break
    return chosen
