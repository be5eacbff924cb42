"""The simulator keeps its contract: a valid market table, from a seed, quickly, the same everywhere."""

import ast
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from itemmarket.errors import MarketDataError
from itemmarket.market.catalogue import load_catalogue, market_names
from itemmarket.market.prices import load_prices, validate_prices
from itemmarket.simulation import listings, simulator
from itemmarket.simulation.calibration import EVENTS, LOWEST_PRICE, Calibration
from itemmarket.simulation.listings import Streams, draw_listings
from itemmarket.simulation.simulator import BUNDLED, _counts, _events, build_market, simulate_market

SPAN = ("2023-01-01", "2023-12-31")


@pytest.fixture(scope="module")
def market() -> pd.DataFrame:
    return simulate_market(150, *SPAN, seed=5)


STRUCTURE = {
    0: "nothing, the first, and one dollar on a log scale",
    1: "the whole, the next, and one unit",
    2: "halves, squares, and twice a uniform number, which has mean 1; degrees of freedom of a finite variance",
    0.25: "a Poisson count is its root's square and a quarter, less the half that rounds",
    1e-300: "the least uniform number: the normal quantile of 0 is infinite",
}
"""Numbers that are no parameters, and why: the arithmetic has them, whatever the market is like."""


@pytest.mark.parametrize("module", [simulator, listings], ids=lambda module: module.__name__)
def test_every_parameter_is_in_the_calibration(module):
    """``data/market.md`` promises it, with unit and fact; only the arguments of the bundled market stand apart."""
    statements = ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body
    arguments = [s for s in statements if isinstance(s, ast.AnnAssign) and ast.unparse(s.target) == "BUNDLED"]
    found = [
        f"line {node.lineno}: {node.value}"
        for statement in statements
        if statement not in arguments
        for node in ast.walk(statement)
        if isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value not in STRUCTURE
    ]
    assert found == []


def test_is_a_market_table(market):
    pd.testing.assert_frame_equal(market, validate_prices(market))
    assert market["date"].between(*SPAN).all()
    assert market["price"].min() == LOWEST_PRICE
    assert (market["volume"] >= 1).all()
    assert 120 < market["name"].nunique() <= 150


def test_seed_decides(market):
    pd.testing.assert_frame_equal(market, simulate_market(150, *SPAN, seed=5))
    other = simulate_market(150, *SPAN, seed=6)
    assert set(other["name"]) != set(market["name"])


