"""The simulated market is held to the real one, on seeds that it was not tuned with."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks.market import SUMMARIES, separation_auc, skill_ratios, window_summaries
from itemmarket.market.prices import load_prices
from itemmarket.simulation.simulator import simulate_market
from itemmarket.simulation.stylised import (
    BANDS,
    FACTS,
    compare_facts,
    item_facts,
    price_band,
    return_facts,
    stylised_facts,
)


def test_facts_of_a_known_series():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.02, 40_001)
    facts = return_facts(np.diff(noise))  # white noise around a constant: acf1 is -1/2
    assert facts["acf1"] == pytest.approx(-0.5, abs=0.02)
    assert facts["acf2"] == pytest.approx(0, abs=0.02)
    assert facts["sd"] == pytest.approx(0.02 * np.sqrt(2), rel=0.02)
    assert facts["mad"] == pytest.approx(0.02 * np.sqrt(2) * 0.6745, rel=0.03)
    assert facts["kurt"] == pytest.approx(0, abs=0.1)
    assert facts["zero"] == 0 and facts["jump30"] == 0


def test_facts_skip_days_without_a_sale():
    rng = np.random.default_rng(1)
    returns = rng.normal(0, 0.02, 5000)
    returns[::2] = 0.0
    gappy = returns.copy()
    gappy[100:130] = np.nan
    assert return_facts(gappy)["zero"] == pytest.approx(0.5, abs=0.01)
    spiky = np.where(np.arange(5000) % 50 == 7, 0.2, returns)
    assert return_facts(spiky)["jump10"] == pytest.approx(0.02, abs=0.001)
    assert return_facts(spiky)["kurt"] > 20
    clustered = np.where(np.arange(5000) // 100 % 2 == 0, 5.0, 1.0) * rng.normal(0, 0.02, 5000)
    assert return_facts(clustered)["absacf7"] > 0.2


def test_bands():
    assert price_band(np.array([0.03, 0.1, 0.49, 0.5, 1.99, 2, 49, 50, 999])).tolist() == [
        *("<0.1", "0.1-0.5", "0.1-0.5", "0.5-2", "0.5-2", "2-10", "10-50", ">50", ">50")
    ]


def test_price_ratios_compare_copies_of_one_design():
    days = pd.date_range("2024-01-01", periods=150)
    prices = {
        "AK-47 | Redline (Field-Tested)": 10.0,
        "AK-47 | Redline (Minimal Wear)": 25.0,
        "StatTrak™ AK-47 | Redline (Field-Tested)": 30.0,
        "Souvenir AK-47 | Safari Mesh (Minimal Wear)": 99.0,
    }
    table = pd.concat(
        [pd.DataFrame({"name": n, "date": days, "price": p, "volume": 50}) for n, p in prices.items()]
    )
    facts = stylised_facts(table)
    assert facts["wear_price_ratio_to_field_tested"]["MW"] == {"q10": 2.5, "q50": 2.5, "q90": 2.5, "skins": 1}
    assert facts["stattrak_price_ratio"] == {"q10": 3.0, "q50": 3.0, "q90": 3.0, "pairs": 1}


@pytest.mark.machine
def test_form_is_that_of_the_real_facts(real_market):
    real = json.loads((real_market / "stylised_facts.json").read_text(encoding="utf-8"))
    ours = stylised_facts(simulate_market(250, "2022-01-01", "2023-12-31", seed=1))

    def shape(value):
        return {key: shape(inner) for key, inner in value.items()} if isinstance(value, dict) else None

    assert shape(ours) == shape(real)


@pytest.mark.machine
def test_definitions_give_the_published_facts_on_other_real_items(real_market):
    """The json is over 2543 other items; its definitions are told in words: these must be the same ones."""
    real = json.loads((real_market / "stylised_facts.json").read_text(encoding="utf-8"))
    prices = load_prices(real_market / "steam_daily.parquet")
    prices["price"] = prices["price"].round(3)
    table = compare_facts(stylised_facts(prices), real)
    table = table[table["group"] != ">50"]
    assert table["within"].mean() > 0.94, table[~table["within"]]


SEEDS = (911, 912, 913, 914)  # the calibration has not seen these


@pytest.fixture(scope="module")
def markets():
    return [simulate_market(800, "2019-07-01", "2024-12-31", seed=seed) for seed in SEEDS]


@pytest.mark.machine
def test_medians_are_within_a_third_of_the_real_spread(markets, real_market):
    """Over four markets: a median over the 50 to 150 items of one band strays, by its standard error here."""
    real = json.loads((real_market / "stylised_facts.json").read_text(encoding="utf-8"))
    tables = [compare_facts(stylised_facts(market), real) for market in markets]
    simulated = np.array([table["simulated"] for table in tables])
    error = simulated.std(axis=0, ddof=1) / np.sqrt(len(markets))
    table = tables[0].assign(simulated=simulated.mean(axis=0), error=error)
    table = table[table["group"] != ">50"]
    assert set(table["group"]) == {*BANDS[:-1], "price ratio", "market", "weekday volume"}
    assert set(FACTS) | {"volume"} <= set(table["fact"])
    inside = table["simulated"].between(table["low"] - 1e-9, table["high"] + 1e-9)
    assert (~inside).sum() <= 3, f"\n{table[~inside].to_string()}"
    near = table["simulated"].between(
        table["low"] - table["error"] - 1e-9, table["high"] + table["error"] + 1e-9
    )
    assert near.all(), f"\n{table[~near].to_string()}"


@pytest.mark.long
@pytest.mark.parametrize("seed", range(401, 406))
@pytest.mark.machine
def test_medians_of_any_seed(seed, real_market):
    """One market at a time: a median over 100 items of a band strays now and then, but seldom."""
    real = json.loads((real_market / "stylised_facts.json").read_text(encoding="utf-8"))
    table = compare_facts(stylised_facts(simulate_market(1500, "2019-01-01", "2024-12-31", seed)), real)
    table = table[table["group"] != ">50"]
    assert table["within"].mean() > 0.9, f"\n{table[~table['within']].to_string()}"


@pytest.mark.machine
def test_forecasters_gain_as_much_as_on_real_items(markets, real_market):
    real = skill_ratios(load_prices(real_market / "steam_daily.parquet"))
    bundled = skill_ratios(load_prices())
    others = pd.DataFrame([skill_ratios(market) for market in markets[:2]]).mean()
    for model, ratio in real.items():
        assert bundled[model] == pytest.approx(ratio, abs=0.04), (bundled, real)
        assert others[model] == pytest.approx(ratio, abs=0.04), (others, real)


@pytest.mark.machine
def test_a_classifier_can_hardly_tell(real_market):
    prices = load_prices(real_market / "steam_daily.parquet")
    prices["price"] = prices["price"].round(3)
    assert separation_auc(load_prices(), prices) <= 0.75
    # The judge can tell when there is something to tell: the same items at another volume.
    louder = prices.assign(volume=prices["volume"] * 3)
    assert separation_auc(louder, prices) > 0.55


def test_window_summaries(markets):
    market = markets[0]
    some = market[market["name"].isin(market["name"].unique()[:30])]
    table = window_summaries(some, per_item=3)
    assert list(table.columns) == ["name", "band", *SUMMARIES]
    assert np.isfinite(table[list(SUMMARIES)].to_numpy()).all()
    assert table.groupby("name").size().max() == 3
    of_windows = table.groupby("name")["zero"].mean().rename("of windows")
    both = item_facts(some)[["zero"]].join(of_windows)
    assert both.corr().iloc[0, 1] > 0.7
