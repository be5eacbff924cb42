"""Features: against plain definitions, batch against online to the bit, and what must not matter."""

import datetime as dt
import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import itemmarket as im
from itemmarket.errors import MarketDataError
from itemmarket.features import extractor, grid
from itemmarket.features.extractor import FeatureExtractor
from itemmarket.features.indicators import decayed_sum, window_sum
from itemmarket.features.table import FEATURES, LOOKBACK

NAMES = (
    "AK-47 | Redline (Field-Tested)",
    "StatTrak™ M4A1-S | Drift (Well-Worn)",
    "Souvenir AWP | Dragon Lore (Factory New)",
    "★ Karambit | Doppler (Factory New)",
    "Recoil Case",
    "no such item",
)
GAMES = ("cs2", "dota2", "tf2", "rust")
FIRST = np.datetime64("2020-02-20")
GAPS = st.one_of(
    st.just(1), st.just(1), st.integers(1, 9), st.integers(29, 36), st.integers(155, 165), st.just(2000)
)
lenient = settings(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))


@st.composite
def histories(draw, min_rows: int = 1, max_rows: int = 40) -> pd.DataFrame:
    """One item's rows: any gaps; flat, ordinary or wild prices; any volumes."""
    gaps = draw(st.lists(GAPS, min_size=min_rows, max_size=max_rows))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    level = draw(st.sampled_from([0.001, 0.03, 1.0, 100.0, 1e5]))
    noise = draw(st.sampled_from([0.0, 0.05, 3.0]))
    price = np.clip(level * np.exp(noise * rng.standard_normal(len(gaps))), 0.001, 1e5)
    busy = draw(st.sampled_from([0, 1, 100, 10**9]))
    return pd.DataFrame(
        {
            "date": FIRST + np.cumsum(gaps),
            "price": price.round(3),
            "volume": rng.integers(0, busy, len(gaps), endpoint=True),
        }
    )


@st.composite
def markets(draw, games: bool = True) -> pd.DataFrame:
    """Rows of one to four items, of one game or several, sorted."""
    keys = draw(
        st.lists(
            st.tuples(st.sampled_from(NAMES), st.sampled_from(GAMES if games else GAMES[:1])),
            min_size=1,
            max_size=4,
            unique=True,
        )
    )
    table = pd.concat([draw(histories()).assign(name=name, game=game) for name, game in keys])
    if not games:
        table = table.drop(columns="game")
    return table.sort_values([*(["game"] if games else []), "name", "date"], ignore_index=True)


@st.composite
def indices(draw) -> pd.Series | None:
    """No index, or one that may begin late, end early and have gaps."""
    if draw(st.booleans()):
        return None
    gaps = draw(st.lists(st.integers(1, 20), min_size=1, max_size=20))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = 100 * np.exp(np.cumsum(0.02 * rng.standard_normal(len(gaps))))
    return pd.Series(values, index=pd.DatetimeIndex(FIRST + np.cumsum(gaps)))


def one_by_one(extractor: FeatureExtractor, market: pd.DataFrame) -> np.ndarray:
    """Extract the features of every row of a market online."""
    key = ["name"] + (["game"] if "game" in market else [])
    items = {group: rows for group, rows in market.groupby(key)}
    vectors = []
    for row in market[[*key, "date"]].itertuples(index=False):
        vectors.append(extractor.extract(row.name, items[tuple(row[:-1])], row.date))
    return np.array(vectors)


# --- batch and online -------------------------------------------------------------------------------------


@settings(lenient, max_examples=100)
@given(market=markets(), index=indices())
def test_batch_and_online_agree_to_the_last_bit(market, index):
    extractor = FeatureExtractor(index)
    batch = extractor.transform(market)
    assert batch.to_numpy().tobytes() == one_by_one(extractor, market).tobytes()


@lenient
@given(market=markets(), cells=st.integers(1, 400))
def test_blocks_do_not_show(market, cells):
    whole = FeatureExtractor().transform(market)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grid, "CELLS", cells)
        cut = FeatureExtractor().transform(market)
    assert whole.to_numpy().tobytes() == cut.to_numpy().tobytes()


