"""The features by name: what each says, its unit, and its value where nothing is known."""

from typing import NamedTuple

from itemmarket.features.indicators import CARRY, MEMORY, SIGNAL_MEMORY
from itemmarket.market.prices import GAMES

LOOKBACK = MEMORY + max(CARRY, SIGNAL_MEMORY)
"""Days that a feature vector may depend on, its own day included."""


class Feature(NamedTuple):
    """One column: its name, what it says, its unit, and its value where nothing is known."""

    name: str
    meaning: str
    unit: str
    neutral: float = 0.0


FEATURES = (
    Feature("price", "Last price", "USD"),
    Feature("log_price", "Natural logarithm of the last price", "log USD"),
    Feature(
        "price_z_90", "Log price against its mean over the 90 days before, in standard deviations", "sd, ±10"
    ),
    Feature("change_1", "Log price now minus a day ago", "log ratio"),
    Feature("change_7", "Log price now minus 7 days ago", "log ratio"),
    Feature("change_30", "Log price now minus 30 days ago", "log ratio"),
    Feature("ma_ratio_7", "Log of the price over its mean in the last 7 days", "log ratio"),
    Feature("ma_ratio_30", "Log of the price over its mean in the last 30 days", "log ratio"),
    Feature("volatility_30", "Root mean square of the daily log changes in the last 30 days", "log ratio"),
    Feature("rsi_14", "Wilder's relative strength index, smoothing 14", "0 to 100", 50.0),
    Feature("macd", "MACD line of the log price: 12-day minus 26-day exponential average", "log ratio"),
    Feature("macd_histogram", "MACD line minus its 9-day exponential average, the signal line", "log ratio"),
    Feature("momentum_14", "Log change over 14 days in units of what volatility_30 makes usual", "sd, ±10"),
    Feature(
        "rarity",
        "Rank of the game's rarity tier, 1 the lowest: from the catalogue, or of a classifier's class",
        "rank 1 to 7, 0 unknown",
    ),
    Feature("wear", "Rank of the wear in the name, 1 Factory New to 5 Battle-Scarred", "rank 1 to 5, 0 none"),
    Feature("stattrak", "Whether the name says StatTrak™", "0 or 1"),
    Feature("souvenir", "Whether the name says Souvenir", "0 or 1"),
    *(Feature(f"game_{game}", f"Whether the item is of {game}", "0 or 1") for game in GAMES),
    Feature("volume_7", "log(1 + units sold in the last 7 days)", "log units"),
    Feature("volume_mean_30", "log(1 + mean units sold per day with a price in the last 30)", "log units"),
    Feature("turnover_1", "log(1 + price times units sold on this day)", "log USD"),
    Feature(
        "days_since_trade", "Days since the last sale before this day", "days, at most 160", float(LOOKBACK)
    ),
    Feature("weekday_sin", "Sine of the day of the week, Monday 0", "-1 to 1"),
    Feature("weekday_cos", "Cosine of the day of the week, Monday 1", "-1 to 1"),
    Feature("year_sin", "Sine of the day of the year, 0 about 1 January", "-1 to 1"),
    Feature("year_cos", "Cosine of the day of the year, 1 about 1 January", "-1 to 1"),
    Feature("index_change_1", "Log change of the market index over a day", "log ratio"),
    Feature("index_change_7", "Log change of the market index over 7 days", "log ratio"),
    Feature("relative_strength_30", "change_30 minus the index's log change over 30 days", "log ratio"),
)
"""The 32 features in their fixed order."""

BASIC = (
    "log_price",
    "change_1",
    "change_7",
    "change_30",
    "ma_ratio_7",
    "ma_ratio_30",
    "volatility_30",
    "rsi_14",
    "macd",
    "volume_7",
)
"""The ten of the lectures and the first lab.

What can be forecast of tomorrow's change is mostly today's noise going away again: the price against its averages
and its latest changes say how far today is off; volatility, weekly volume and the price level (the one-cent tick)
how noisy the item is; RSI and MACD how it got there. Each is known in every market, without catalogue or
index, and none is a linear twin of another.
"""

RARITY_RANKS = {"Common": 1.5, "Rare": 3.0, "Epic": 4.5, "Legendary": 6.0}
"""Place of the four classes among the seven tiers: the middle of a class's tiers, Contraband (three items) aside."""
