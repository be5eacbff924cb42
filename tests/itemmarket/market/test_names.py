"""The grammar of market names: what each part is, and that nothing is read where nothing stands."""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from itemmarket.errors import MarketDataError
from itemmarket.market.catalogue import load_catalogue, market_names
from itemmarket.market.names import KINDS, WEARS, ParsedName, parse_name, parse_names

# name: base, kind, weapon, finish, wear, stattrak, souvenir
EXAMPLES = {
    "AK-47 | Redline (Field-Tested)": (
        *("AK-47 | Redline", "skin", "AK-47", "Redline"),
        *("Field-Tested", False, False),
    ),
    "StatTrak™ M4A1-S | Drift (Well-Worn)": (
        *("M4A1-S | Drift", "skin", "M4A1-S", "Drift"),
        *("Well-Worn", True, False),
    ),
    "M4A4 | 龍王 (Dragon King) (Field-Tested)": (
        *("M4A4 | 龍王 (Dragon King)", "skin", "M4A4", "龍王 (Dragon King)"),
        *("Field-Tested", False, False),
    ),
    "Souvenir AWP | Dragon Lore (Factory New)": (
        *("AWP | Dragon Lore", "skin", "AWP", "Dragon Lore"),
        *("Factory New", False, True),
    ),
    "★ Karambit": ("★ Karambit", "knife", "Karambit", None, None, False, False),
    "★ StatTrak™ Karambit": ("★ Karambit", "knife", "Karambit", None, None, True, False),
    "★ StatTrak™ Falchion Knife | Doppler (Minimal Wear)": (
        *("★ Falchion Knife | Doppler", "knife", "Falchion Knife", "Doppler"),
        *("Minimal Wear", True, False),
    ),
    "★ Hand Wraps | Slaughter (Battle-Scarred)": (
        *("★ Hand Wraps | Slaughter", "gloves", "Hand Wraps", "Slaughter"),
        *("Battle-Scarred", False, False),
    ),
    "Sticker | ZywOo | Paris 2023": (
        "Sticker | ZywOo | Paris 2023",
        "sticker",
        None,
        None,
        None,
        False,
        False,
    ),
    "Sticker | Crown (Foil)": ("Sticker | Crown (Foil)", "sticker", None, "Foil", None, False, False),
    "Sticker | dupreeh (Glitter, Champion) | Paris 2023": (
        *("Sticker | dupreeh (Glitter, Champion) | Paris 2023", "sticker", None, "Glitter, Champion"),
        *(None, False, False),
    ),
    "Sticker Slab | Howling Dawn": (
        "Sticker Slab | Howling Dawn",
        "sticker slab",
        None,
        None,
        None,
        False,
        False,
    ),
    "Sealed Graffiti | Toasted (Princess Pink)": (
        *("Sealed Graffiti | Toasted (Princess Pink)", "graffiti", None, "Princess Pink"),
        *(None, False, False),
    ),
    "StatTrak™ Music Kit | Tim Huling, Neo Noir": (
        *("Music Kit | Tim Huling, Neo Noir", "music kit", None, None),
        *(None, True, False),
    ),
    "Souvenir Charm | Austin 2025 Highlight | 1 Bullet": (
        *("Charm | Austin 2025 Highlight | 1 Bullet", "charm", None, None),
        *(None, False, True),
    ),
    "Special Agent Ava | FBI": ("Special Agent Ava | FBI", "agent", None, None, None, False, False),
    "Recoil Case": ("Recoil Case", "case", None, None, None, False, False),
    "Paris 2023 Legends Sticker Capsule": (
        *("Paris 2023 Legends Sticker Capsule", "capsule", None, None),
        *(None, False, False),
    ),
    "Autograph Capsule | Cloud9 G2A | Cologne 2015": (
        *("Autograph Capsule | Cloud9 G2A | Cologne 2015", "capsule", None, None),
        *(None, False, False),
    ),
    "Welcome to the Clutch Pin": ("Welcome to the Clutch Pin", "pin", None, None, None, False, False),
    "Patch | Metal The Global Elite ★": (
        "Patch | Metal The Global Elite ★",
        "patch",
        None,
        None,
        None,
        False,
        False,
    ),
    # A name may begin with a word that elsewhere is an attribute.
    "StatTrak™ Swap Tool": ("StatTrak™ Swap Tool", "tool", None, None, None, False, False),
    "StatTrak™ Radicals Box": ("StatTrak™ Radicals Box", "capsule", None, None, None, False, False),
    # Not in the lists, not on this market: taken as they are.
    "Zeus x28 | Olympus (Field-Tested)": (
        *("Zeus x28 | Olympus", "skin", "Zeus x28", "Olympus"),
        *("Field-Tested", False, False),
    ),
    "Zeus x28 | Phoenix (Field-Tested)": (  # not an agent of the Phoenix
        *("Zeus x28 | Phoenix", "skin", "Zeus x28", "Phoenix"),
        *("Field-Tested", False, False),
    ),
    "(Field-Tested)": ("(Field-Tested)", "other", None, None, None, False, False),
    "Supernova Karambits Pin": ("Supernova Karambits Pin", "pin", None, None, None, False, False),
    "Nova Case": ("Nova Case", "case", None, None, None, False, False),
    "Mann Co. Supply Crate Key": ("Mann Co. Supply Crate Key", "key", None, None, None, False, False),
    "Unusual Team Captain": ("Unusual Team Captain", "other", None, None, None, False, False),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_parts(name: str) -> None:
    parsed = parse_name(name)
    base, kind, weapon, finish, wear, stattrak, souvenir = EXAMPLES[name]
    assert parsed == ParsedName(base, kind, weapon, finish, wear, stattrak, souvenir, name.startswith("★"))
    assert str(parsed) == f"{parsed}" == name


@pytest.mark.parametrize(
    "name",
    [
        "M4A1-S | Drift",
        "Sticker | Drift (Holo)",
        "Redeemer Case",
        "Glock-18 | Weasel",
        "UMP-45 | Minimal Wear",
    ],
)
def test_no_wear_is_found_inside_words(name: str) -> None:
    assert parse_name(name).wear is None


@pytest.mark.parametrize(
    "name", ["StatTrakker | FBI", "SouvenirAK-47 | Redline", "Sticker | StatTrak™ Fan", "AK-47 | Souvenir"]
)
def test_no_attribute_is_found_inside_words(name: str) -> None:
    parsed = parse_name(name)
    assert not parsed.stattrak
    assert not parsed.souvenir
    assert parsed.base == name


def test_only_what_wears_out_has_a_wear() -> None:
    name = "Sticker | Crown (Field-Tested)"
    assert parse_name(name).wear is None
    assert parse_name(name).base == name


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("StatTrak AK-47 | Redline (Field-Tested)", "StatTrak™ AK-47 | Redline (Field-Tested)"),
        ("STATTRAK™ AK-47 | Redline (field-tested)", "StatTrak™ AK-47 | Redline (Field-Tested)"),
        ("StatTrak™ ★ Karambit | Doppler (Factory New)", "★ StatTrak™ Karambit | Doppler (Factory New)"),
        ("Karambit | Doppler (Factory New)", "★ Karambit | Doppler (Factory New)"),
        ("Sport Gloves | Vice (Field-Tested)", "★ Sport Gloves | Vice (Field-Tested)"),
        ("  AK-47 |  Redline   (Field-Tested) ", "AK-47 | Redline (Field-Tested)"),
        ("Michael Syfers  | FBI Sniper", "Michael Syfers | FBI Sniper"),
        ("StatTrak Swap Tool", "StatTrak™ Swap Tool"),
    ],
)
def test_other_spellings(written: str, meant: str) -> None:
    assert str(parse_name(written)) == meant
    assert parse_name(written) == parse_name(meant)