@lenient
@given(market=markets(), seed=st.integers(0, 1000))
def test_order_of_rows_does_not_matter(market, seed):
    order = np.random.default_rng(seed).permutation(len(market))
    shuffled = market.iloc[order]
    expected = FeatureExtractor().transform(market).to_numpy()[order]
    table = FeatureExtractor().transform(shuffled)
    assert table.to_numpy().tobytes() == expected.tobytes()
    assert list(table.index) == list(zip(shuffled["name"], shuffled["date"], strict=True))


@lenient
@given(market=markets(games=False), day=st.integers(0, 400))
def test_the_future_does_not_matter(market, day):
    past = market[market["date"] <= FIRST + day]
    if len(past):
        expected = FeatureExtractor().transform(market)[(market["date"] <= FIRST + day).to_numpy()]
        assert FeatureExtractor().transform(past).to_numpy().tobytes() == expected.to_numpy().tobytes()


@lenient
@given(history=histories(min_rows=3), later=st.integers(0, 200), seed=st.integers(0, 1000))
def test_only_the_window_matters(history, later, seed):
    """Rows after the day or older than the look-back may say anything, even what is not a price."""
    day = history["date"].iloc[len(history) // 2] + pd.Timedelta(days=later)
    age = (day - history["date"]).dt.days
    inside = (age >= 0) & (age < LOOKBACK)
    noise = np.random.default_rng(seed).choice([np.nan, -1.0, 5e4, np.inf], len(history))
    changed = history.assign(price=history["price"].where(inside, noise))
    extractor = FeatureExtractor()
    expected = extractor.extract(NAMES[0], history[inside], day)
    assert extractor.extract(NAMES[0], changed, day).tobytes() == expected.tobytes()


def test_the_oldest_day_of_the_window_matters():
    """The look-back is not larger than it need be: RSI and days_since_trade see its first day."""
    days = np.datetime64("2024-06-01") - np.arange(LOOKBACK)[::-1]
    price = 1 + np.arange(LOOKBACK) % 3 / 10
    rows = pd.DataFrame({"date": days, "price": price, "volume": 5})
    sparse = rows.iloc[[0, -128, -1]]
    without = rows.iloc[[-128, -1]]
    extractor = FeatureExtractor()
    assert (
        extractor.extract("x", sparse, days[-1]).tobytes()
        != extractor.extract("x", without, days[-1]).tobytes()
    )


# --- constant length, always finite -----------------------------------------------------------------------


@lenient
@given(market=markets(), index=indices(), later=st.integers(0, 400))
def test_always_32_finite_numbers(market, index, later):
    extractor = FeatureExtractor(index)
    table = extractor.transform(market)
    assert table.shape == (len(market), 32)
    assert (table.dtypes == np.float32).all()
    assert np.isfinite(table.to_numpy()).all()
    name, game = market["name"].iloc[0], market["game"].iloc[0]
    rows = market[(market["name"] == name) & (market["game"] == game)]
    vector = extractor.extract(name, rows, rows["date"].iloc[0] + pd.Timedelta(days=later))
    assert vector.shape == (32,) and vector.dtype == np.float32 and np.isfinite(vector).all()


@pytest.mark.parametrize("price", [1e-6, 0.001, 1e5, 1e9])
@pytest.mark.parametrize("volume", [0, 2**62])
def test_extremes_stay_finite(price, volume):
    rows = pd.DataFrame({"name": "x", "date": [FIRST, FIRST + 1], "price": [1.0, price], "volume": volume})
    assert np.isfinite(FeatureExtractor().transform(rows).to_numpy()).all()


def test_no_history_is_the_neutral_vector():
    extractor = FeatureExtractor()
    nothing = pd.DataFrame({"date": [], "price": [], "volume": []})
    old = pd.DataFrame({"date": [np.datetime64("2010-01-01")], "price": [5.0], "volume": [3]})
    vector = extractor.extract("AK-47 | Redline (Field-Tested)", nothing, "2024-03-04")
    assert (
        vector.tobytes() == extractor.extract("AK-47 | Redline (Field-Tested)", old, "2024-03-04").tobytes()
    )
    known = pd.Series(vector, index=extractor.names)
    neutral = extractor.describe()["neutral"]
    of_prices = neutral.index[[*range(13), *range(21, 25), *range(29, 32)]]
    assert (known[of_prices] == neutral[of_prices]).all()
    assert known["rsi_14"] == 50 and known["days_since_trade"] == LOOKBACK and known["weekday_cos"] == 1
    assert (known["wear"], known["game_cs2"]) == (3, 1) and known["rarity"] > 0


# --- against plain definitions ----------------------------------------------------------------------------


def by_definition(
    name: str, game: str, rows: pd.DataFrame, today, index: pd.Series | None
) -> dict[str, float]:
    """Compute the features of one item and day as their descriptions say, day by day."""
    today = pd.Timestamp(today)
    days = pd.date_range(today - pd.Timedelta(days=LOOKBACK - 1), today)
    rows = rows[rows["date"].isin(days)].set_index("date")
    price, volume = rows["price"].reindex(days), rows["volume"].reindex(days)
    log_price = np.log(price)
    last = log_price.dropna().iloc[-1]

    def before(n):
        return log_price.ffill(limit=32).iloc[-1 - n]

    def since(n):
        return 0.0 if math.isnan(before(n)) else last - before(n)

    change, move = {}, {}
    traded = price.dropna()
    for (day_0, price_0), (day_1, price_1) in zip(traded[:-1].items(), traded[1:].items(), strict=True):
        if (day_1 - day_0).days <= 32:
            change[day_1], move[day_1] = math.log(price_1 / price_0), price_1 - price_0
    last_30 = [value for day, value in change.items() if (today - day).days < 30]
    volatility = math.sqrt(sum(value**2 for value in last_30) / len(last_30)) if last_30 else 0.0
    steadiest = max(0.01 / math.exp(last), 0.001)

    past = log_price.iloc[-91:-1].dropna()
    z = (last - past.mean()) / max(past.std(ddof=0), steadiest) if len(past) >= 2 else 0.0

    up = down = 0.0
    for day, value in move.items():
        age = (today - day).days
        if age < 128:
            up += max(value, 0) * (13 / 14) ** age
            down += max(-value, 0) * (13 / 14) ** age

    def average(series, span):
        ages = np.arange(LOOKBACK)[::-1][: len(series)] - (LOOKBACK - len(series))
        known = series.notna().to_numpy() & (ages < 128)
        weights = (1 - 2 / (span + 1)) ** ages[known]
        return np.average(series.to_numpy()[known], weights=weights) if known.any() else 0.0

    line = average(log_price, 12) - average(log_price, 26)
    lines = pd.Series(np.nan, index=days[-32:])
    for position in range(LOOKBACK - 32, LOOKBACK):
        if not math.isnan(price.iloc[position]):
            until = log_price.iloc[: position + 1]
            lines[days[position]] = average(until, 12) - average(until, 26)
    histogram = 0.0 if lines.isna().all() else line - lines.ewm(span=9, adjust=True).mean().iloc[-1]

    def over_mean(n):
        mean = price.iloc[-n:].mean()
        return 0.0 if math.isnan(mean) else last - math.log(mean)

    sold = volume.iloc[:-1][volume.iloc[:-1] > 0]
    sold_30 = volume.iloc[-30:].dropna()
    week, year = 2 * math.pi * today.weekday() / 7, 2 * math.pi * (today.day_of_year - 1) / 365.25

    def index_change(n):
        if index is None:
            return 0.0
        until = [index[: today - pd.Timedelta(days=back)] for back in (0, n)]
        now, then = (values.iloc[-1] if len(values) else index.iloc[0] for values in until)
        return math.log(now / then)

    parsed = im.parse_name(name)
    cs2 = game == "cs2"
    wears = ["Factory New", "Minimal Wear", "Field-Tested", "Well-Worn", "Battle-Scarred"]
    tiers = dict(zip(im.load_catalogue()["name"], im.load_catalogue()["rarity"].cat.codes + 1, strict=True))
    return {
        "price": math.exp(last),
        "log_price": last,
        "price_z_90": min(max(z, -10), 10),
        "change_1": since(1),
        "change_7": since(7),
        "change_30": since(30),
        "ma_ratio_7": over_mean(7),
        "ma_ratio_30": over_mean(30),
        "volatility_30": volatility,
        "rsi_14": 100 * up / (up + down) if up + down else 50.0,
        "macd": line,
        "macd_histogram": histogram,
        "momentum_14": min(max(since(14) / (max(volatility, steadiest) * math.sqrt(14)), -10), 10),
        "rarity": tiers.get(parsed.base, 0) if cs2 else 0,
        "wear": wears.index(parsed.wear) + 1 if cs2 and parsed.wear else 0,
        "stattrak": parsed.stattrak and cs2,
        "souvenir": parsed.souvenir and cs2,
        **{f"game_{one}": game == one for one in GAMES},
        "volume_7": math.log1p(volume.iloc[-7:].sum()),
        "volume_mean_30": math.log1p(sold_30.mean()) if len(sold_30) else 0.0,
        "turnover_1": math.log1p(np.nan_to_num(price.iloc[-1] * volume.iloc[-1])),
        "days_since_trade": (today - sold.index[-1]).days if len(sold) else LOOKBACK,
        "weekday_sin": math.sin(week),
        "weekday_cos": math.cos(week),
        "year_sin": math.sin(year),
        "year_cos": math.cos(year),
        "index_change_1": index_change(1),
        "index_change_7": index_change(7),
        "relative_strength_30": since(30) - index_change(30) if index is not None and since(30) else None,
    }


@settings(lenient, max_examples=60)
@given(
    history=histories(),
    name=st.sampled_from(NAMES),
    game=st.sampled_from(GAMES),
    index=indices(),
    data=st.data(),
)
def test_each_feature_is_what_its_description_says(history, name, game, index, data):
    day = history["date"].iloc[data.draw(st.integers(0, len(history) - 1))]
    day += pd.Timedelta(days=data.draw(st.sampled_from([0, 0, 1, 5, 31, 120, 159])))
    vector = FeatureExtractor(index).extract(name, history.assign(game=game), day)
    for feature, expected in by_definition(name, game, history, day, index).items():
        if expected is not None:
            value = vector[[one.name for one in FEATURES].index(feature)]
            assert float(value) == pytest.approx(float(expected), rel=2e-6, abs=2e-6), feature


def steady_walk(n: int = 600, seed: int = 3) -> np.ndarray:
    """Daily prices without gaps."""
    return 5 * np.exp(np.cumsum(0.03 * np.random.default_rng(seed).standard_normal(n)))


def test_rsi_is_the_textbooks():
    """Wilder's recursion from the first day, seeded by a plain mean, on a long history."""
    price = steady_walk()
    up = down = 0.0
    expected = []
    for day, move in enumerate(np.diff(price), start=1):
        gain, loss = max(move, 0), max(-move, 0)
        if day <= 14:
            up, down = up + gain / 14, down + loss / 14
        else:
            up, down = (up * 13 + gain) / 14, (down * 13 + loss) / 14
        expected.append(100 - 100 / (1 + up / down))
    rows = pd.DataFrame({"name": "x", "date": FIRST + np.arange(len(price)), "price": price, "volume": 1})
    ours = FeatureExtractor().transform(rows)["rsi_14"].to_numpy()
    assert np.abs(ours[200:] - expected[199:]).max() < 0.02


def test_macd_is_the_textbooks():
    """Recursions of the log price from the first day, on a long history."""
    log_price = np.log(steady_walk())
    fast = slow = log_price[0]
    signal, lines, histograms = 0.0, [], []
    for value in log_price:
        fast, slow = fast + 2 / 13 * (value - fast), slow + 2 / 27 * (value - slow)
        signal += 0.2 * (fast - slow - signal)
        lines.append(fast - slow)
        histograms.append(fast - slow - signal)
    rows = pd.DataFrame(
        {"name": "x", "date": FIRST + np.arange(len(lines)), "price": np.exp(log_price), "volume": 1}
    )
    ours = FeatureExtractor().transform(rows)
    assert np.abs(ours["macd"].to_numpy() - lines)[300:].max() < 1e-4
    assert np.abs(ours["macd_histogram"].to_numpy() - histograms)[300:].max() < 1e-4


@given(days=st.integers(1, 130), n=st.integers(1, 300), seed=st.integers(0, 100))
def test_window_sums(days, n, seed):
    values = np.random.default_rng(seed).standard_normal((2, n))
    expected = [[row[max(0, end - days + 1) : end + 1].sum() for end in range(n)] for row in values]
    np.testing.assert_allclose(window_sum(values, days), expected, atol=1e-12)


@given(power=st.integers(0, 7), n=st.integers(1, 300), decay=st.floats(0.1, 1), seed=st.integers(0, 100))
def test_decayed_sums(power, n, decay, seed):
    values = np.random.default_rng(seed).standard_normal(n)
    weights = decay ** np.arange(2**power)
    np.testing.assert_allclose(
        decayed_sum(values, decay, 2**power), np.convolve(values, weights)[:n], atol=1e-12
    )


# --- what single features mean ----------------------------------------------------------------------------


def rows_of(prices: list[float], volumes: list[int] | int = 10, name: str = "x", end: str = "2024-05-31"):
    """Daily rows that end on a day."""
    days = np.datetime64(end) - np.arange(len(prices))[::-1]
    return pd.DataFrame({"name": name, "date": days, "price": prices, "volume": volumes})


def vector(rows: pd.DataFrame, as_of, name: str = "x", index: pd.Series | None = None) -> pd.Series:
    extractor = FeatureExtractor(index)
    return pd.Series(extractor.extract(name, rows, as_of), index=extractor.names)


def test_a_flat_history_is_calm():
    """No deviation, no noise of a standard deviation near 0: a one-cent move is one deviation of a cheap item."""
    flat = vector(rows_of([0.05] * 120), "2024-05-31")
    calm = ["price_z_90", "change_1", "change_30", "ma_ratio_7", "volatility_30", "macd", "momentum_14"]
    np.testing.assert_allclose(flat[calm], 0, atol=1e-9)
    assert flat["rsi_14"] == 50
    assert vector(rows_of([0.05] * 120 + [0.06]), "2024-05-31")["price_z_90"] < 1.2


def test_a_day_without_a_trade():
    """The price stands, nothing was sold, time has passed."""
    rows = rows_of([1.0, 2.0, 4.0])
    then, now = vector(rows, "2024-05-31"), vector(rows, "2024-06-03")
    assert now["price"] == 4 and now["change_1"] == 0 and now["turnover_1"] == 0
    assert then["change_1"] == np.float32(np.log(2)) and then["turnover_1"] == np.float32(np.log1p(40))
    assert (then["days_since_trade"], now["days_since_trade"]) == (1, 3)
    assert now["weekday_cos"] == 1 and then["weekday_cos"] != 1


@pytest.mark.parametrize(
    ("gap", "counted", "known"), [(32, True, True), (33, False, True), (34, False, False)]
)
def test_a_price_stands_for_32_days(gap, counted, known):
    """A change counts across at most 32 days; yesterday's price is one that was at most 32 days old then."""
    days = [np.datetime64("2024-05-31") - gap, np.datetime64("2024-05-31")]
    found = vector(pd.DataFrame({"date": days, "price": [1.0, 2.0], "volume": 1}), "2024-05-31")
    change = np.float32(np.log(2))
    assert (found["volatility_30"], found["rsi_14"]) == ((change, 100) if counted else (0, 50))
    assert found["change_1"] == (change if known else 0)


def test_a_signal_line_is_of_the_last_32_days():
    """Later MACD still stands between its averages, but there is nothing to compare it with."""
    rows = rows_of([1.0] * 20 + [2.0] * 5)
    recent, late = vector(rows, "2024-06-30"), vector(rows, "2024-07-20")
    assert recent["macd"] > 0.01 and recent["macd_histogram"] != 0
    assert late["macd"] > 0.01 and late["macd_histogram"] == 0


def test_a_history_may_be_in_any_order():
    rows = rows_of(list(steady_walk(50)))
    assert vector(rows[::-1], "2024-05-31").equals(vector(rows, "2024-05-31"))


def test_strength_is_relative_to_a_known_change():
    """An item without a price 30 days ago is neither stronger nor weaker than the market."""
    days = pd.date_range("2024-04-01", "2024-05-31")
    index = pd.Series(np.exp(0.01 * np.arange(len(days))), index=days)
    assert vector(rows_of([1.0] * 30), "2024-05-31", index=index)["relative_strength_30"] == 0
    assert vector(rows_of([1.0] * 31), "2024-05-31", index=index)["relative_strength_30"] < -0.2


def test_a_row_without_a_sale_is_no_trade():
    rows = rows_of([1.0, 1.0, 1.0, 1.0], [7, 0, 0, 5])
    assert vector(rows, "2024-05-31")["days_since_trade"] == 3
    assert vector(rows, "2024-05-31")["volume_mean_30"] == np.float32(np.log1p(3))


@pytest.mark.parametrize(
    ("name", "wear", "stattrak", "souvenir"),
    [
        ("M4A1-S | Drift (Well-Worn)", 4, 0, 0),
        ("StatTrak™ AK-47 | Redline (Field-Tested)", 3, 1, 0),
        ("★ StatTrak™ Karambit | Doppler (Factory New)", 1, 1, 0),
        ("Souvenir AWP | Dragon Lore (Battle-Scarred)", 5, 0, 1),
        ("StatTrak™ Swap Tool", 0, 0, 0),
        ("Sticker | Souvenir (Foil)", 0, 0, 0),
    ],
)
def test_the_name_is_parsed_not_searched(name, wear, stattrak, souvenir):
    found = vector(rows_of([1.0], name=name), "2024-05-31", name)
    assert (found["wear"], found["stattrak"], found["souvenir"]) == (wear, stattrak, souvenir)


def test_other_games_have_another_grammar():
    rows = rows_of([1.0], name="StatTrak™ AK-47 | Redline (Field-Tested)").assign(game="rust")
    found = FeatureExtractor().transform(rows).iloc[0]
    assert (
        found[["rarity", "wear", "stattrak", "souvenir", "game_cs2"]].eq(0).all() and found["game_rust"] == 1
    )


def test_rarity_ranks_the_catalogue():
    tiers = {"AWP | Dragon Lore (Factory New)": 6, "P250 | Boreal Forest (Well-Worn)": 1, "no such item": 0}
    for name, rank in tiers.items():
        assert vector(rows_of([1.0], name=name), "2024-05-31", name)["rarity"] == rank


def test_rows_of_other_items_are_left_out():
    rows = pd.concat([rows_of([1.0, 2.0], name="x"), rows_of([9.0, 9.0, 9.0], name="y")])
    assert vector(rows, "2024-05-31").equals(vector(rows_of([1.0, 2.0]), "2024-05-31"))


def test_the_index_is_the_only_source_of_the_market():
    days = pd.date_range("2024-04-01", "2024-05-31")
    index = pd.Series(np.exp(0.01 * np.arange(len(days))), index=days)
    with_it, without = (vector(rows_of([1.0] * 40), "2024-05-31", index=one) for one in (index, None))
    assert with_it["index_change_1"] == pytest.approx(0.01) and with_it["index_change_7"] == pytest.approx(
        0.07
    )
    assert with_it["relative_strength_30"] == pytest.approx(-0.3)
    assert without[["index_change_1", "index_change_7", "relative_strength_30"]].eq(0).all()
    # The index's own future is not seen either.
    changed = index.where(index.index <= "2024-05-10", 7.0)
    past = rows_of([1.0] * 40, end="2024-05-10")
    assert vector(past, "2024-05-10", index=index).equals(vector(past, "2024-05-10", index=changed))


# --- the list, and subsets of it --------------------------------------------------------------------------


def test_the_list_is_described():
    table = FeatureExtractor().describe()
    assert tuple(table.index) == FeatureExtractor().names == tuple(feature.name for feature in FEATURES)
    assert len(table) == len(set(table.index)) == 32
    assert table[["meaning", "unit"]].map(lambda text: bool(text.strip())).all(axis=None)


def test_basic_is_ten_of_them(monkeypatch):
    def no_catalogue(names):
        raise AssertionError("the ten need no catalogue")

    rows = rows_of(list(steady_walk(200)), name=NAMES[0])
    everything = FeatureExtractor().transform(rows)
    monkeypatch.setattr(extractor, "rarity_of", no_catalogue)
    basic = FeatureExtractor.basic()
    assert len(basic.names) == 10 and list(basic.names) == [n for n in everything if n in basic.names]
    pd.testing.assert_frame_equal(basic.transform(rows), everything[list(basic.names)])
    assert basic.extract(NAMES[0], rows, "2024-05-31").shape == (10,)


def test_no_feature_is_a_twin_of_others():
    """No column is a linear function of the rest, the four games apart, of which one always is."""
    rng = np.random.default_rng(0)
    parts = []
    for number, name in enumerate(NAMES * 4):
        days = FIRST + np.cumsum(rng.choice([1, 1, 1, 2, 40], 200)) + 30 * number
        price = 10 ** rng.uniform(-1, 2) * np.exp(np.cumsum(0.05 * rng.standard_normal(200)))
        parts.append(
            pd.DataFrame({"name": name, "date": days, "price": price, "volume": rng.geometric(0.02, 200)})
        )
        parts[-1]["game"] = GAMES[number // len(NAMES)]
    market = pd.concat(parts)
    days = pd.date_range(FIRST, periods=6000)
    index = pd.Series(np.exp(np.cumsum(0.01 * rng.standard_normal(len(days)))), index=days)
    table = FeatureExtractor(index).transform(market).drop(columns="game_rust").astype(float)
    table = (table - table.mean()) / table.std()
    assert np.linalg.svd(table, compute_uv=False).min() > 0.02 * np.sqrt(len(table))


# --- bad input --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("price", np.nan, "row 1"),
        ("price", np.inf, "row 1"),
        ("price", 0.0, "row 1"),
        ("price", -3.0, "row 1"),
        ("price", 1e12, "row 1"),
        ("volume", -1, "row 1"),
        ("date", pd.Timestamp("2024-05-30 12:00"), "row 1"),
        ("date", pd.NaT, "row 1"),
        ("date", pd.Timestamp("2024-05-31"), "twice"),
        ("name", None, "row 1"),
    ],
)
def test_a_bad_row_is_named(column, value, says):
    rows = rows_of([1.0, 2.0, 3.0]).astype({"price": float, "name": object})
    rows[column] = rows[column].astype(object).where(np.arange(3) != 1, value).astype(rows[column].dtype)
    with pytest.raises(MarketDataError, match=says):
        FeatureExtractor().transform(rows)
    if column in ("price", "volume") or says == "twice":
        with pytest.raises(MarketDataError, match=says):
            FeatureExtractor().extract("x", rows, "2024-05-31")


