"""What the simulated market is tuned with: every number, its unit, and the fact that it answers to.

"Log" is natural. Prices are log USD and volumes log units a day unless said otherwise; "sd" is a standard
deviation, "tail" the degrees of freedom of a Student's t scaled to unit variance, "keeps" the share of a
deviation that is left a day later (an AR(1) coefficient). ``data/market.md`` tells how the numbers were found.
"""

from dataclasses import dataclass
from typing import NamedTuple

# The venue.
LOWEST_PRICE = 0.03
"""USD: one cent to the seller and one to each of two fees. The real market knows no lower price."""

CENT = 0.01
"""USD: every trade is at whole cents."""

DECIMALS = 3
"""Decimals of a day's mean, as in the real archive."""

# Arithmetic: how much is drawn. No fact of the market answers to these.
SHORTEST = 30
"""Days that a simulated market has at least."""

DRAWS_PER_ITEM, DRAWS_BEYOND = 4, 1000
"""Kinds drawn for each listing that is wanted, and beyond: draws of a kind that is used up are lost."""

FEW, MOST_OF_FEW = 30.0, 80
"""Expected units up to which a count is drawn exactly, and a count that is then practically never reached."""


class Kind(NamedTuple):
    """What items of one kind cost and how many are sold."""

    share: float  # relative number of listings
    prices: tuple[float, ...]  # log price by rarity tier, lowest first; one number: the same for all tiers
    price_sd: float  # between designs
    volume: float  # of a one-dollar listing
    volume_sd: float  # between listings


KINDS = {
    "skin": Kind(74, (-5.0, -2.7, -2.0, -0.2, 1.4, 2.4, 5.5), 0.9, 5.75, 1.0),
    "sticker": Kind(13, (-4.0, -4.0, -3.2, -1.0, 0.4, 1.0, 5.0), 1.4, 4.4, 1.0),
    "graffiti": Kind(2, (-4.6, -4.2, -3.8, -3.4, -3.0, -2.6, -2.2), 0.6, 2.9, 0.7),
    "case": Kind(1.5, (-0.4,), 1.2, 9.5, 0.8),
    "capsule": Kind(2, (-0.4,), 1.1, 6.5, 1.4),
    "souvenir package": Kind(0.7, (0.6,), 1.0, 4.5, 1.0),
    "knife": Kind(2, (4.7,), 0.5, 2.2, 0.8),
    "gloves": Kind(0.8, (4.7,), 0.6, 2.2, 0.8),
    "agent": Kind(1, (0.9, 1.1, 1.3, 1.5, 1.7, 1.9, 2.1), 0.4, 5.8, 0.6),
    "music kit": Kind(1, (1.4,), 0.6, 4.2, 0.7),
    "pin": Kind(0.7, (1.1, 1.3, 1.5, 1.7, 1.9, 2.1, 2.3), 0.5, 3.4, 0.7),
    "patch": Kind(0.5, (-1.2, -0.6, 0.0, 0.6, 1.2, 1.8, 2.4), 0.6, 3.6, 1.0),
    "charm": Kind(0.3, (-2.5, -1.6, -0.7, 0.2, 1.1, 2.0, 2.9), 0.7, 4.8, 1.0),
}
"""Kinds in the market: shares about those of the real archive, price levels by rarity from its medians.

A lowest-tier skin is worth less than the market's lowest price, so most of them are stuck at it."""

LOWEST_TIER_SD = 1.6
"""How many times ``price_sd`` the designs of lowest-tier skins differ by: a few are old and sought after."""


class Variant(NamedTuple):
    """What sets a copy of a design apart from the plain field-tested one."""

    ratio: float  # of prices, before the lowest price pulls it towards 1
    ratio_sd: float  # of its log
    volume: float


WEARS = {
    "Factory New": Variant(3.6, 0.50, -1.27),
    "Minimal Wear": Variant(1.87, 0.30, -0.48),
    "Field-Tested": Variant(1.0, 0.0, 0.0),
    "Well-Worn": Variant(0.80, 0.22, -1.31),
    "Battle-Scarred": Variant(0.70, 0.20, -1.16),
}
STATTRAK = Variant(2.6, 0.35, -1.0)
SOUVENIR = Variant(0.9, 0.50, -2.0)
VOLUME_BY_PRICE = -0.28
"""Change of log volume with log price: with the volumes above, it gives the medians by price band."""

