"""Stylised facts of a market table: how large, fat-tailed, sticky and memorable its changes are.

The figures are those of the calibration target (`stylised_facts.json` beside the real market history), so
that a simulated and a real table can be laid side by side.
"""

from typing import Any

import numpy as np
import pandas as pd

from itemmarket.errors import MarketDataError
from itemmarket.market.names import parse_names

BANDS = ("<0.1", "0.1-0.5", "0.5-2", "2-10", "10-50", ">50")
"""Price bands (USD) by an item's median price."""

_EDGES = (0.1, 0.5, 2.0, 10.0, 50.0)

FACTS = ("sd", "mad", "acf1", "acf2", "acf7", "absacf1", "absacf7", "kurt", "jump10", "jump30", "zero")
"""Facts about the daily log returns of one item: standard deviation; median absolute deviation;
autocorrelation at 1, 2, 7 days of the returns and of their sizes; excess kurtosis; share of sizes above
0.1 and 0.3; share of exact zeros."""

QUANTILES = {"q10": 0.1, "q50": 0.5, "q90": 0.9}
MIN_RETURNS = 100
"""Items with fewer daily returns are not counted."""

LIQUID_VOLUME = 30
"""Median units a day from which an item counts as liquid in the facts about weekly and yearly returns."""

_WINSOR = 0.001
_WEARS = {"FN": "Factory New", "MW": "Minimal Wear", "WW": "Well-Worn", "BS": "Battle-Scarred"}


def price_band(price: np.ndarray | pd.Series) -> np.ndarray:
    """Return the band label of each price (USD), as an array of str objects."""
    return np.asarray(BANDS, dtype=object)[np.searchsorted(_EDGES, np.asarray(price, float), side="right")]


def return_facts(returns: np.ndarray) -> dict[str, float]:
    """Return the `FACTS` of one item.

    Parameters
    ----------
    returns : ndarray of shape (days,)
        Log returns by calendar day, NaN where the item was not sold both on the day and on the day before.
        All but the shares are taken after winsorising 0.1 % on each side.
    """
    size = np.abs(returns[np.isfinite(returns)])
    clipped = np.clip(returns, *np.nanquantile(returns, [_WINSOR, 1 - _WINSOR]))
    known = clipped[np.isfinite(clipped)]
    deviation = known - known.mean()
    variance = (deviation**2).mean()
    moving = variance > 1e-12
    return {
        "sd": known.std(ddof=1),
        "mad": np.median(np.abs(known - np.median(known))),
        **{f"acf{lag}": _autocorrelation(clipped, lag) for lag in (1, 2, 7)},
        **{f"absacf{lag}": _autocorrelation(np.abs(clipped), lag) for lag in (1, 7)},
        "kurt": (deviation**4).mean() / variance**2 - 3 if moving else np.nan,
        "jump10": (size > 0.1).mean(),
        "jump30": (size > 0.3).mean(),
        "zero": (size == 0).mean(),
    }


def _autocorrelation(values: np.ndarray, lag: int) -> float:
    """Return the correlation with the value ``lag`` calendar days later; NaN when nothing moves."""
    centred = values - np.nanmean(values)
    product = centred[:-lag] * centred[lag:]
    variance = np.nanmean(centred**2)
    if variance <= 1e-12 or np.isfinite(product).sum() < MIN_RETURNS // 2:
        return np.nan
    return float(np.nanmean(product) / variance)