@pytest.mark.parametrize("column", ["name", "date", "price", "volume"])
def test_a_missing_column_is_named(column):
    with pytest.raises(MarketDataError, match=column):
        FeatureExtractor().transform(rows_of([1.0]).drop(columns=column))


def test_other_bad_tables():
    rows = rows_of([1.0, 2.0])
    with pytest.raises(MarketDataError, match="no rows"):
        FeatureExtractor().transform(rows[:0])
    with pytest.raises(MarketDataError, match="price"):
        FeatureExtractor().transform(rows.astype({"price": str}))
    with pytest.raises(MarketDataError, match="time zone"):
        FeatureExtractor().transform(rows.assign(date=rows["date"].dt.tz_localize("UTC")))
    with pytest.raises(MarketDataError, match="game"):
        FeatureExtractor().transform(rows.assign(game="chess"))
    with pytest.raises(MarketDataError, match="several games"):
        FeatureExtractor().extract("x", rows.assign(game=["cs2", "rust"]), "2024-05-31")


@pytest.mark.parametrize("as_of", ["soon", None, pd.NaT, pd.Timestamp("2024-05-31", tz="UTC"), object()])
def test_as_of_must_be_a_day(as_of):
    with pytest.raises(MarketDataError, match="as_of"):
        FeatureExtractor().extract("x", rows_of([1.0]), as_of)