LISTED = {"plain": 0.65, "souvenir": 0.1}
"""Chance that a skin of a design in the market is in it too: few designs have all their copies traded."""


class Event(NamedTuple):
    """Something that moves many items at once."""

    day: str | None  # month-day it begins on every year; None: any day
    yearly: int
    shock: float  # mean log price change over its first days
    recovered: float  # share of the shock that is won back
    days: int  # from the shock to the end of the recovery
    volume: float
    volume_days: float  # after which the extra volume has fallen to a third
    kinds: tuple[str, ...]  # () for every kind


EVENTS = (
    Event("06-23", 1, -0.06, 0.9, 16, 0.2, 14, ()),  # summer sale: sellers raise money for games
    Event("11-23", 1, -0.06, 0.9, 10, 0.2, 7, ()),  # autumn sale
    Event("12-20", 1, -0.05, 0.9, 16, 0.2, 14, ()),  # winter sale
    Event(None, 2, -0.09, 0.85, 35, 0.15, 8, ()),  # an update that shifts everything
    Event(None, 2, -0.15, 0.3, 60, 0.6, 10, ("case",)),  # a new case: the old ones lose
    Event(None, 2, -0.10, 0.8, 40, 0.5, 12, ("sticker", "capsule")),  # a major: new stickers
)
"""Sizes and recoveries are those of the real market's median return around its largest days."""

EVENT_DAYS = 365
"""Days of the year on which an event without a date of its own may begin."""

EVENT_CERTAIN, EVENT_RANDOM = 1 / 3, 2 / 3
"""Shares of an event's shock that are the same every time, and that vary (exponentially) around their mean."""

EVENT_ONSET = (0.75, 0.25)
"""Shares of the shock on the first day and on the second."""

EVENT_LULL = 3
"""The recovery begins after this part (a third) of an event's days."""


