"""Titles of listings: what they may and may not say, and splits that keep their word."""

import re
import time
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import itemmarket as im
from itemmarket.market.catalogue import CLASSES
from itemmarket.titles import listings as made
from itemmarket.titles import spelling

seeds = st.integers(0, 2**32 - 1)
spellings = st.sampled_from(spelling.SPELLINGS)


def letters(title: str) -> str:
    return re.sub(r"[\W_]+", "", title.casefold())


@pytest.fixture(scope="module")
def market() -> pd.DataFrame:
    return im.rarity_titles(25_000, seed=0)


def test_a_market_is_made_in_seconds(market):
    started = time.process_time()
    im.rarity_titles(25_000, seed=1)
    assert time.process_time() - started < 8


@settings(max_examples=15, deadline=None)
@given(seeds, spellings, st.integers(1, 60), st.integers(0, 60))
def test_the_same_table_every_time_and_its_beginning_in_a_longer_one(seed, spelling, n, more):
    table = im.rarity_titles(n, seed, spelling=spelling)
    longer = im.rarity_titles(n + more, seed, spelling=spelling)
    pd.testing.assert_frame_equal(table, longer.head(n))
    assert list(table.columns) == ["title", "name", "kind", "rarity"]
    assert table["title"].str.strip().eq(table["title"]).all() and table["title"].ne("").all()


def test_titles_are_pinned():
    assert im.rarity_titles(6, seed=7)["title"].tolist() == PINNED


def test_facts_are_the_catalogues(market):
    catalogue = im.load_catalogue().set_index("name")
    facts = catalogue.loc[market["name"]]
    assert (facts["rarity_class"].to_numpy() == market["rarity"].to_numpy()).all()
    assert (facts["kind"].to_numpy() == market["kind"].to_numpy()).all()
    assert facts["marketable"].all()
    assert tuple(market["rarity"].cat.categories) == CLASSES and market["rarity"].cat.ordered


def test_classes_and_kinds_come_in_their_shares(market):
    assert market["rarity"].value_counts(normalize=True).between(0.2, 0.33).all()
    share = market["kind"].value_counts(normalize=True)
    assert sum(made.KIND_SHARES.values()) == pytest.approx(1)
    assert all(share[kind] == pytest.approx(wanted, abs=0.012) for kind, wanted in made.KIND_SHARES.items())


def test_a_title_says_no_rarity_and_means_one(market):
    """Words of rarity occur in no title unless they are part of the item's name, and no title has two rarities."""
    words = [*CLASSES, *im.RARITIES, "covert", "mil-spec", "contraband"]
    said = re.compile("|".join(rf"\b{re.escape(word)}\b" for word in words), re.IGNORECASE)
    for title, name in market.loc[market["title"].str.contains(said), ["title", "name"]].to_numpy():
        assert said.search(name), title
    per_title = market.groupby(market["title"].str.casefold())["rarity"].nunique()
    assert per_title.max() == 1


def test_plain_titles_are_market_names():
    plain = im.rarity_titles(3000, seed=3, spelling="plain")
    assert plain["title"].isin(im.market_names()["name"]).all()
    assert (im.parse_names(plain["title"]).loc[plain["title"], "base"].to_numpy() == plain["name"]).all()
    assert plain["title"].str.contains("StatTrak™").mean() > 0.1
    assert plain["title"].str.contains("Souvenir").mean() > 0.03


def test_a_market_writes_in_every_way(market):
    title = market["title"]
    for pattern in (
        r"\(Field-Tested\)$",
        r"(?i) \(?\[?ft\]?\)?$",
        r"^ST ",
        r"^Stat Trak ",
        r"(?i)\bak47\b",
        r"(?i)\bm4a1s\b",
        r"^★",
        r"^[a-z0-9]+(?:-[a-z0-9]+){2,}$",  # slug
        r"[а-я]",
        r"^[^a-z]+$",
        r"^[^A-ZА-Я]+$",
    ):
        assert title.str.contains(pattern).mean() > 0.001, pattern
    knives = title[market["kind"] == "knife"]
    assert 0.3 < knives.str.contains("★").mean() < 0.8
    assert 0.06 < title.str.contains("[А-Яа-я]").mean() < 0.1


