"""How real the simulated market is, beside the real one.

Three questions. Do the medians of the stylised facts agree? Do simple forecasters gain as much over
persistence as they do on real items? Can a classifier tell simulated 60-day windows from real ones?
"""

import argparse
import json
import sys

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks._common import real_market, record
from itemmarket.datasets.splits import temporal_split
from itemmarket.datasets.windows import price_windows
from itemmarket.evaluation.metrics import rmse
from itemmarket.market.prices import load_prices
from itemmarket.models.baselines import MovingAverage, Persistence, RidgeLags, WindowForest
from itemmarket.simulation.simulator import simulate_market
from itemmarket.simulation.stylised import BANDS, compare_facts, price_band, stylised_facts

WINDOW = 60
"""Days in a window that the classifier judges."""

SUMMARIES = (
    "sd",  # of daily log returns
    "zero",  # share of them that are exactly 0
    "acf1",  # their autocorrelation
    "largest",  # size of the largest
    "kurtosis",  # excess
    "drift",  # log price at the end less at the beginning
    "log_volume",  # mean log units a day
    "volume_sd",  # sd of log volume
    "volume_acf1",  # its autocorrelation
    "volume_return",  # correlation of log volume with the size of the day's return
)
"""What the classifier sees of a window: ten numbers. The price itself is matched, not shown."""

PER_ITEM = 6
LIQUID = 30.0  # median units a day of a 30-day window from which forecasters are compared on it
TRAINED_ON = 150_000  # windows at most: the forest takes a minute on all of them
MARKET = {"start": "2019-01-01", "end": "2024-12-31"}


def main(argv: list[str]) -> int:
    """Print the three tables and keep them in build/bench/market.json."""
    parser = argparse.ArgumentParser(prog="course.py bench market", description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=1500, help="listings to simulate (default 1500)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the simulated market (default 1)")
    options = parser.parse_args(argv)
    file = real_market()
    if file is None:
        print("bench market: no real market history: set COURSE_REAL_MARKET to its folder", file=sys.stderr)
        return 1
    facts = json.loads((file.parent / "stylised_facts.json").read_text(encoding="utf-8"))
    real = load_prices(file)
    real["price"] = real["price"].round(3)  # the archive's resolution, stored as float32
    simulated = simulate_market(options.items, **MARKET, seed=options.seed)

    table = compare_facts(stylised_facts(simulated), facts)
    print(table.round(4).to_string(index=False))
    counted = table[table["group"] != ">50"]
    print(
        f"\n{counted['within'].sum()} of {len(counted)} medians within bounds (without the band over 50 USD)\n"
    )

    markets = {"simulated": simulated, "bundled": load_prices(), "real": real}
    skill = pd.DataFrame({name: skill_ratios(prices) for name, prices in markets.items()})
    print("RMSE of the next-day log price over persistence's, liquid windows, temporal split")
    print(skill.round(3).to_string(), "\n")

    auc = {name: separation_auc(markets[name], real) for name in ("simulated", "bundled")}
    print(f"AUC of a classifier on ten summaries of {WINDOW}-day windows, simulated against real")
    for name, value in auc.items():
        print(f"{name:10} {value:.3f}")
    table = table.astype(object).where(table.notna(), None)
    result = {
        "items": options.items,
        "seed": options.seed,
        **MARKET,
        "facts": table.to_dict("records"),
        "rmse_over_persistence": skill.to_dict(),
        "auc": auc,
    }
    print(f"The figures are in {record('market', result)}")
    return 0


def skill_ratios(prices: pd.DataFrame, trained_on: int = TRAINED_ON, seed: int = 0) -> dict[str, float]:
    """Return RMSE over persistence's RMSE on the last quarter of the liquid 30-day windows.

    Parameters
    ----------
    prices : pandas.DataFrame
        A market table.
    trained_on : int
        Training windows drawn, when there are more. The hold-out is always whole: a few overpaid trades
        decide its errors, and half of it can have ratios 0.1 away.
    seed : int
        Of the drawing.

    Returns
    -------
    dict
        One ratio for each of MA7, MA3, ridge on 30 lags, and the forest on (MA7, MA30, sd).
    """
    windows = price_windows(prices, length=30, min_volume=LIQUID)
    train, test = temporal_split(windows.dates, test_fraction=0.25, horizon=1)
    if len(train) > trained_on:
        train = np.sort(np.random.default_rng(seed).choice(train, trained_on, replace=False))
    models = {
        "MA7": MovingAverage(7),
        "MA3": MovingAverage(3),
        "ridge": RidgeLags(),
        "forest": WindowForest(30, min_samples_leaf=50, max_samples=0.3),
    }

    def error(model: Persistence) -> float:
        model.fit(windows.X[train], windows.y[train])
        return rmse(windows.y[test], model.predict(windows.X[test]))

    persistence = error(Persistence())
    return {name: float(error(model) / persistence) for name, model in models.items()}


