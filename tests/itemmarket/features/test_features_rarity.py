"""A classifier in place of the parsed rarity: same scale, asked once, and no more than a help."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import itemmarket as im
from itemmarket.features.extractor import FeatureExtractor
from itemmarket.features.table import RARITY_RANKS

KNOWN = {
    "AWP | Dragon Lore (Factory New)": "Legendary",
    "P250 | Boreal Forest (Well-Worn)": "Common",
    "AK-47 | Redline (Field-Tested)": "Epic",
    "AK47 redline FT": "Epic",
    "no such item": "Rare",
}


class Told:
    """Answers from a table and remembers what it was asked."""

    def __init__(self, classes=KNOWN, kind=list):
        self.classes, self.kind, self.asked = classes, kind, []

    def predict(self, titles):
        self.asked += titles
        return self.kind([self.classes[title] for title in titles])


def market(names=tuple(KNOWN), days=3, **more) -> pd.DataFrame:
    dates = np.datetime64("2024-05-01") + np.arange(days)
    return pd.DataFrame(
        {"name": np.repeat(names, days), "date": np.tile(dates, len(names)), "price": 1.0, "volume": 5} | more
    )


def rarities(extractor: FeatureExtractor, prices: pd.DataFrame) -> dict[str, float]:
    return extractor.transform(prices)["rarity"].groupby("name").agg(["min", "max"]).pipe(equal_columns)


def equal_columns(table: pd.DataFrame) -> dict[str, float]:
    assert (table["min"] == table["max"]).all()
    return table["min"].to_dict()


def test_the_class_replaces_the_parsed_rank_and_nothing_else():
    prices = market()
    plain, told = FeatureExtractor().transform(prices), FeatureExtractor(rarity=Told()).transform(prices)
    pd.testing.assert_frame_equal(plain.drop(columns="rarity"), told.drop(columns="rarity"))
    assert rarities(FeatureExtractor(rarity=Told()), prices) == {
        name: RARITY_RANKS[one] for name, one in KNOWN.items()
    }
    parsed = rarities(FeatureExtractor(rarity=None), prices)
    assert parsed == rarities(FeatureExtractor(), prices)
    assert parsed["AK47 redline FT"] == 0 and parsed["AWP | Dragon Lore (Factory New)"] == 6


def test_ranks_are_on_the_parsed_scale():
    """A class lies among the ranks of the tiers that it joins, so a model may meet either."""
    assert list(RARITY_RANKS) == list(dict.fromkeys(im.RARITY_CLASSES.values()))
    for name, rank in RARITY_RANKS.items():
        tiers = [place for place, tier in enumerate(im.RARITIES, 1) if im.RARITY_CLASSES[tier] == name]
        assert min(tiers) <= rank <= max(tiers)


@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Series, iter])
def test_any_sequence_of_names_is_an_answer(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = rarities(FeatureExtractor(rarity=Told(kind=kind)), market())
    assert found["no such item"] == RARITY_RANKS["Rare"]


def test_each_name_is_asked_about_once():
    told = Told()
    extractor = FeatureExtractor(rarity=told)
    prices = market()
    extractor.transform(prices)
    extractor.transform(prices)
    for name in KNOWN:
        extractor.extract(name, prices, "2024-05-02")
    assert sorted(told.asked) == sorted(KNOWN)


def test_it_is_not_asked_without_need():
    told = Told()
    FeatureExtractor.basic().transform(market())
    FeatureExtractor(names=["price", "wear"], rarity=told).transform(market())
    FeatureExtractor(rarity=told).transform(market(game="rust"))
    assert told.asked == []
    mixed = pd.concat([market(game="cs2"), market(names=["AWP | Dragon Lore (Factory New)"], game="tf2")])
    found = FeatureExtractor(rarity=told).transform(mixed)
    assert found.loc[(found["game_tf2"] == 1), "rarity"].eq(0).all()


class Broken:
    """Fails in one of several ways, on the titles given only."""

    def __init__(self, how, on):
        self.how, self.on = how, on

    def predict(self, titles):
        answer = [KNOWN[title] for title in titles]
        for place, title in enumerate(titles):
            if title in self.on:
                if self.how == "raises":
                    raise RuntimeError("no weights")
                if self.how == "wrong length":
                    return answer[:-1]
                answer[place] = {"unknown class": "Mythic", "no class": None, "a number": 2, "a list": []}[
                    self.how
                ]
        return answer


HOWS = ["raises", "wrong length", "unknown class", "no class", "a number", "a list"]


@pytest.mark.parametrize("how", HOWS)
def test_where_it_fails_the_name_is_parsed_and_said_once(how):
    prices, parsed = market(), rarities(FeatureExtractor(), market())
    extractor = FeatureExtractor(rarity=Broken(how, on=list(KNOWN)))
    with pytest.warns(RuntimeWarning, match="rarity classifier Broken failed") as told:
        assert rarities(extractor, prices) == parsed
        extractor.transform(prices)
        extractor.extract("a name that it has not seen", prices, "2024-05-02")
    assert len(told) == 1


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(HOWS), st.sets(st.sampled_from(list(KNOWN))))
def test_batch_and_online_agree_bit_for_bit_wherever_it_fails(how, on):
    prices = market()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batch = FeatureExtractor(rarity=Broken(how, on)).transform(prices)
        online = FeatureExtractor(rarity=Broken(how, on))
        for (name, day), row in batch.iterrows():
            assert online.extract(name, prices, day).tobytes() == row.to_numpy(np.float32).tobytes()


def test_what_cannot_predict_is_refused():
    with pytest.raises(TypeError, match=r"must have predict\(titles\), and str has none"):
        FeatureExtractor(rarity="distilbert")


def test_a_model_of_titles_fits_in():
    titles = im.rarity_titles(600, seed=0, items=["AK-47 | Redline", "P250 | Boreal Forest"])
    model = im.TitleTfidf().fit(titles["title"], titles["rarity"])
    found = rarities(FeatureExtractor(rarity=model), market(["ak47 redline ft", "P250 boreal forest"]))
    assert found == {"ak47 redline ft": RARITY_RANKS["Epic"], "P250 boreal forest": RARITY_RANKS["Common"]}