@pytest.mark.parametrize("name", ["", "  \t", None, float("nan"), 7])
def test_a_name_is_text(name: object) -> None:
    with pytest.raises(MarketDataError, match="a market name is"):
        parse_name(name)


def test_every_market_name_comes_back() -> None:
    listing = market_names()
    parsed = parse_names(listing["name"])
    assert [str(parse_name(name)) for name in listing["name"]] == listing["name"].tolist()
    for column in ("base", "wear", "stattrak", "souvenir"):
        pd.testing.assert_series_equal(
            parsed[column].reset_index(drop=True), listing[column], check_names=False, obj=column
        )


CATALOGUE = load_catalogue()
BASES = st.sampled_from(CATALOGUE["name"].tolist())
WORN = st.sampled_from(CATALOGUE.loc[CATALOGUE["kind"].isin(["skin", "knife", "gloves"]), "name"].tolist())
WORDS = (
    "★/StatTrak™/StatTrak/Souvenir/|/AK-47/Karambit/Sport Gloves/Sticker/Music Kit/Case/Drift/FBI/(Holo)/  "
)
PIECES = st.sampled_from([*WORDS.split("/"), *(f"({wear})" for wear in WEARS), "(minimal wear)"])


@given(WORN, st.sampled_from(WEARS), st.sampled_from(["", "StatTrak™ ", "Souvenir "]))
def test_composed_names_come_back(base: str, wear: str, prefix: str) -> None:
    name = f"★ {prefix}{base[2:]} ({wear})" if base.startswith("★ ") else f"{prefix}{base} ({wear})"
    parsed = parse_name(name)
    assert str(parsed) == name
    assert (parsed.base, parsed.wear) == (base, wear)
    assert (parsed.stattrak, parsed.souvenir) == (prefix == "StatTrak™ ", prefix == "Souvenir ")