def test_russian_titles_are_the_catalogues_russian_names():
    table = im.rarity_titles(1500, seed=4, spelling="russian")
    russian = im.load_catalogue().set_index("name")["name_ru"].loc[table["name"]]
    for title, name in zip(table["title"], russian, strict=True):
        assert letters(name) in letters(title)
    assert table["title"].str.contains("[А-Яа-я]").mean() > 0.9


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_typos_are_few_and_spare_digits(seed):
    """A mistyped title is its English one but for at most two slips, and its digits are the same."""
    right = im.rarity_titles(40, seed, spelling="english")["title"]
    wrong = im.rarity_titles(40, seed, spelling="typos")["title"]
    assert (right != wrong).mean() > 0.8
    for before, after in zip(right, wrong, strict=True):
        assert abs(len(before) - len(after)) <= 2
        assert re.sub(r"\D", "", before) == re.sub(r"\D", "", after)
        assert (Counter(before) - Counter(after)).total() <= 2
        assert (Counter(after) - Counter(before)).total() <= 2


def test_items_to_draw_from_can_be_named():
    two = ["AK-47 | Redline", "★ Karambit | Doppler"]
    table = im.rarity_titles(300, seed=0, items=iter(two))
    assert set(table["name"]) == set(two)
    outside = sorted(set(im.load_catalogue().query("kind == 'sticker'")["name"]) - set(im.title_items()))
    assert set(im.rarity_titles(50, seed=0, items=outside)["kind"]) == {"sticker"}


def test_listed_items_are_unambiguous_without_their_glyphs():
    catalogue = im.load_catalogue().set_index("name")
    items = pd.Series(im.title_items(1_000_000))
    assert items.is_unique and len(items) > 20_000
    assert len(im.title_items()) == pytest.approx(made.N_ITEMS, abs=20)
    assert set(im.title_items(100)) < set(im.title_items(1000)) < set(items)
    bare = items.map(spelling.without_glyphs).map(lambda name: re.sub(r"[\W_]+", "-", name.casefold()))
    assert catalogue.loc[items, "rarity_class"].astype(str).groupby(bare.to_numpy()).nunique().max() == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_titles": 0}, ValueError, "at least 1"),
        ({"spelling": "german"}, ValueError, "spelling must be one of"),
        ({"items": ["AK-47 | Nothing"]}, im.MarketDataError, "AK-47 | Nothing"),
        ({"items": ["Storage Unit"]}, im.MarketDataError, "no listings"),
        ({"items": []}, im.MarketDataError, "no items"),
    ],
)
def test_a_wrong_request_is_one_clear_sentence(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        im.rarity_titles(**({"n_titles": 5, "seed": 0} | arguments))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 5), st.integers(0, 2**31), st.floats(0.05, 0.6))
def test_unseen_listings_are_of_known_items(seed, split_seed, fraction):
    table = im.rarity_titles(1500, seed)
    train, test = im.split_titles(table, test_fraction=fraction, seed=split_seed)
    assert len(train) + len(test) == len(table)
    assert set(test["name"]) <= set(train["name"])
    fold = [side["title"].str.casefold() for side in (train, test)]
    assert not set(fold[0]) & set(fold[1])
    assert list(train.index) == list(range(len(train)))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 5), st.integers(0, 2**31))
def test_unseen_items_are_on_one_side(seed, split_seed):
    table = im.rarity_titles(1500, seed)
    train, test = im.split_titles(table, "item", seed=split_seed)
    assert not set(train["name"]) & set(test["name"])
    assert len(train) + len(test) == len(table)
    assert 0.1 < len(test) / len(table) < 0.3


def test_unseen_listings_of_a_market_are_a_fifth_of_it(market):
    train, test = im.split_titles(market)
    assert 0.18 < len(test) / len(market) < 0.21
    assert test["kind"].value_counts(normalize=True)["skin"] < 0.55
    assert np.isclose(train["kind"].value_counts(normalize=True)["sticker"], 0.2, atol=0.02)


@pytest.mark.parametrize("labelled", [1, 100, 1000])
def test_few_labels(market, labelled):
    train, test = im.split_titles(market, "item", labelled=labelled)
    assert train["name"].nunique() == labelled
    whole = im.split_titles(market, "item")
    pd.testing.assert_frame_equal(test, whole[1])
    assert set(train["title"]) <= set(whole[0]["title"])


def test_a_split_that_cannot_be_is_said(market):
    few = market.head(50)
    for arguments, message in (
        ({"by": "kind"}, "by must be"),
        ({"test_fraction": 1.0}, "between 0 and 1"),
        ({"by": "item", "labelled": 60}, "fewer than labelled=60"),
    ):
        with pytest.raises(ValueError, match=message):
            im.split_titles(few, **arguments)
    with pytest.raises(ValueError, match="too few"):
        im.split_titles(market.head(1))


PINNED = [
    "Galil AR | Acid Dart [FT]",
    "Patch | Ninjas in Pyjamas | Stockholm 2021",
    "R8 Revolver | Blaze (Minimal Wear)",
    "TEC-9|BLUE BLAST (FN)",
    "★ SPORT GLOVES, SLINGSHOT WW",
    "Charm Lil' Dumplin'",
]
