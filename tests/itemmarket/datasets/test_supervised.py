"""From a market to the rows of a regression: exact targets, nothing but the past, nothing across items."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import itemmarket as im
from itemmarket.datasets.supervised import supervised

EXTRACTOR = im.FeatureExtractor(names=["log_price", "change_1", "volume_7"])


@st.composite
def markets(draw) -> pd.DataFrame:
    """A few items, each with days missing at random."""
    frames = []
    for name in ("a", "b", "c")[: draw(st.integers(1, 3))]:
        days = sorted(draw(st.sets(st.integers(0, 60), min_size=5, max_size=50)))
        seed = draw(st.integers(0, 2**16))
        rng = np.random.default_rng(seed)
        frames.append(
            pd.DataFrame(
                {
                    "name": name,
                    "date": pd.Timestamp("2024-01-01") + pd.to_timedelta(days, unit="D"),
                    "price": np.round(rng.lognormal(0, 1, len(days)), 2) + 0.01,
                    "volume": rng.integers(0, 50, len(days)),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


@given(market=markets(), horizon=st.integers(1, 9), min_history=st.integers(0, 20), least=st.integers(0, 100))
def test_rows_and_targets_are_those_of_a_plain_loop(market, horizon, min_history, least):
    expected = {}
    for name, item in market.groupby("name"):
        item = item.set_index("date")
        for day in item.index:
            later, week = day + pd.Timedelta(days=horizon), day - pd.Timedelta(days=6)
            old_enough = (day - item.index[0]).days >= min_history
            if later in item.index and old_enough and item.volume[week:day].sum() >= least:
                expected[name, day] = np.log(item.price[later] / item.price[day])
    options = {"horizon": horizon, "min_history": min_history, "min_weekly_volume": least}
    if not expected:
        with pytest.raises(im.MarketDataError, match="no row"):
            supervised(market, EXTRACTOR, **options)
        return
    table = supervised(market.sample(frac=1, random_state=0), EXTRACTOR, **options)
    found = dict(zip(zip(table.names, table.dates, strict=True), table.y, strict=True))
    assert found.keys() == expected.keys()
    np.testing.assert_allclose([found[key] for key in expected], list(expected.values()), atol=1e-6)
    assert table.dates.is_monotonic_increasing


@given(market=markets())
def test_features_are_those_of_the_row(market):
    try:
        table = supervised(market, EXTRACTOR, min_history=0)
    except im.MarketDataError:
        return
    features = EXTRACTOR.transform(market.sort_values(["name", "date"], ignore_index=True))
    keys = list(zip(table.names, table.dates, strict=True))
    np.testing.assert_array_equal(table.X.to_numpy(), features.loc[keys].to_numpy())


def test_take_keeps_rows_together():
    market = pd.DataFrame(
        {
            "name": "a",
            "date": pd.date_range("2024-01-01", periods=40),
            "price": 1.0 + np.arange(40),
            "volume": 9,
        }
    )
    table = supervised(market, EXTRACTOR)
    part = table.take(np.array([3, 1]))
    assert len(part) == 2
    assert list(part.dates) == [table.dates[3], table.dates[1]]
    np.testing.assert_array_equal(part.X.to_numpy(), table.X.to_numpy()[[3, 1]])
    np.testing.assert_array_equal(part.y, table.y[[3, 1]])


def test_a_horizon_below_one_day_is_refused():
    with pytest.raises(ValueError, match="horizon"):
        supervised(pd.DataFrame(), EXTRACTOR, horizon=0)
