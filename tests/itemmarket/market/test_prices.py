"""The market table's schema: what passes comes out canonical, what does not is named."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import itemmarket
from itemmarket.errors import MarketDataError
from itemmarket.market.prices import GAMES, SCHEMA, load_prices, validate_prices


def table(rows: int = 6) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "name": [f"item {i // 3}" for i in range(rows)],
            "date": pd.date_range("2024-01-01", periods=3).tolist() * (rows // 3),
            "price": np.linspace(1, 2, rows),
            "volume": range(rows),
        }
    )


keys = st.tuples(st.sampled_from(["a", "b | c", "★ d™"]), st.integers(0, 400), st.sampled_from(GAMES))


@settings(deadline=None, max_examples=40)
@given(st.lists(keys, min_size=1, max_size=40, unique=True), st.booleans(), st.integers(0, 9))
def test_a_valid_table_comes_out_canonical(rows, with_game, seed):
    if not with_game:
        rows = list({(name, day): (name, day, "cs2") for name, day, _ in rows}.values())
    frame = pd.DataFrame(rows, columns=["name", "date", "game"]).assign(
        price=np.float32(0.03), volume=np.int8(1)
    )
    frame["date"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(frame["date"], unit="D")
    frame["name"] = frame["name"].astype("category")
    if not with_game:
        del frame["game"]
    before = frame.copy()
    out = validate_prices(frame)
    pd.testing.assert_frame_equal(frame, before)
    expected = sorted(rows, key=lambda row: (row[2], row[0], row[1]))
    assert out["name"].tolist() == [name for name, _, _ in expected]
    assert out["date"].tolist() == [pd.Timestamp("2020-01-01") + pd.Timedelta(days=d) for _, d, _ in expected]
    assert out.index.equals(pd.RangeIndex(len(out)))
    assert [str(t) for t in out.dtypes] == [
        "str",
        "datetime64[us]",
        "float64",
        "int64",
        *(["str"] * with_game),
    ]
    SCHEMA.validate(out)
    pd.testing.assert_frame_equal(validate_prices(out), out)
    shuffled = frame.sample(frac=1, random_state=seed).iloc[:, ::-1]
    pd.testing.assert_frame_equal(validate_prices(shuffled), out)


def test_other_columns_go_and_whole_floats_are_volumes():
    out = validate_prices(table().assign(volume=lambda f: f["volume"].astype(float), note="x"))
    assert list(out) == ["name", "date", "price", "volume"]
    assert out["volume"].tolist() == list(range(6))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (
            "price",
            0.0,
            r"column 'price': 1 of 6 rows, value is not a finite number above 0; first: row 4 \(item 1\): 0.0",
        ),
        ("price", -1.5, r"first: row 4 \(item 1\): -1.5"),
        ("price", np.inf, r"'price': 1 of 6 rows, value is not a finite number above 0; .*: inf"),
        ("price", np.nan, r"'price': 1 of 6 rows, value is missing"),
        ("volume", -1, r"'volume': 1 of 6 rows, value is below 0; first: row 4 \(item 1\): -1"),
        ("volume", 0.5, r"'volume': 1 of 6 rows, value is not a whole number; .* 0.5"),
        ("volume", np.inf, r"'volume': 1 of 6 rows, value is not a whole number"),
        ("name", " ", r"'name': 1 of 6 rows, value is empty"),
        ("name", None, r"'name': 1 of 6 rows, value is missing"),
        ("name", 7, r"'name': 1 of 6 rows, value is not text; first: row 4 \(7\): 7"),
        ("date", pd.NaT, r"'date': 1 of 6 rows, value is missing"),
        ("date", pd.Timestamp("2024-01-02 01:00"), r"'date': 1 of 6 rows, value is not a whole day"),
        (
            "date",
            pd.Timestamp("2024-01-01"),
            r"'date': 1 of 6 rows, value is there twice for its game and name; first: row 4",
        ),
        ("game", "csgo", r"'game': 1 of 6 rows, value is not one of cs2, dota2, tf2, rust"),
    ],
)
def test_a_bad_value_is_named_with_its_row(column, value, message):
    frame = table().assign(game="cs2")
    frame[column] = frame[column].astype(object if column in ("name", "game") else frame[column].dtype)
    if column == "volume":
        frame[column] = frame[column].astype(float)
    frame.loc[4, column] = value
    with pytest.raises(MarketDataError, match=message):
        validate_prices(frame)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns=["price", "date"]), "no column 'date', 'price'; it has name, volume"),
        (lambda f: f.iloc[:0], "no rows"),
        (
            lambda f: f.assign(date=f["date"].dt.tz_localize("UTC")),
            "'date': 6 of 6 rows, value has a time zone",
        ),
        (lambda f: f.assign(date=f["date"].dt.strftime("%Y-%m-%d")), "'date': .* is str, not a datetime"),
        (lambda f: f.assign(price="1.0"), "'price': .* is str, not a number"),
        (lambda f: f.assign(volume=True), "'volume': .* is bool, not a number"),
    ],
)
def test_a_wrong_shape_or_type_is_named(change, message):
    with pytest.raises(MarketDataError, match=message):
        validate_prices(change(table()))


def test_the_same_item_and_day_may_be_in_two_games():
    frame = pd.concat([table().assign(game="tf2"), table().assign(game="cs2")])
    assert validate_prices(frame)["game"].tolist() == ["cs2"] * 6 + ["tf2"] * 6


def test_a_file_is_loaded_with_its_needed_columns_only(tmp_path):
    table().assign(note="x" * 100).to_parquet(tmp_path / "market.parquet")
    pd.testing.assert_frame_equal(load_prices(tmp_path / "market.parquet"), validate_prices(table()))


def test_the_bundled_market_is_the_default(tmp_path, monkeypatch):
    monkeypatch.setenv("ITEMMARKET_DATA", str(tmp_path))
    with pytest.raises(
        MarketDataError, match=r"no market at .*market.parquet: make it with `python course.py data build`"
    ):
        load_prices()
    table().to_parquet(tmp_path / "market.parquet")
    assert len(itemmarket.load_prices()) == 6


def test_a_bad_file_is_named(tmp_path):
    file = tmp_path / "m.parquet"
    table().to_parquet(file)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(MarketDataError, match=r"m.parquet cannot be read as parquet .*data import"):
        load_prices(file)
    table().drop(columns="volume").to_parquet(file)
    with pytest.raises(MarketDataError, match=r"m.parquet: market table: no column 'volume'"):
        load_prices(file)


def test_half_a_million_rows_take_under_a_second():
    n_items, n_days = 500, 1000
    frame = pd.DataFrame(
        {
            "name": np.repeat([f"item {i:04}" for i in range(n_items)], n_days),
            "date": np.tile(pd.date_range("2020-01-01", periods=n_days), n_items),
            "price": 1.0,
            "volume": 1,
        }
    ).sample(frac=1, random_state=0)
    began = time.process_time()
    validate_prices(frame)
    assert time.process_time() - began < 1


@pytest.mark.machine
def test_the_real_market_passes(real_market):
    frame = load_prices(real_market / "steam_daily.parquet")
    assert (len(frame), frame["name"].nunique()) == (1_080_979, 468)
