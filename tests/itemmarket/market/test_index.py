"""The market index: no look-ahead, robust, and the market's own move."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import itemmarket as im
from itemmarket.errors import MarketDataError
from itemmarket.market.index import SETTLED


def market(seed: int = 0, items: int = 30, days: int = 300, noise: float = 0.05, gaps: float = 0.1):
    """Items that follow one factor with noise of their own, and the factor's daily log changes."""
    rng = np.random.default_rng(seed)
    factor = 0.01 * rng.standard_normal(days)
    dates = np.datetime64("2023-01-01") + np.arange(days)
    parts = []
    for number in range(items):
        log_price = rng.uniform(0, 4) + np.cumsum(factor) + noise * rng.standard_normal(days)
        rows = pd.DataFrame(
            {
                "name": f"item {number:02}",
                "date": dates,
                "price": np.exp(log_price),
                "volume": rng.poisson(50, days),
            }
        )
        parts.append(rows[rng.random(days) >= gaps])
    return pd.concat(parts, ignore_index=True), factor


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), keep=st.integers(1, 299), gaps=st.sampled_from([0.0, 0.3, 0.9]))
def test_the_future_does_not_change_the_past(seed, keep, gaps):
    prices, _ = market(seed, items=6, gaps=gaps)
    end = np.sort(prices["date"].unique())[min(keep, prices["date"].nunique() - 1)]
    whole = im.market_index(prices)
    cut = im.market_index(prices[prices["date"] <= end])
    pd.testing.assert_series_equal(cut, whole[:end], check_freq=False, rtol=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_a_price_at_the_limit_counts_whatever_else_is_there(seed):
    """Sums over more rows round differently: a price of exactly the limit must not notice."""
    days = np.datetime64("2023-01-01") + np.arange(200)
    price = np.where(np.arange(200) % 40 == 39, 0.11, 0.10)
    alone = pd.DataFrame({"name": "z", "date": days, "price": price, "volume": 100})
    other = np.random.default_rng(seed).lognormal(seed, size=200)
    idle = pd.DataFrame({"name": "a", "date": days, "price": other, "volume": 0})
    moves = np.diff(np.log(im.market_index(pd.concat([idle, alone]))))
    np.testing.assert_allclose(moves[SETTLED:], np.diff(np.log(price))[SETTLED:], atol=1e-12)


def test_it_has_a_value_for_every_day():
    prices, _ = market(gaps=0.5)
    prices = prices[~prices["date"].between("2023-05-01", "2023-05-20")]
    index = im.market_index(prices)
    assert index.name == "index" and index.index.name == "date" and index.iloc[0] == 100
    expected = pd.date_range(prices["date"].min(), prices["date"].max())
    assert (index.index == expected).all() and index.index.dtype == "datetime64[us]"
    gap = index["2023-05-01":"2023-05-20"]
    assert (gap == gap.iloc[0]).all()


def test_it_follows_the_market():
    prices, factor = market(items=200, noise=0.03)
    moves = np.diff(np.log(im.market_index(prices)))[SETTLED:]
    assert np.corrcoef(moves, factor[SETTLED + 1 :])[0, 1] > 0.9
    assert moves.std() == pytest.approx(factor[SETTLED + 1 :].std(), rel=0.15)


def test_one_false_price_does_not_move_it():
    prices, _ = market()
    row = prices.index[(prices["name"] == "item 07") & (prices["date"] == "2023-06-15")][0]
    false = prices.copy()
    false.loc[row, "price"] *= 1000
    ratio = np.log(im.market_index(false) / im.market_index(prices))
    assert ratio.abs().max() < 0.03


def test_noise_of_single_prices_does_not_bend_it():
    """Prices that only jitter around the price limit stay where they are (see the docstring's first trap)."""
    rng = np.random.default_rng(1)
    days = np.datetime64("2022-01-01") + np.arange(700)
    parts = [
        pd.DataFrame(
            {
                "name": f"item {number}",
                "date": days,
                "price": 0.1 * np.exp(0.2 * rng.standard_normal(700)),
                "volume": 100,
            }
        )
        for number in range(60)
    ]
    index = im.market_index(pd.concat(parts))
    assert abs(np.log(index.iloc[-1] / 100)) < 0.3


def test_only_settled_liquid_items_count():
    """Falls of a new item, of an illiquid one and of one below the price limit leave the index where it is."""
    prices, _ = market(noise=0.0, gaps=0.0)
    days = np.datetime64("2023-06-01") + np.arange(120)
    fall = np.exp(-0.02 * np.arange(120))
    strays = [
        ("new", days[:SETTLED], 50 * fall[:SETTLED], 500),
        ("illiquid", days, 50 * fall, 5),
        ("cheap", days, 0.05 * fall, 500),
    ]
    tables = [pd.DataFrame({"name": n, "date": d, "price": p, "volume": v}) for n, d, p, v in strays]
    alone = im.market_index(prices)
    pd.testing.assert_series_equal(im.market_index(pd.concat([prices, *tables])), alone)
    long_fall = pd.DataFrame({"name": "old", "date": days, "price": 50 * fall, "volume": 500})
    assert not im.market_index(pd.concat([prices, long_fall]), trim=0.0).equals(
        im.market_index(prices, trim=0.0)
    )


@pytest.mark.parametrize("column", ["price", "volume"])
def test_neither_end_of_a_change_decides_whether_it_counts(column):
    """A cheap or illiquid item does not count because of what it costs or sells on the two days of the change."""
    prices, _ = market(noise=0.0, gaps=0.0, items=5)
    low = {"price": 0.01, "volume": 0}[column]
    days = prices["date"].unique()[:100]
    stray = pd.DataFrame({"name": "stray", "date": days, "price": 5.0, "volume": 100}).astype({column: float})
    stray[column] = low
    stray.loc[98:, column] = [10**9, 10**8]
    if column == "volume":
        stray.loc[99, "price"] = 50.0
    stray["volume"] = stray["volume"].astype(int)
    before = prices[prices["date"] <= days[-1]]
    expected = im.market_index(before, trim=0)
    pd.testing.assert_series_equal(im.market_index(pd.concat([before, stray]), trim=0), expected)


def test_a_change_across_a_gap_does_not_count():
    prices, _ = market(noise=0.0, gaps=0.0, items=5)
    days = prices["date"].unique()
    stray = pd.DataFrame({"name": "stray", "date": days, "price": 5.0, "volume": 100})
    stray["price"] *= np.where(np.arange(len(days)) >= 200, 3.0, 1.0)
    stray["price"] *= np.exp(np.log(prices["price"].to_numpy()[: len(days)] / prices["price"].iloc[0]))
    without = im.market_index(prices, trim=0)
    gap = im.market_index(pd.concat([prices, stray.drop(index=[199])]), trim=0)
    np.testing.assert_allclose(gap, without, rtol=1e-9)
    assert not np.allclose(im.market_index(pd.concat([prices, stray]), trim=0), without, rtol=1e-3)


@pytest.mark.parametrize("trim", [0.0, 0.1, 0.3, 0.49])
def test_without_noise_it_is_the_market(trim):
    prices, factor = market(noise=0.0, gaps=0.05)
    moves = np.diff(np.log(im.market_index(prices, trim=trim)))
    np.testing.assert_allclose(moves[SETTLED + 5 :], factor[SETTLED + 6 :], atol=1e-9)


def test_bad_input():
    prices, _ = market(items=2, days=5)
    with pytest.raises(MarketDataError, match="price"):
        im.market_index(prices.assign(price=np.nan))
    with pytest.raises(ValueError, match="trim"):
        im.market_index(prices, trim=0.5)


@pytest.mark.machine
def test_the_real_market_neither_explodes_nor_vanishes(real_market):
    """Liquid old items of the real market moved by tens of per cent a year since 2016, not by factors."""
    prices = pd.read_parquet(real_market / "steam_daily.parquet")
    yearly = np.log(im.market_index(prices)["2016":].resample("YE").last()).diff().dropna()
    assert yearly.abs().max() < 0.5
