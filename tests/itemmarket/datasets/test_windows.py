"""Windows are consecutive days of one item, in date order, and know nothing of the future."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from itemmarket.datasets.windows import price_windows
from itemmarket.errors import MarketDataError


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


def expected(prices: pd.DataFrame, length: int, horizon: int, step: int, min_length: int) -> list[tuple]:
    """Find the windows one by one, by their last day."""
    found = []
    for name, item in prices.groupby("name"):
        at = item.set_index("date").sort_index()
        stretch, is_new = 0, True
        for day in at.index:
            broken = day - pd.Timedelta(days=1) not in at.index
            is_new &= day == at.index[0] or not broken
            stretch = 1 if broken else stretch + 1
            known = min(stretch, length)
            ahead = [day + pd.Timedelta(days=k) for k in range(1, horizon + 1)]
            if (stretch - length) % step or known < (min_length if is_new else length):
                continue
            if all(d in at.index for d in ahead):
                days = [day - pd.Timedelta(days=k) for k in reversed(range(known))]
                padding = np.full(length - known, np.nan)
                log_price = np.log(at.loc[days, "price"].to_numpy())
                y = np.log(at.loc[ahead[-1], "price"]) - log_price[-1]
                volumes = at.loc[days, "volume"].to_numpy()
                found.append((day, name, np.r_[padding, log_price], np.r_[padding, volumes], y))
    return sorted(found, key=lambda row: row[:2])


@settings(max_examples=60, deadline=None)
@given(
    days=st.lists(st.sets(st.integers(0, 25), min_size=1), min_size=1, max_size=3),
    length=st.integers(1, 5),
    horizon=st.integers(1, 3),
    step=st.integers(1, 3),
    fewer=st.one_of(st.none(), st.integers(0, 4)),
    shuffle=st.integers(0, 5),
)
def test_same_as_one_by_one(days, length, horizon, step, fewer, shuffle):
    prices = market({f"item {i}": sorted(d) for i, d in enumerate(days)}, seed=shuffle)
    min_length = None if fewer is None else max(1, length - fewer)
    want = expected(prices, length, horizon, step, min_length or length)
    mixed = prices.sample(frac=1, random_state=shuffle)
    if not want:
        with pytest.raises(MarketDataError, match="no item"):
            price_windows(mixed, length, horizon, step=step, min_length=min_length)
        return
    got = price_windows(mixed, length, horizon, step=step, min_length=min_length)
    assert len(got) == len(want)
    assert list(got.dates) == [row[0] for row in want]
    assert list(got.names) == [row[1] for row in want]
    np.testing.assert_allclose(got.X, np.array([row[2] for row in want]), rtol=1e-6)
    np.testing.assert_array_equal(got.volumes, np.array([row[3] for row in want], dtype=np.float32))
    np.testing.assert_allclose(got.y, [row[4] for row in want], rtol=1e-5, atol=1e-6)
    assert list(got.lengths) == [np.isfinite(row[2]).sum() for row in want]
    assert got.X.dtype == got.volumes.dtype == got.y.dtype == np.float32


def test_new_items_are_padded_and_items_after_a_gap_are_not():
    prices = market({"new": list(range(10, 20)), "gap": [*range(3), *range(10, 20)]})
    windows = price_windows(prices, 6, min_length=2)
    young = windows.take(windows.lengths < 6)
    assert {"new"} == set(young.names[young.dates > pd.Timestamp("2024-01-05")])
    assert sorted(young.take(young.names == "new").lengths) == [2, 3, 4, 5]
    assert list(young.take(young.names == "gap").lengths) == [2]
    assert np.isnan(young.X[0, 0]) and np.isfinite(young.X[:, -2:]).all()


def test_young_windows_are_added_to_the_whole_ones():
    prices = market({"a": list(range(40)), "b": list(range(7, 40))})
    for step in (1, 4):
        whole, all_of_them = (price_windows(prices, 10, step=step, min_length=m) for m in (None, 3))
        kept = all_of_them.take(all_of_them.lengths == 10)
        np.testing.assert_array_equal(kept.X, whole.X)
        np.testing.assert_array_equal(kept.y, whole.y)
        assert len(all_of_them) > len(whole)


def test_sequences_hold_prices_and_volumes():
    windows = price_windows(market({"a": list(range(20))}), 5, min_length=2)
    assert windows.sequences.shape == (len(windows), 5, 2)
    np.testing.assert_array_equal(windows.sequences[..., 0], windows.X)
    np.testing.assert_array_equal(windows.sequences[..., 1], windows.volumes)


def test_windows_know_nothing_of_later_days():
    prices = market({"a": list(range(40)), "b": list(range(5, 40))})
    before = price_windows(prices, 10, min_length=3)
    changed = prices.copy()
    late = changed["date"] > before.dates[20]
    changed.loc[late, ["price", "volume"]] *= 7
    after = price_windows(changed, 10, min_length=3)
    known = before.dates <= before.dates[20]
    np.testing.assert_array_equal(before.X[known], after.X[known])
    np.testing.assert_array_equal(before.volumes[known], after.volumes[known])
    assert not np.allclose(before.X[~known], after.X[~known])


def test_least_volume_is_a_median_of_the_window():
    prices = market({"quiet": list(range(20)), "busy": list(range(20))})
    prices["volume"] = np.where(prices["name"] == "busy", 50, 3)
    prices.loc[prices["name"].eq("quiet") & (prices.groupby("name").cumcount() < 2), "volume"] = 10_000
    for min_length in (None, 3):
        windows = price_windows(prices, 5, min_volume=30, min_length=min_length)
        assert set(windows.names[windows.lengths == 5]) == {"busy"}
    assert (windows.names == "busy").sum() == 17


def test_take_keeps_rows_together():
    windows = price_windows(market({"a": list(range(30)), "b": list(range(30))}), 5)
    chosen = windows.take(windows.names == "b")
    assert set(chosen.names) == {"b"} and len(chosen) == len(windows) // 2
    np.testing.assert_array_equal(chosen.X, windows.X[windows.names == "b"])
    np.testing.assert_array_equal(chosen.y, windows.y[windows.names == "b"])


@pytest.mark.parametrize("bad", [{"length": 0}, {"horizon": 0}, {"step": -1}, {"min_length": 0}])
def test_lengths_below_one_day_are_refused(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))} must be at least 1 day"):
        price_windows(market({"a": list(range(10))}), **bad)


def test_windows_shorter_than_none_are_refused():
    with pytest.raises(ValueError, match="min_length must be at most the length of 5 days, not 6"):
        price_windows(market({"a": list(range(10))}), 5, min_length=6)