def item_facts(prices: pd.DataFrame) -> pd.DataFrame:
    """Return the facts item by item.

    Parameters
    ----------
    prices : pandas.DataFrame
        A market table.

    Returns
    -------
    pandas.DataFrame
        Index the name; columns `FACTS`, ``price`` and ``volume`` (medians over the item's days), ``band``.
        Items with fewer than `MIN_RETURNS` daily returns are left out.
    """
    prices = prices.sort_values(["name", "date"], kind="stable")
    rows = {}
    for name, item in prices.groupby("name", sort=False, observed=True):
        day = item["date"].to_numpy().astype("datetime64[D]").astype(int)
        log_price = np.full(day[-1] - day[0] + 1, np.nan)
        log_price[day - day[0]] = np.log(item["price"].to_numpy(float))
        returns = np.diff(log_price)
        if np.isfinite(returns).sum() >= MIN_RETURNS:
            medians = {"price": item["price"].median(), "volume": item["volume"].median()}
            rows[name] = return_facts(returns) | medians
    if not rows:
        raise MarketDataError(f"no item has {MIN_RETURNS} daily returns: use a longer market")
    facts = pd.DataFrame.from_dict(rows, orient="index")
    facts["band"] = price_band(facts["price"])
    return facts


def stylised_facts(prices: pd.DataFrame) -> dict[str, Any]:
    """Compute the stylised facts of a market, in the form of ``stylised_facts.json``.

    Parameters
    ----------
    prices : pandas.DataFrame
        A market table.

    Returns
    -------
    dict
        ``by_price_band[band][fact]`` and ``volume_by_band[band]`` with the 10, 50 and 90 % quantiles over
        items (``q10``, ``q50``, ``q90``); ``volume_day_of_week_log`` (Monday "0", mean log volume against
        its centred 7-day mean); ``weekly_return_pairwise_corr``, ``yearly_log_return_liquid``;
        ``wear_price_ratio_to_field_tested`` and ``stattrak_price_ratio`` (ratios of median prices).

    Raises
    ------
    MarketDataError
        If no item has enough daily returns.
    """
    facts = item_facts(prices)
    bands = facts.groupby("band")
    present = [band for band in BANDS if band in bands.groups]
    liquid = prices[prices["name"].isin(facts.index[facts["volume"] >= LIQUID_VOLUME])]
    wide = liquid.set_index(["date", "name"])["price"].unstack("name")  # noqa: PD010
    log_price = np.log(wide.asfreq("D"))
    yearly = log_price.resample("YE").last().diff().to_numpy().ravel()
    return {
        "items": len(facts),
        "rows": len(prices),
        "from": str(prices["date"].min().date()),
        "to": str(prices["date"].max().date()),
        "returns": "daily log return, consecutive days only; per item, 0.1% winsorised",
        "by_price_band": {
            band: {fact: _quantiles(bands.get_group(band)[fact]) for fact in FACTS}
            | {"items": len(bands.get_group(band))}
            for band in present
        },
        "volume_day_of_week_log": _weekday_volume(prices),
        "volume_by_band": {band: _quantiles(bands.get_group(band)["volume"]) for band in present},
        "weekly_return_pairwise_corr": _quantiles(_pairwise(log_price.resample("W").last().diff())),
        "yearly_log_return_liquid": _quantiles(pd.Series(yearly).dropna()),
        **_price_ratios(facts["price"]),
    }


def _quantiles(values: pd.Series) -> dict[str, float]:
    return {label: round(float(values.quantile(q)), 4) for label, q in QUANTILES.items()}


def _weekday_volume(prices: pd.DataFrame) -> dict[str, float]:
    """Return the mean log volume of each weekday (Monday "0") against its centred 7-day mean."""
    prices = prices.sort_values(["name", "date"], kind="stable", ignore_index=True)
    volume = np.log(prices["volume"].clip(lower=1))
    smooth = volume.groupby(prices["name"], sort=False, observed=True).rolling(7, center=True).mean()
    shift = (volume - smooth.to_numpy()).groupby(prices["date"].dt.day_of_week).mean()
    return {str(day): round(float(value), 4) for day, value in (shift - shift.mean()).items()}


def _pairwise(weekly: pd.DataFrame) -> pd.Series:
    """Return the correlation of each pair of items that share at least 52 weeks."""
    weekly = weekly.loc[:, weekly.notna().sum() >= 52]
    table = weekly.corr(min_periods=52).to_numpy()
    return pd.Series(table[np.triu_indices(len(table), 1)], dtype=float).dropna()