def test_a_smaller_market_is_the_beginning_of_a_larger_one(market):
    small = simulate_market(40, *SPAN, seed=5)
    same = market[market["name"].isin(small["name"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(small, same)


def test_names_are_listings_of_the_catalogue_given():
    catalogue = load_catalogue()
    stickers = catalogue[catalogue["kind"] == "sticker"].head(100)
    market = simulate_market(60, "2024-01-01", "2024-03-31", 1, catalogue=stickers)
    assert set(market["name"]) <= set(market_names(stickers)["name"])


def test_copies_of_a_design_come_together():
    listings = draw_listings(400, seed=2)
    assert listings["name"].is_unique
    skins = listings[listings["kind"] == "skin"]
    assert skins.groupby("base").size().mean() > 3
    assert len(listings[["base", "family"]].drop_duplicates()) == listings["base"].nunique()
    assert {"skin", "sticker", "case", "knife", "capsule"} <= set(listings["kind"].astype(str))


def test_rarer_skins_cost_more():
    listings = draw_listings(1500, seed=3)
    plain = listings[(listings["kind"] == "skin") & ~listings["stattrak"] & ~listings["souvenir"]]
    levels = plain.groupby("rarity", observed=True)["level"].median()
    assert levels[
        plain["rarity"].value_counts()[lambda n: n > 20].index.sort_values()
    ].is_monotonic_increasing


def test_items_are_born_thin_out_and_have_gaps():
    market = simulate_market(300, "2021-01-01", "2023-12-31", seed=4)
    first = market.groupby("name")["date"].min()
    assert first.nunique() > 60
    assert (first == market["date"].min()).mean() > 0.05
    days = market.groupby("name")["date"].agg(lambda d: (d.max() - d.min()).days + 1)
    sold = market.groupby("name").size()
    quiet = market.groupby("name")["volume"].median() < 4
    assert (sold[quiet] < days[quiet]).any() and quiet.any()
    assert (sold[~quiet] / days[~quiet]).median() == 1


def test_most_returns_at_the_lowest_price_are_zero(market):
    cheap = market.groupby("name").filter(lambda item: item["price"].median() < 0.035)
    returns = np.log(cheap["price"]).groupby(cheap["name"]).diff().dropna()
    assert cheap["name"].nunique() > 5
    assert (returns == 0).mean() > 0.5


def test_a_single_sale_is_at_whole_cents(market):
    single = market.loc[market["volume"] == 1, "price"].to_numpy()
    assert len(single) > 100
    np.testing.assert_allclose(single * 100, np.round(single * 100), atol=1e-6)


def test_noise_shrinks_with_volume():
    market = simulate_market(500, "2022-01-01", "2023-12-31", seed=8)
    log_price = np.log(market["price"])
    by_item = market.groupby("name")
    sd = (log_price.groupby(market["name"]).diff().abs()).groupby(market["name"]).median()
    volume, price = by_item["volume"].median(), by_item["price"].median()
    middle = price.between(0.3, 20)
    assert sd[middle & (volume < 10)].median() > 1.8 * sd[middle & (volume > 200)].median()


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 12), days=st.integers(30, 90), seed=st.integers(0, 2**32))
def test_any_size_and_seed_is_valid(n, days, seed):
    start = pd.Timestamp("2024-01-01")
    try:
        market = simulate_market(n, start, start + pd.Timedelta(days=days - 1), seed)
    except MarketDataError as error:
        assert "nothing was sold" in str(error)
        return
    pd.testing.assert_frame_equal(market, validate_prices(market))


@pytest.mark.parametrize("mean", [0.3, 2.0, 11.0, 29.0, 31.0, 400.0, 80_000.0])
def test_counts_are_poisson(mean):
    counts = _counts(np.full((1, 40_000), mean), Streams(1))
    assert abs(counts.mean() - mean) < 4 * np.sqrt(mean / counts.size) + 0.02
    assert counts.var() == pytest.approx(mean, rel=0.05)
    if mean < 30:
        values = np.arange(int(mean + 5 * np.sqrt(mean)) + 2)
        share = (counts.ravel()[:, None] <= values).mean(axis=0)
        np.testing.assert_allclose(share, stats.poisson.cdf(values, mean), atol=0.01)


def test_a_last_bit_changes_a_count_and_not_the_others():
    means = np.random.default_rng(0).uniform(0.5, 200, (20, 500))
    counts = _counts(means, Streams(3))
    nudged = _counts(np.nextafter(means, np.inf), Streams(3))
    assert (counts != nudged).mean() < 1e-3


def test_events_move_the_kinds_they_name():
    dates = pd.date_range("2020-01-01", "2024-12-31")
    kinds = np.array(["skin", "case", "sticker"], dtype=object)
    price, volume = _events(kinds, dates, Streams(7))
    sale = (dates.month == 6) & (dates.day == 23)
    assert (price[0, sale] < 0).all() and (volume[0, sale] > 0).all()
    assert np.abs(price[1]).sum() > np.abs(price[0]).sum() and volume[2].sum() > volume[0].sum()
    again, _ = _events(kinds, dates[400:], Streams(7))
    np.testing.assert_array_equal(again, price[:, 400:])
    assert {kind for event in EVENTS for kind in event.kinds} == {"case", "sticker", "capsule"}


def test_calibration_can_be_changed(market):
    calm = simulate_market(150, *SPAN, seed=5, calibration=Calibration(overpaid_rate=0.0))

    def spikes(table):
        """Days on which the price is double that of the days before and after."""
        log_price = np.log(table["price"]).groupby(table["name"])
        return ((log_price.diff() > 0.7) & (log_price.diff(-1) > 0.7)).sum()

    assert spikes(calm) < 0.5 * spikes(market)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, *SPAN, 1), ValueError, "n_items must be at least 1"),
        ((5, *SPAN, -1), ValueError, "seed at least 0"),
        ((5, "2023-01-01", "2023-01-10", 1), ValueError, "fewer than 30 days"),
        ((5, "2023-12-31", "2023-01-01", 1), ValueError, "fewer than 30 days"),
        ((100_000, *SPAN, 1), MarketDataError, "fewer than n_items=100000"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        simulate_market(*arguments)


def test_two_thousand_items_over_three_years_in_twenty_seconds():
    started = time.process_time()
    simulate_market(2000, "2022-01-01", "2024-12-31", seed=1)
    assert time.process_time() - started < 20


def test_bundled_market_is_what_the_simulator_makes(tmp_path):
    committed = load_prices()
    made = load_prices(build_market(tmp_path / "market.parquet"))
    both = committed.merge(made, on=["name", "date"], how="outer", suffixes=("", "_made"))
    agree = (both["price"] - both["price_made"]).abs() <= 0.01 + 1e-9  # a missing row is not <= anything
    assert agree.mean() >= 0.999


def test_bundled_market_is_of_use():
    market = load_prices()
    listings = draw_listings(BUNDLED["n_items"], BUNDLED["seed"])
    assert market["name"].nunique() == BUNDLED["n_items"]
    kinds = listings["kind"].astype(str).value_counts()
    assert (kinds[["skin", "sticker", "case", "knife", "capsule"]] >= 5).all()
    assert (market.groupby("name")["volume"].median() >= 30).mean() > 0.6
    assert len(market) > 300_000