def window_summaries(prices: pd.DataFrame, seed: int = 0, per_item: int = PER_ITEM) -> pd.DataFrame:
    """Summarise random windows of every item.

    Parameters
    ----------
    prices : pandas.DataFrame
        A market table.
    seed : int
        Which windows.
    per_item : int
        Windows of each item, fewer where there are fewer. They may overlap.

    Returns
    -------
    pandas.DataFrame
        ``name``, ``band`` (by the window's mean log price) and the `SUMMARIES`.
    """
    windows = price_windows(prices, length=WINDOW)
    draw = pd.Series(np.random.default_rng(seed).random(len(windows)))
    windows = windows.take(np.flatnonzero(draw.groupby(windows.names).rank(method="first") <= per_item))
    log_price = windows.X.astype(float)
    log_volume = np.log(windows.volumes.astype(float))
    returns = np.diff(log_price, axis=1)
    sizes = np.abs(returns)
    return pd.DataFrame(
        {
            "name": windows.names,
            "band": price_band(np.exp(log_price.mean(axis=1))),
            "sd": returns.std(axis=1),
            "zero": (returns == 0).mean(axis=1),
            "acf1": _correlation(returns[:, 1:], returns[:, :-1]),
            "largest": sizes.max(axis=1),
            "kurtosis": _kurtosis(returns),
            "drift": log_price[:, -1] - log_price[:, 0],
            "log_volume": log_volume.mean(axis=1),
            "volume_sd": log_volume.std(axis=1),
            "volume_acf1": _correlation(log_volume[:, 1:], log_volume[:, :-1]),
            "volume_return": _correlation(sizes, log_volume[:, 1:]),
        }
    )


def separation_auc(simulated: pd.DataFrame, real: pd.DataFrame, seed: int = 0) -> float:
    """Return how well gradient boosting tells simulated from real windows: 0.5 not at all, 1 always.

    The two sides have equally many windows in each price band. Windows of one item are all in the training
    or all in the test part of each of five folds.

    Parameters
    ----------
    simulated, real : pandas.DataFrame
        Market tables.
    seed : int
        Of the windows and the folds.
    """
    rng = np.random.default_rng(seed)
    sides = [window_summaries(simulated, seed), window_summaries(real, seed + 1)]
    parts = []
    for band in BANDS:
        inside = [side[side["band"] == band] for side in sides]
        count = min(map(len, inside))
        parts += [
            rows.iloc[rng.permutation(len(rows))[:count]].assign(real=label)
            for label, rows in enumerate(inside)
        ]
    rows = pd.concat(parts, ignore_index=True)
    X, y = rows[list(SUMMARIES)].to_numpy(), rows["real"].to_numpy()
    items = rows["name"] + rows["real"].astype(str)  # a simulated item is not the real one of the same name
    belief = np.empty(len(rows))
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    for train, test in folds.split(X, y, items):
        model = HistGradientBoostingClassifier(random_state=0).fit(X[train], y[train])
        belief[test] = model.predict_proba(X[test])[:, 1]
    return float(roc_auc_score(y, belief))


def _correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the correlation of each row of ``first`` with that of ``second``, 0 where one does not move."""
    first = first - first.mean(axis=1, keepdims=True)
    second = second - second.mean(axis=1, keepdims=True)
    spread = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return np.divide((first * second).sum(axis=1), spread, out=np.zeros(len(first)), where=spread > 1e-12)


def _kurtosis(values: np.ndarray) -> np.ndarray:
    """Return the excess kurtosis of each row, 0 where nothing moves."""
    centred = values - values.mean(axis=1, keepdims=True)
    variance = (centred**2).mean(axis=1)
    moving = variance > 1e-12
    fourth = (centred**4).mean(axis=1)
    return np.divide(fourth, variance**2, out=np.full(len(values), 3.0), where=moving) - 3
