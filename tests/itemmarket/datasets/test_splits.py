"""No row of a training part may touch what its hold-out reads."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score

from itemmarket.datasets.splits import (
    TemporalFolds,
    spaced_rows,
    split_by_item,
    temporal_split,
    unseen_future_split,
)

EPOCH = pd.Timestamp("2020-01-01")
offsets = st.lists(st.integers(0, 200), min_size=2, max_size=300)


def days(numbers) -> pd.DatetimeIndex:
    return EPOCH + pd.to_timedelta(np.asarray(numbers), unit="D")


@settings(deadline=None, max_examples=150)
@given(offsets, st.integers(1, 400), st.integers(1, 20), st.integers(0, 40))
def test_no_day_is_read_on_both_sides(numbers, start, horizon, lookback):
    dates = days(numbers)
    test_start = EPOCH + pd.Timedelta(days=start % 200 + 1)
    assume((dates >= test_start).any())
    assume((dates < test_start - pd.Timedelta(days=horizon + lookback)).any())
    split = temporal_split(dates, test_start=test_start, horizon=horizon, lookback=lookback)
    last_read_in_training = dates[split.train].max() + pd.Timedelta(days=horizon)
    first_read_in_test = dates[split.test].min() - pd.Timedelta(days=lookback)
    assert last_read_in_training < first_read_in_test
    every = np.sort(np.concatenate([split.train, split.test, split.left_out]))
    assert np.array_equal(every, np.arange(len(dates)))
    assert np.array_equal(split.test, np.flatnonzero(dates >= test_start))


def test_the_embargo_is_not_longer_than_it_must_be():
    dates = days(range(100))
    split = temporal_split(dates, test_start=dates[60], horizon=3, lookback=10)
    # The row of day 46 targets day 49; the hold-out's first row reads day 50 … 60.
    assert split.train.tolist() == list(range(47))
    assert split.left_out.tolist() == list(range(47, 60))
    assert split.embargo_days == 13
    assert split.train_mask.sum() == 47
    assert split.test_mask[60:].all()
    assert not split.test_mask[:60].any()
    train, test = split
    assert train is split.train
    assert test is split.test


@settings(deadline=None, max_examples=100)
@given(offsets, st.floats(0.05, 0.6))
def test_the_fraction_is_of_rows_and_no_day_is_cut(numbers, fraction):
    dates = days(numbers)
    try:
        split = temporal_split(dates, test_fraction=fraction)
    except ValueError as error:
        assert "nothing is left to train on" in str(error)
        return
    assert split.test.size >= fraction * len(dates)
    later = dates[split.test] > split.test_start
    assert later.sum() < fraction * len(dates), "a later start would have been enough"


def test_an_explicit_embargo_holds_and_may_not_leak():
    dates = days(range(50))
    assert temporal_split(dates, test_start=dates[30], horizon=2, embargo_days=5).train.max() == 24
    with pytest.raises(ValueError, match="training targets would be prices of the hold-out"):
        temporal_split(dates, test_start=dates[30], horizon=7, embargo_days=6)


@pytest.mark.parametrize(
    ("dates", "arguments", "message"),
    [
        ([], {"test_fraction": 0.2}, "dates is empty"),
        (days([0, 1]).insert(1, pd.NaT), {"test_fraction": 0.2}, "1 missing values"),
        (days(range(9)).tz_localize("UTC"), {"test_fraction": 0.2}, "time zone"),
        (days(range(9)), {}, "exactly one of"),
        (days(range(9)), {"test_fraction": 0.2, "test_start": "2020-01-05"}, "exactly one of"),
        (days(range(9)), {"test_fraction": 1.0}, "between 0 and 1"),
        (days(range(9)), {"test_start": "2021-01-01"}, "the hold-out is empty"),
        (days(range(9)), {"test_start": "2020-01-01"}, "nothing is left to train on"),
        (days(range(9)), {"test_fraction": 0.2, "horizon": 0}, "horizon is at least 1"),
        (days(range(9)), {"test_fraction": 0.2, "lookback": -1}, "lookback is at least 0"),
    ],
)
def test_what_cannot_be_split_is_named(dates, arguments, message):
    with pytest.raises(ValueError, match=message):
        temporal_split(dates, **arguments)


def test_dates_of_every_shape_give_the_same_split():
    index = days(range(30))
    expected = temporal_split(index, test_start="2020-01-20").train
    for dates in (
        pd.Series(index, index=range(5, 35)),
        index.to_numpy(),
        list(index),
        index.strftime("%Y-%m-%d"),
    ):
        assert np.array_equal(temporal_split(dates, test_start="2020-01-20").train, expected)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.sampled_from("abcdefghij"), min_size=2, max_size=80),
    st.floats(0.01, 0.99),
    st.integers(0, 50),
    st.randoms(use_true_random=False),
)
def test_an_item_is_on_one_side_whatever_the_order_of_rows(names, fraction, seed, random):
    assume(len(set(names)) >= 2)
    train, test = split_by_item(names, fraction, seed)
    held = {names[i] for i in test}
    assert held.isdisjoint(names[i] for i in train)
    assert len(train) + len(test) == len(names)
    n = len(set(names))
    assert len(held) == min(max(round(fraction * n), 1), n - 1)
    shuffled = random.sample(names, len(names))
    assert {shuffled[i] for i in split_by_item(shuffled, fraction, seed).test} == held


def test_item_splits_depend_on_the_seed_and_refuse_what_cannot_be_split():
    names = [f"item {i}" for i in range(50)]
    assert not np.array_equal(split_by_item(names, seed=0).test, split_by_item(names, seed=1).test)
    with pytest.raises(ValueError, match="at least two items"):
        split_by_item(["a", "a"])
    with pytest.raises(ValueError, match="1 missing"):
        split_by_item(["a", None, "b"])
    with pytest.raises(ValueError, match="between 0 and 1"):
        split_by_item(names, 0)


def test_the_future_of_unseen_items():
    dates, names = np.repeat(days(range(40)), 10), np.tile(list("abcdefghij"), 40)
    split = unseen_future_split(dates, names, test_start="2020-01-31", horizon=2, item_fraction=0.3, seed=4)
    assert len(set(names[split.test])) == 3
    assert set(names[split.test]).isdisjoint(names[split.train])
    assert dates[split.train].max() + pd.Timedelta(days=2) < dates[split.test].min()
    assert (split.train.size, split.test.size, split.n_rows) == (7 * 28, 3 * 10, 400)
    with pytest.raises(ValueError, match="rows and names"):
        unseen_future_split(dates, names[:-1], test_start="2020-01-31")
    with pytest.raises(ValueError, match="held-out items have a future"):
        unseen_future_split(
            days([0, 1, 2, 20]), ["a", "a", "b", "a"], test_start="2020-01-15", seed=_holds_out("b")
        )


def _holds_out(name: str) -> int:
    """A seed for which split_by_item holds ``name`` out of a and b."""
    return next(
        s for s in range(50) if split_by_item(["a", "b"], seed=s).test.tolist() == [["a", "b"].index(name)]
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 300), min_size=60, max_size=300), st.integers(1, 6), st.integers(1, 5))
def test_folds_are_disjoint_expanding_and_embargoed(numbers, n_splits, horizon):
    dates = days(numbers)
    try:
        folds = list(TemporalFolds(n_splits, horizon=horizon).split(numbers, groups=dates))
    except ValueError as error:
        assert "too few" in str(error) or "nothing is left" in str(error)
        return
    assert len(folds) == n_splits
    for train, test in folds:
        assert dates[train].max() + pd.Timedelta(days=horizon) < dates[test].min()
    tested = np.concatenate([test for _, test in folds])
    assert len(np.unique(tested)) == len(tested)
    assert set(tested) == set(np.flatnonzero(dates >= dates[folds[0][1]].min()))
    for (small, _), (large, _) in itertools.pairwise(folds):
        assert set(small) <= set(large)


def test_folds_serve_scikit_learn():
    generator = np.random.default_rng(0)
    dates = np.repeat(days(range(60)), 4)
    X = pd.DataFrame(generator.normal(size=(240, 3)))
    y = X[0] + generator.normal(size=240) * 0.1
    by_groups = cross_val_score(Ridge(), X, y, cv=TemporalFolds(4, horizon=2), groups=dates)
    assert by_groups.shape == (4,)
    assert (by_groups > 0.9).all()
    named = X.set_index(pd.MultiIndex.from_arrays([np.tile(list("abcd"), 60), dates], names=["name", "date"]))
    assert np.array_equal(
        cross_val_score(Ridge(), named, y.to_numpy(), cv=TemporalFolds(4, horizon=2)), by_groups
    )
    assert np.array_equal(
        cross_val_score(Ridge(), X.set_index(dates), y.to_numpy(), cv=TemporalFolds(4, horizon=2)), by_groups
    )


def test_folds_say_what_they_lack():
    X = np.zeros((10, 1))
    with pytest.raises(ValueError, match="pass the observation days"):
        next(TemporalFolds().split(X))
    with pytest.raises(ValueError, match="10 rows and groups 3 days"):
        next(TemporalFolds().split(X, groups=days(range(3))))
    with pytest.raises(ValueError, match="too few for 5 folds"):
        next(TemporalFolds().split(X, groups=days([0] * 5 + [1] * 5)))
    with pytest.raises(ValueError, match="n_splits"):
        TemporalFolds(0)


@settings(max_examples=50, deadline=None)
@given(days=st.lists(st.integers(0, 60), min_size=1, max_size=40), gap=st.integers(0, 20))
def test_spaced_rows_of_an_item_lie_apart(days, gap):
    dates = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.sort(days), unit="D")
    names = np.array(["a", "b"], dtype=object)[np.arange(len(days)) % 2]
    kept = spaced_rows(names, dates, gap)
    for name in np.unique(names):
        mine, chosen = dates[names == name], dates[kept][names[kept] == name]
        assert chosen[0] == mine[0]
        assert (np.diff(chosen.to_numpy()) > np.timedelta64(gap, "D")).all()
        # No row was left out without need: each lies within the gap of one that was kept before it.
        for day in mine:
            assert any(0 <= (day - other).days <= gap for other in chosen)
