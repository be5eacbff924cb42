"""The committed catalogue, what is derived from it, and how it is made."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from itemmarket.data import catalogue_build as build
from itemmarket.errors import MarketDataError
from itemmarket.market.catalogue import (
    CLASSES,
    COLUMNS,
    RARITIES,
    RARITY_CLASSES,
    WEAR_RANGES,
    load_catalogue,
    market_names,
    rarity_of,
)
from itemmarket.market.names import KINDS, WEARS, parse_names
from itemmarket.market.prices import load_prices


@pytest.fixture(scope="module")
def catalogue() -> pd.DataFrame:
    return load_catalogue().set_index("name", drop=False)


@pytest.fixture(scope="module")
def listing() -> pd.DataFrame:
    return market_names()


# --- the file ---------------------------------------------------------------------------------------------


def test_schema(catalogue: pd.DataFrame) -> None:
    assert tuple(catalogue.columns) == COLUMNS
    assert catalogue["name"].is_unique
    assert not catalogue[["name", "name_ru", "kind", "rarity", "rarity_class"]].isna().any(axis=None)
    assert catalogue["rarity"].cat.categories.tolist() == list(RARITIES)
    assert catalogue["rarity_class"].cat.categories.tolist() == list(CLASSES)
    assert catalogue["rarity"].cat.ordered
    assert catalogue["rarity_class"].cat.ordered
    assert catalogue.dtypes[["stattrak", "souvenir", "marketable"]].eq(np.dtype(bool)).all()


def test_the_card_describes_this_file(root: Path, catalogue: pd.DataFrame) -> None:
    card = (root / "data" / "catalogue.md").read_text("utf-8")
    assert hashlib.sha256((root / "data" / "catalogue.parquet").read_bytes()).hexdigest() in card
    assert f"{len(catalogue)} rows" in card
    for column in COLUMNS:
        assert f"| `{column}` |" in card
    for kind, count in catalogue["kind"].value_counts().items():
        if count:
            assert f"| {kind} | {count} |" in card
    assert build.VERSION in card


def test_names_and_kinds_are_the_grammars(catalogue: pd.DataFrame) -> None:
    parsed = parse_names(catalogue["name"])
    assert parsed["base"].tolist() == catalogue["name"].tolist()
    assert parsed["kind"].tolist() == catalogue["kind"].tolist()
    for column in ("weapon", "finish"):
        pd.testing.assert_series_equal(parsed[column], catalogue[column].astype("str"))


def test_wear_ranges(catalogue: pd.DataFrame) -> None:
    worn = catalogue["wear_min"].notna()
    assert (worn == catalogue["wear_max"].notna()).all()
    assert catalogue.loc[worn, "kind"].isin(["skin", "knife", "gloves"]).all()
    assert ((catalogue["wear_min"] >= 0) & (catalogue["wear_min"] < catalogue["wear_max"]))[worn].all()
    assert (catalogue.loc[worn, "wear_max"] <= 1).all()
    assert worn[catalogue["kind"] == "skin"].all()


def test_every_class_holds_a_tenth(catalogue: pd.DataFrame) -> None:
    assert set(RARITY_CLASSES) == set(RARITIES)
    assert (catalogue["rarity_class"].value_counts(normalize=True) > 0.1).all()
    assert (
        catalogue["rarity_class"].astype("str") == catalogue["rarity"].astype("str").map(RARITY_CLASSES)
    ).all()


@pytest.mark.parametrize(
    ("name", "facts"),
    {
        "AK-47 | Redline": {
            "name_ru": "AK-47 | Красная линия",
            "kind": "skin",
            "weapon": "AK-47",
            "finish": "Redline",
            "rarity": "Classified",
            "rarity_class": "Epic",
            "collection": "The Phoenix Collection",
            "wear_min": 0.1,
            "wear_max": 0.7,
            "stattrak": True,
            "souvenir": False,
            "marketable": True,
        },
        "AWP | Dragon Lore": {"rarity": "Covert", "stattrak": False, "souvenir": True},
        "M4A4 | Howl": {
            "rarity": "Contraband",
            "rarity_class": "Legendary",
            "stattrak": True,
            "souvenir": False,
        },
        "P250 | Sand Dune": {"rarity": "Consumer Grade", "rarity_class": "Common"},
        "AK-47 | Steel Delta": {"stattrak": False, "souvenir": True, "collection": "The Anubis Collection"},
        "★ Karambit": {
            "name_ru": "★ Керамбит",
            "kind": "knife",
            "finish": None,
            "wear_min": None,
            "stattrak": True,
        },
        "★ Karambit | Doppler": {"rarity": "Covert", "wear_max": 0.08, "stattrak": True, "marketable": True},
        "★ Sport Gloves | Vice": {"kind": "gloves", "rarity": "Covert", "stattrak": False},
        "★ Sport Gloves": {"kind": "gloves", "marketable": False},
        "Sticker | ZywOo | Paris 2023": {"kind": "sticker", "weapon": None, "rarity": "Mil-Spec Grade"},
        "Sticker | Crown (Foil)": {"finish": "Foil", "rarity": "Classified"},
        "Special Agent Ava | FBI": {"kind": "agent", "name_ru": "Особый агент Ава | ФБР", "rarity": "Covert"},
        "Recoil Case": {"kind": "case", "rarity": "Consumer Grade", "stattrak": False, "marketable": True},
        "CS:GO Case Key": {"kind": "key", "marketable": False},
        "AK-47": {"kind": "equipment", "marketable": False},
        "2020 Service Medal": {"kind": "collectible", "marketable": False},
        "Genuine Dust II Pin": {"kind": "pin", "name_ru": "Значок: Dust II"},
        "StatTrak™ Swap Tool": {"kind": "tool", "stattrak": False, "marketable": True},
    }.items(),
)
def test_known_items(catalogue: pd.DataFrame, name: str, facts: dict) -> None:
    row = catalogue.loc[name]
    assert {key: None if pd.isna(row[key]) else row[key] for key in facts} == facts


def test_phases_of_a_doppler_are_one_item(catalogue: pd.DataFrame) -> None:
    doppler = catalogue["finish"].isin(["Doppler", "Gamma Doppler"])
    assert doppler.sum() == catalogue.loc[doppler, ["weapon", "finish"]].drop_duplicates().shape[0] == 29


def test_the_caller_owns_the_frame() -> None:
    mine = load_catalogue()
    mine.loc[0, "name"] = "spoilt"
    mine["rarity"] = RARITIES[0]
    del mine["kind"]
    again = load_catalogue()
    assert "kind" in again
    assert "spoilt" not in set(again["name"])
    assert again["rarity"].nunique() == 7


# --- what is derived from it ------------------------------------------------------------------------------


def test_market_names_are_unique_and_say_what_they_say(listing: pd.DataFrame) -> None:
    assert list(listing.columns) == ["name", "base", "wear", "stattrak", "souvenir", "kind", "rarity"]
    assert listing["name"].is_unique
    assert not (listing["stattrak"] & listing["souvenir"]).any()
    assert not listing["kind"].isin(["equipment", "key", "collectible", "other"]).any()
    assert listing["rarity"].cat.codes.add(1).tolist() == rarity_of(listing["name"]).tolist()


def test_variants_of_one_item(listing: pd.DataFrame) -> None:
    # From 0.10 to 0.70: never Factory New.
    redline = listing.loc[listing["base"] == "AK-47 | Redline", "name"].tolist()
    wears = WEARS[1:]
    assert redline == [f"AK-47 | Redline ({wear})" for wear in wears] + [
        f"StatTrak™ AK-47 | Redline ({wear})" for wear in wears
    ]
    assert listing.loc[listing["base"] == "★ Karambit", "name"].tolist() == [
        "★ Karambit",
        "★ StatTrak™ Karambit",
    ]
    assert listing.loc[listing["base"] == "Recoil Case", "name"].tolist() == ["Recoil Case"]
    lore = listing[listing["base"] == "AWP | Dragon Lore"]
    assert lore["souvenir"].sum() == len(lore) / 2
    assert not lore["stattrak"].any()


def test_a_wear_needs_more_than_a_common_border(catalogue: pd.DataFrame) -> None:
    row = catalogue.loc[["AK-47 | Redline"]]
    for low, high, expected in [
        (0.15, 0.38, ["Field-Tested"]),
        (0.06, 0.08, ["Factory New", "Minimal Wear"]),
        (0.0, 1.0, list(WEAR_RANGES)),
    ]:
        found = market_names(row.assign(wear_min=low, wear_max=high, stattrak=False))
        assert found["wear"].tolist() == expected


def test_market_names_of_some_rows(catalogue: pd.DataFrame) -> None:
    some = market_names(catalogue[catalogue["kind"] == "case"])
    assert set(some["kind"]) == {"case"}
    assert len(some) == (catalogue["kind"] == "case").sum()
    assert market_names(catalogue.iloc[:0]).empty


def test_rarity_of() -> None:
    names = [
        "Souvenir P250 | Sand Dune (Factory New)",
        "StatTrak™ AK-47 | Redline (Field-Tested)",
        "no such thing",
        "M4A4 | Howl (Well-Worn)",
        "StatTrak™ AK-47 | Redline (Field-Tested)",
        "★ StatTrak™ Karambit",
        "P250 | Revered (Field-Tested)",
    ]
    expected = [1, 5, 0, 7, 5, 6, 0]
    assert rarity_of(names).tolist() == expected
    assert rarity_of(pd.Series(names, index=range(7, 0, -1)).astype("category")).tolist() == expected
    assert rarity_of([None, *names]).tolist() == [0, *expected]
    assert rarity_of([]).tolist() == []


def test_real_names_are_on_the_list(real_market: Path, listing: pd.DataFrame) -> None:
    """Names, wear ranges, StatTrak™ and Souvenir of the catalogue against names that were sold."""
    names = pd.read_parquet(real_market / "steam_daily.parquet", columns=["name"])["name"].unique()
    resolved = rarity_of(names) > 0
    assert resolved.mean() > 0.99
    assert set(names[resolved]) <= set(listing["name"])


# --- a file that is not there, or not right ---------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ITEMMARKET_DATA", str(tmp_path))
    return tmp_path / "catalogue.parquet"


def assert_refused_with_the_cure() -> None:
    for use in (load_catalogue, market_names, lambda: rarity_of(["★ Karambit"])):
        with pytest.raises(MarketDataError, match=r"catalogue\.parquet.*data build"):
            use()


def test_missing_file(elsewhere: Path) -> None:
    assert_refused_with_the_cure()


def test_no_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITEMMARKET_DATA", str(tmp_path / "absent"))
    for use in (load_catalogue, load_prices, lambda: rarity_of(["★ Karambit"])):
        with pytest.raises(
            MarketDataError, match=r"^there is no data folder at .*absent: set .*ITEMMARKET_DATA"
        ):
            use()


def test_truncated_file(elsewhere: Path, root: Path) -> None:
    elsewhere.write_bytes((root / "data" / "catalogue.parquet").read_bytes()[:-1000])
    assert_refused_with_the_cure()


def test_another_table(elsewhere: Path) -> None:
    pd.DataFrame({"name": ["AK-47 | Redline"]}).to_parquet(elsewhere)
    assert_refused_with_the_cure()


def test_one_name_twice(elsewhere: Path, catalogue: pd.DataFrame) -> None:
    build.write_catalogue(pd.concat([catalogue.head(2), catalogue.head(1)]), elsewhere)
    assert_refused_with_the_cure()


def test_an_unknown_tier(elsewhere: Path, catalogue: pd.DataFrame) -> None:
    build.write_catalogue(catalogue.head(2).assign(rarity="Mythical"), elsewhere)
    assert_refused_with_the_cure()


# --- making it --------------------------------------------------------------------------------------------

BLUE, PINK, RED = "#4b69ff", "#d32ce6", "#eb4b4b"
FACTS = [
    {"id": 1, "type": "weapon", "name": "AK-47", "name_ru": "AK-47", "rarity": "#ded6cc", "free": True},
    {
        **{"id": 2, "type": "weapon", "name": "AK-47 | Redline", "name_ru": "AK-47 | Красная линия"},
        **{"rarity": PINK, "collection": "Cased", "wear_min": 0.1, "wear_max": 0.7},
    },
    {
        **{"id": 3, "type": "weapon", "name": "AK-47 | Sold Out", "name_ru": "AK-47 | Продан"},
        **{"rarity": BLUE, "collection": "Cased", "wear_min": 0, "wear_max": 1},
    },
    {
        **{"id": 4, "type": "weapon", "name": "AWP | Map", "name_ru": "AWP | Карта"},
        **{"rarity": BLUE, "collection": "Mapped", "wear_min": 0, "wear_max": 1},
    },
    *(
        {
            **{"id": number, "type": "melee", "name": "Karambit | Doppler", "name_ru": "Керамбит | Волны"},
            **{"rarity": RED, "origin": f"Phase {number}", "wear_min": 0, "wear_max": 0.08},
        }
        for number in (5, 6)
    ),
    {"id": 7, "type": "agent", "name": "Agent | Ava  | FBI", "name_ru": "Агент | Ава  | ФБР", "rarity": RED},
    {
        **{"id": 8, "type": "case", "name": "Container | Some Case", "name_ru": "Контейнер | Кейс"},
        **{"rarity": "#b0c3d9", "container": 0, "contents": [2, 4]},
    },
    {
        **{
            "id": 9,
            "type": "case",
            "name": "Container | Map Souvenir Package",
            "name_ru": "Контейнер | Набор",
        },
        **{"rarity": "#b0c3d9", "container": 3, "contents": [4]},
    },
    {"id": 10, "type": "stub", "name": "Default", "name_ru": "Стандартное"},
]


def test_facts_become_rows() -> None:
    table = build.catalogue_table(FACTS).set_index("name")
    assert table.index.tolist() == [
        *("AK-47 | Redline", "AK-47 | Sold Out", "AWP | Map", "★ Karambit | Doppler", "Ava | FBI"),
        *("Some Case", "Map Souvenir Package", "AK-47"),
    ]
    assert table["kind"].tolist() == [
        *["skin"] * 3,
        "knife",
        "agent",
        "case",
        "souvenir package",
        "equipment",
    ]
    assert table.loc["★ Karambit | Doppler", "name_ru"] == "★ Керамбит | Волны"
    assert table.loc["Ava | FBI", "name_ru"] == "Ава | ФБР"
    assert table["rarity"].tolist() == [
        *("Classified", "Mil-Spec Grade", "Mil-Spec Grade", "Covert", "Covert"),
        *["Consumer Grade"] * 3,
    ]
    # A skin taken out of its case keeps StatTrak™; a collection with souvenirs never had it.
    assert table.index[table["stattrak"]].tolist() == [
        "AK-47 | Redline",
        "AK-47 | Sold Out",
        "★ Karambit | Doppler",
    ]
    assert table.index[table["souvenir"]].tolist() == ["AWP | Map"]
    assert table.index[~table["marketable"]].tolist() == ["AK-47"]


def test_a_name_outside_the_grammar_stops_the_build() -> None:
    odd = {"id": 11, "type": "case", "name": "Container | Mystery", "name_ru": "Контейнер | Тайна"}
    with pytest.raises(MarketDataError, match=r"item 11 is 'Mystery', a capsule, but parse_name reads"):
        build.catalogue_table([*FACTS, odd | {"rarity": BLUE, "contents": []}])


def test_the_file_is_plain_and_the_same_twice(tmp_path: Path) -> None:
    table = build.catalogue_table(FACTS)
    for name in ("a", "b"):
        build.write_catalogue(table, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    schema = pq.read_schema(tmp_path / "a")
    assert schema.metadata is None
    assert set(schema.types) == {pa.string(), pa.float64(), pa.bool_()}
    assert tuple(schema.names) == COLUMNS


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "catalogue.parquet"
    build.write_catalogue(build.catalogue_table(FACTS), target)
    before = target.read_bytes()
    with pytest.raises(pa.ArrowException):
        build.write_catalogue(build.catalogue_table(FACTS).assign(stattrak="perhaps"), target)
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


def test_another_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ianlucas-cs2-lib-7.33.1.tgz").write_bytes(b"something else")
    with pytest.raises(MarketDataError, match=r"is not @ianlucas/cs2-lib 7\.33\.1: its hash is sha512-"):
        build.build_catalogue(tmp_path, tmp_path / "catalogue.parquet")
    assert not (tmp_path / "catalogue.parquet").exists()


def test_without_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MarketDataError, match=r"npm is not installed.*needs no building"):
        build.fetch(tmp_path / "work")


@pytest.mark.machine
def test_built_again_it_is_the_same_file(root: Path, tmp_path: Path) -> None:
    archive = root / "build" / "catalogue" / "ianlucas-cs2-lib-7.33.1.tgz"
    if not archive.is_file() or not shutil.which("node"):
        pytest.skip("machine: needs node and the package that `python course.py data build` downloads")
    shutil.copy(archive, tmp_path)
    made = build.build_catalogue(tmp_path, tmp_path / "catalogue.parquet")
    assert made.read_bytes() == (root / "data" / "catalogue.parquet").read_bytes()
    assert pd.read_parquet(made)["kind"].isin(KINDS).all()
