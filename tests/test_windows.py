"""Windows are consecutive days of one item, in date order, and know nothing of the future."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from itemmarket.errors import MarketDataError
from itemmarket.windows import price_windows


def market(items: dict[str, list[int]], seed: int = 0) -> pd.DataFrame:
    """Return a table in which each item is sold on the given days, at prices of its own."""
    rng = np.random.default_rng(seed)
    rows = [(name, day) for name, days in items.items() for day in days]
    return pd.DataFrame(
        {
            "name": [name for name, _ in rows],
            "date": pd.Timestamp("2024-01-01") + pd.to_timedelta([day for _, day in rows], unit="D"),
            "price": rng.uniform(0.03, 50, len(rows)),
            "volume": rng.integers(1, 100, len(rows)),
        }
    )


def expected(prices: pd.DataFrame, length: int, horizon: int, step: int) -> list[tuple]:
    """Find the windows one by one."""
    found = []
    for name, item in prices.groupby("name"):
        at = item.set_index("date")
        stretch = 0
        for day in sorted(at.index):
            stretch = stretch + 1 if day - pd.Timedelta(days=1) in at.index else 0
            days = [day + pd.Timedelta(days=k) for k in range(length + horizon)]
            if stretch % step == 0 and all(d in at.index for d in days):
                log_price = np.log(at.loc[days, "price"].to_numpy())
                y = log_price[-1] - log_price[length - 1]
                volumes = at.loc[days[:length], "volume"].to_numpy()
                found.append((days[length - 1], name, log_price[:length], volumes, y))
    return sorted(found, key=lambda row: row[:2])


@settings(max_examples=60, deadline=None)
@given(
    days=st.lists(st.sets(st.integers(0, 25), min_size=1), min_size=1, max_size=3),
    length=st.integers(1, 5),
    horizon=st.integers(1, 3),
    step=st.integers(1, 3),
    shuffle=st.integers(0, 5),
)
def test_same_as_one_by_one(days, length, horizon, step, shuffle):
    prices = market({f"item {i}": sorted(d) for i, d in enumerate(days)}, seed=shuffle)
    want = expected(prices, length, horizon, step)
    mixed = prices.sample(frac=1, random_state=shuffle)
    if not want:
        with pytest.raises(MarketDataError, match="no item"):
            price_windows(mixed, length, horizon, step=step)
        return
    got = price_windows(mixed, length, horizon, step=step)
    assert len(got) == len(want)
    assert list(got.dates) == [row[0] for row in want]
    assert list(got.names) == [row[1] for row in want]
    np.testing.assert_allclose(got.X, np.array([row[2] for row in want]), rtol=1e-6)
    np.testing.assert_array_equal(got.volumes, np.array([row[3] for row in want]))
    np.testing.assert_allclose(got.y, [row[4] for row in want], rtol=1e-5, atol=1e-6)


def test_windows_know_nothing_of_later_days():
    prices = market({"a": list(range(40)), "b": list(range(5, 40))})
    before = price_windows(prices, 10)
    changed = prices.copy()
    late = changed["date"] > before.dates[20]
    changed.loc[late, ["price", "volume"]] *= 7
    after = price_windows(changed, 10)
    known = before.dates <= before.dates[20]
    np.testing.assert_array_equal(before.X[known], after.X[known])
    np.testing.assert_array_equal(before.volumes[known], after.volumes[known])
    assert not np.allclose(before.X[~known], after.X[~known])


def test_least_volume_is_a_median_of_the_window():
    prices = market({"quiet": list(range(20)), "busy": list(range(20))})
    prices["volume"] = np.where(prices["name"] == "busy", 50, 3)
    prices.loc[prices["name"].eq("quiet") & (prices.groupby("name").cumcount() < 2), "volume"] = 10_000
    assert set(price_windows(prices, 5, min_volume=30).names) == {"busy"}


def test_take_keeps_rows_together():
    windows = price_windows(market({"a": list(range(30)), "b": list(range(30))}), 5)
    chosen = windows.take(windows.names == "b")
    assert set(chosen.names) == {"b"} and len(chosen) == len(windows) // 2
    np.testing.assert_array_equal(chosen.X, windows.X[windows.names == "b"])
    np.testing.assert_array_equal(chosen.y, windows.y[windows.names == "b"])


@pytest.mark.parametrize("bad", [{"length": 0}, {"horizon": 0}, {"step": -1}])
def test_lengths_below_one_day_are_refused(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))} must be at least 1 day"):
        price_windows(market({"a": list(range(10))}), **bad)