@settings(max_examples=500)
@given(st.one_of(st.lists(PIECES, min_size=1).map(" ".join), st.text(min_size=1), BASES).filter(str.strip))
def test_reading_twice_changes_nothing(text: str) -> None:
    once = parse_name(text)
    assert parse_name(str(once)) == once
    assert once.kind in KINDS
    assert once.star == once.base.startswith("★ ") or once.kind == "other"


def test_many_names_at_once() -> None:
    names = ["Recoil Case", "★ Karambit", *EXAMPLES, "Recoil Case"]
    frame = parse_names(pd.Series(names))
    assert frame.index.tolist() == list(dict.fromkeys(names))
    assert frame.index.name == "name"
    for name, row in frame.iterrows():
        parsed = parse_name(name)
        assert {key: None if pd.isna(value) else value for key, value in row.items()} == {
            key: getattr(parsed, key) for key in ParsedName.__slots__
        }
    assert frame["wear"].cat.ordered
    assert frame["wear"].cat.categories.tolist() == list(WEARS)
    assert frame["wear"].min() == "Factory New"
    assert frame.dtypes[["stattrak", "souvenir", "star"]].eq(np.dtype(bool)).all()


@pytest.mark.parametrize("kind", [tuple, iter, np.array, pd.Index, pd.Series, pd.Categorical])
def test_any_iterable_of_names(kind: Callable[[list[str]], Iterable[str]]) -> None:
    names = ["Recoil Case", "★ Karambit"]
    pd.testing.assert_frame_equal(parse_names(kind(names)), parse_names(names))
    pd.testing.assert_frame_equal(parse_names(pd.Series(names, dtype="category")), parse_names(names))


def test_no_names_no_rows() -> None:
    assert parse_names([]).empty
    assert list(parse_names([]).columns) == list(ParsedName.__slots__)


def test_one_text_is_one_name() -> None:
    assert parse_names("★ Karambit").index.tolist() == ["★ Karambit"]


def test_a_missing_name_among_many_is_refused() -> None:
    with pytest.raises(MarketDataError, match="drop rows"):
        parse_names(pd.Series(["★ Karambit", None]))