@dataclass(frozen=True)
class Calibration:
    """Parameters of the dynamics, the same for every kind; items differ by draws around them."""

    # What depends on the price stops doing so below the lowest prices, where all items are alike.
    cheap: float = -3.5  # log price

    # Births. The facts are of whole histories, first weeks included: most items are born in the table.
    born_inside: float = 0.8  # share of designs first listed inside the simulated days
    born_until: float = 0.75  # ... on any day of this first part of them
    born_before: float = 100.0  # days: the other designs are at least so old on the first day ...
    born_before_most: float = 2000.0  # ... and at most so many days older than that
    launch: float = 1.55  # price on the first day over the level, for one dollar; real median 1.5
    launch_sd: float = 0.9
    launch_least: float = -0.5  # no launch is further below the level, ...
    launch_most: float = 4.5  # ... or further above it
    launch_common: float = (
        0.85  # share of its variance, and all of its pace, shared by the copies of a design
    )
    launch_by_price: float = -0.35  # per log price below one dollar: cheap items fall furthest
    launch_hype: float = 0.25  # share of it that is gone within days
    launch_hype_days: float = 2.0  # time constant of that
    launch_days: float = 45.0  # time constant of the rest
    launch_days_sd: float = 0.4  # between designs, log
    launch_noise: float = 1.35  # log volatility on the first day: kurtosis and acf7 of |r|
    launch_noise_by_price: float = -0.45  # its relative change per log price below one dollar
    launch_noise_trade: float = 0.85  # share of it in the noise of trades; all of it is in the value
    launch_noise_days: float = 36.0
    launch_volume_sd: float = 1.5  # volume on the first day against its level
    launch_volume_days: float = 150.0

    # Value. yearly_log_return, pairwise correlation, and the growth of variance from 1 to 30 days.
    change: float = 0.0148  # sd of a day's change at one dollar
    change_sd: float = 0.22  # between items, log
    change_by_price: float = -0.13  # per log price
    change_tail: float = 5.0
    common: float = 0.7  # share of the variance shared by the copies of a design
    own_keeps: float = 0.995  # the rest reverts, which keeps wear ratios
    averaging: float = 0.211  # weight of yesterday's value in a day's mean (Working, 1960: acf1 of +0.25)
    jump_rate: float = 0.002  # a day
    jump: float = 0.2  # scale of a Laplace jump: kurtosis over 2 USD

    # Volatility. acf of |r| at 7 days; the kurtosis of two-month windows limits it.
    slow_vol_sd: float = 0.53  # log
    slow_vol_keeps: float = 0.98
    fast_vol_sd: float = 0.2
    fast_vol_keeps: float = 0.5
    noise_vol: float = 0.5  # share of the log volatility that trade noise takes part in

    # Market factor. Pairwise correlation of weekly returns, acf7 (weekends).
    market: float = 0.0098  # sd of a day's change without events
    market_tail: float = 4.0
    market_vol_sd: float = 0.4
    market_vol_keeps: float = 0.95
    beta_sd: float = 0.5  # log, between designs
    weekday_return: tuple[float, ...] = (-0.0018, 0.0006, -0.0012, -0.0024, 0.0012, 0.0054, -0.0018)

    # Trade noise of a day's mean. sd, mad, acf1 by volume.
    dispersion: float = 0.148  # at one unit a day and one dollar
    dispersion_sd: float = 0.3  # between items, log
    dispersion_by_price: float = -0.18  # per log price
    dispersion_by_volume: float = -0.44  # power of the volume: trades of a day are not quite independent
    noise_tail: float = 6.0
    noise_keeps: float = 0.18  # acf2 below 0

    # Overpaid trades. A single sale at an absurd price moves the day's mean: kurtosis, jump30, acf1.
    overpaid_rate: float = 0.0088  # a day, the median item
    overpaid_rate_sd: float = 1.85  # between items, log
    overpaid_scarce: float = 0.10  # USD below which an item attracts fewer ...
    overpaid_power: float = 1.4  # ... as this power of its value
    overpaid: float = 0.8  # median log USD paid, for a one-dollar item of this volume:
    overpaid_volume: float = 4.4  # sold 80 times a day
    overpaid_sd: float = 2.0
    overpaid_by_volume: float = 0.3  # per log volume
    overpaid_by_price: float = 0.3  # per log price above one dollar
    overpaid_most: float = 1800.0  # USD: the market's highest price

    # Volumes. Medians by band come from `KINDS`; here their movement, seen in log volume over 60 days.
    weekday: tuple[float, ...] = (-0.0527, -0.0823, 0.0042, -0.0104, 0.0177, 0.0710, 0.0495)
    volume_slow_sd: float = 0.42
    volume_slow_spread: float = 0.5  # between items, log of it
    volume_slow_keeps: float = 0.998
    volume_fast_sd: float = 0.05
    volume_fast_keeps: float = 0.5
    volume_white_sd: float = 0.05  # at one dollar, beyond the counting noise
    volume_white_by_price: float = -0.45  # per log price: cheap items' volumes are the noisiest
    volume_white_dear: float = 2.0  # log price from which they get no calmer
    volume_white_thin: float = 0.2  # more for listings that sell little ...
    volume_white_thin_volume: float = 1.5  # ... a third of it for those with this volume
    volume_white_tail: float = 5.0
    volume_spread: float = 0.55  # between items, log of all the sd above
    volume_market_sd: float = 0.06
    volume_market_spread: float = 0.4  # between items, log of it
    volume_market_keeps: float = 0.55
    volume_era_sd: float = 0.1  # the whole market's slow rise and fall
    volume_era_keeps: float = 0.995
    burst_rate: float = 0.008  # a day, the median item
    burst_rate_sd: float = 1.0  # between items, log
    burst: float = 0.5  # mean
    burst_keeps: float = 0.5
    burst_price: float = 0.01  # price change per burst, either way
    volume_by_change: float = 0.045  # extra volume per sd of the day's change ...
    volume_usual_change: float = 0.8  # ... beyond its usual size, about the mean of a normal one ...
    volume_most_change: float = 6.0  # ... up to this
    volume_most: float = 13.0  # of any listing on any day