def test_as_of_may_be_any_kind_of_day():
    kinds = [
        "2024-05-31",
        dt.date(2024, 5, 31),
        dt.datetime(2024, 5, 31, 23, 59),
        pd.Timestamp("2024-05-31"),
        np.datetime64("2024-05-31", "ns"),
    ]
    vectors = {FeatureExtractor().extract("x", rows_of([1.0, 2.0]), kind).tobytes() for kind in kinds}
    assert len(vectors) == 1


@pytest.mark.parametrize(
    "index",
    [
        [1.0, 2.0],
        pd.Series(dtype=float),
        pd.Series([1.0, 2.0]),
        pd.Series([1.0, 2.0], index=pd.to_datetime(["2024-01-02", "2024-01-01"])),
        pd.Series([1.0, 2.0], index=pd.to_datetime(["2024-01-01", "2024-01-01"])),
        pd.Series([1.0, np.nan], index=pd.to_datetime(["2024-01-01", "2024-01-02"])),
        pd.Series([1.0, 0.0], index=pd.to_datetime(["2024-01-01", "2024-01-02"])),
    ],
)
def test_a_bad_index_is_refused(index):
    with pytest.raises(MarketDataError, match="market index"):
        FeatureExtractor(index)


@pytest.mark.parametrize("names", [[], ["log_price", "logprice"]])
def test_unknown_names_are_refused(names):
    with pytest.raises(ValueError, match="features"):
        FeatureExtractor(names=names)