def _price_ratios(price: pd.Series) -> dict[str, Any]:
    """Return how the median price of a listing compares with that of its field-tested or plain copy."""
    parsed = parse_names(price.index).loc[price.index]
    wear = parsed["wear"].astype(object).where(parsed["wear"].notna(), "")
    table = pd.DataFrame(
        {
            "base": parsed["base"].to_numpy(object),
            "wear": wear.to_numpy(object),
            "stattrak": parsed["stattrak"].to_numpy(bool),
            "price": price.to_numpy(float),
        }
    )[(parsed["kind"] == "skin").to_numpy() & ~parsed["souvenir"].to_numpy(bool)]
    by_wear = table[~table["stattrak"]].set_index(["base", "wear"])["price"].unstack()  # noqa: PD010
    ratios = {}
    if "Field-Tested" in by_wear:
        for short, long in _WEARS.items():
            ratio = (
                (by_wear[long] / by_wear["Field-Tested"]).dropna()
                if long in by_wear
                else pd.Series(dtype=float)
            )
            if len(ratio):
                ratios[short] = _quantiles(ratio) | {"skins": len(ratio)}
    pairs = table.set_index(["base", "wear", "stattrak"])["price"].unstack()  # noqa: PD010
    stattrak = {}
    if {True, False} <= set(pairs.columns):
        ratio = (pairs[True] / pairs[False]).dropna()
        stattrak = _quantiles(ratio) | {"pairs": len(ratio)}
    return {"wear_price_ratio_to_field_tested": ratios, "stattrak_price_ratio": stattrak}


def compare_facts(simulated: dict[str, Any], real: dict[str, Any]) -> pd.DataFrame:
    """Lay the medians of two sets of stylised facts side by side.

    Parameters
    ----------
    simulated, real : dict
        As `stylised_facts` returns them.

    Returns
    -------
    pandas.DataFrame
        One row per figure: ``group`` (price band, or what the figure is about), ``fact``, ``real``,
        ``simulated``, ``low`` and ``high`` (a third of the way from the real median to its 10 and 90 %
        quantiles), ``within``. Weekday volumes, which have no quantiles, may differ by 0.02.
    """
    rows = []

    def add(group: str, fact: str, ours: dict[str, Any] | None, theirs: dict[str, Any]) -> None:
        middle = theirs["q50"]
        low, high = middle - (middle - theirs["q10"]) / 3, middle + (theirs["q90"] - middle) / 3
        rows.append((group, fact, middle, ours["q50"] if ours else np.nan, low, high))

    for band in BANDS:
        if band in simulated["by_price_band"]:
            ours, theirs = simulated["by_price_band"][band], real["by_price_band"][band]
            for fact in FACTS:
                add(band, fact, ours[fact], theirs[fact])
            add(band, "volume", simulated["volume_by_band"][band], real["volume_by_band"][band])
    for wear, theirs in real["wear_price_ratio_to_field_tested"].items():
        add("price ratio", wear, simulated["wear_price_ratio_to_field_tested"].get(wear), theirs)
    for group, fact, key in (
        ("price ratio", "StatTrak™", "stattrak_price_ratio"),
        ("market", "weekly correlation", "weekly_return_pairwise_corr"),
        ("market", "yearly return", "yearly_log_return_liquid"),
    ):
        add(group, fact, simulated[key] or None, real[key])
    for day, theirs in real["volume_day_of_week_log"].items():
        ours = simulated["volume_day_of_week_log"][day]
        rows.append(("weekday volume", day, theirs, ours, theirs - 0.02, theirs + 0.02))
    table = pd.DataFrame(rows, columns=["group", "fact", "real", "simulated", "low", "high"])
    table["within"] = table["simulated"].between(table["low"] - 1e-9, table["high"] + 1e-9)
    return table