# --- the real market --------------------------------------------------------------------------------------


@pytest.mark.machine
def test_the_real_market(real_market):
    """Everything finite; a sample online as in batch; the ten say different things."""
    prices = pd.read_parquet(real_market / "steam_daily.parquet")
    prices = prices[prices["name"].isin(prices["name"].cat.categories[::12])].reset_index(drop=True)
    extractor = FeatureExtractor(im.market_index(prices))
    table = extractor.transform(prices)
    assert np.isfinite(table.to_numpy()).all()
    assert table["rarity"].gt(0).mean() > 0.9
    sample = np.random.default_rng(0).choice(len(prices), 200, replace=False)
    items = dict(list(prices.groupby("name", observed=True)))
    for row in sample:
        name, date = prices["name"].iloc[row], prices["date"].iloc[row]
        assert extractor.extract(name, items[name], date).tobytes() == table.iloc[row].to_numpy().tobytes()
    correlation = table[list(FeatureExtractor.basic().names)].corr().to_numpy()
    assert np.abs(correlation - np.eye(10)).max() < 0.95


# --- the benchmark ----------------------------------------------------------------------------------------


def test_the_benchmark_reports_and_keeps_its_result(monkeypatch, tmp_path, capsys):
    from benchmarks import _common
    from benchmarks import features as bench

    market = pd.concat([rows_of(list(steady_walk(150, seed)), name=NAMES[seed]) for seed in range(4)])
    monkeypatch.setattr(_common, "BUILD", tmp_path)
    monkeypatch.setattr(bench, "_market", lambda rows: (market.reset_index(drop=True), "a walk"))
    assert bench.main(["--sample", "50", "--repeats", "1", "--without-talib"]) == 0
    kept = json.loads((tmp_path / "bench" / "features.json").read_text(encoding="utf-8"))
    assert kept["result"]["rows"] == 600 and kept["result"]["sample_equal_bit_for_bit"] == 50
    assert kept["machine"]["cores"] and kept["libraries"]["numpy"] == np.__version__
    assert "bit for bit: 50 of 50" in capsys.readouterr().out
