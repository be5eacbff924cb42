"""Market names and what they say: an exact grammar, no substring matching.

A name on the market is built from left to right out of closed lists of words::

    [★] [Souvenir | StatTrak™] <base> [(<wear>)]      ★ StatTrak™ Karambit | Doppler (Factory New)
    <base> = <weapon> | <finish>                       AK-47 | Redline
           = <family> | <text> ...                     Sticker | ZywOo (Holo) | Paris 2023
           = <text> | <faction>                        Special Agent Ava | FBI
           = <text>                                    Recoil Case

`"M4A1-S | Drift"` contains "ft" and `"Revered"` contains "red"; code that looks for such letters
reads wear and rarity where there is none. Here a word counts only at its place in the grammar.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from itemmarket.errors import MarketDataError

WEARS = ("Factory New", "Minimal Wear", "Field-Tested", "Well-Worn", "Battle-Scarred")
"""The five wear names, best first."""

KINDS = (
    "skin",  # a gun with a finish
    "knife",
    "gloves",
    "agent",
    "sticker",
    "sticker slab",
    "charm",
    "patch",
    "graffiti",
    "music kit",
    "pin",
    "case",  # holds weapons
    "souvenir package",
    "capsule",  # holds anything else: stickers, autographs, patches, pins, graffiti, music kits
    "key",
    "tool",
    "collectible",  # medals, coins and trophies, tied to an account
    "equipment",  # guns, knives, gloves and grenades as the game issues them
    "other",  # a name that this grammar does not know, for example of another game
)
"""Every kind of item, in the order of the catalogue's categories."""


def _words(listed: str) -> frozenset[str]:
    """Read a list of words written with bars between them."""
    return frozenset(word.strip() for word in listed.split("|"))


WEAPONS = _words(
    """AK-47|AUG|AWP|CZ75-Auto|Desert Eagle|Dual Berettas|FAMAS|Five-SeveN|G3SG1|Galil AR|Glock-18|M249|M4A1-S|M4A4
    |MAC-10|MAG-7|MP5-SD|MP7|MP9|Negev|Nova|P2000|P250|P90|PP-Bizon|R8 Revolver|SCAR-20|SG 553|SSG 08|Sawed-Off
    |Tec-9|UMP-45|USP-S|XM1014|Zeus x27"""
)
KNIVES = _words(
    """Bayonet|Bowie Knife|Butterfly Knife|Classic Knife|Falchion Knife|Flip Knife|Gut Knife|Huntsman Knife|Karambit
    |Kukri Knife|M9 Bayonet|Navaja Knife|Nomad Knife|Paracord Knife|Shadow Daggers|Skeleton Knife|Stiletto Knife
    |Survival Knife|Talon Knife|Ursus Knife"""
)
GLOVES = _words(
    """Bloodhound Gloves|Broken Fang Gloves|Driver Gloves|Hand Wraps|Hydra Gloves|Moto Gloves|Specialist Gloves
    |Sport Gloves"""
)
_ISSUED = _words(
    """C4 Explosive|Decoy Grenade|Default CT Gloves|Default T Gloves|Flashbang|High Explosive Grenade
    |Incendiary Grenade|Knife|Molotov|Smoke Grenade"""
)
_FACTIONS = _words(
    """Brazilian 1st Battalion|Elite Crew|FBI|FBI HRT|FBI SWAT|FBI Sniper|Gendarmerie Nationale|Guerrilla Warfare|KSK
    |NSWC SEAL|NZSAS|Phoenix|SAS|SEAL Frogman|SWAT|Sabre|Sabre Footsoldier|TACP Cavalry|The Professionals
    |USAF TACP"""
)
_FAMILIES = {
    "Sticker": "sticker",
    "Sticker Slab": "sticker slab",
    "Charm": "charm",
    "Patch": "patch",
    "Sealed Graffiti": "graffiti",
    "Graffiti": "graffiti",
    "Music Kit": "music kit",
    "Autograph Capsule": "capsule",
}
_TOOLS = frozenset(
    {
        "Charm Detachment Pack",
        "Charm Detachments",
        "Name Tag",
        "StatTrak™ Swap Tool",
        "Storage Unit",
        "Trade Up Contract",
    }
)
# Names of one segment, told apart by their last words. Order matters: the first match decides.
_ENDINGS = (
    ("key", re.compile(r" Key$")),
    ("pin", re.compile(r" Pin$")),
    ("souvenir package", re.compile(r" Souvenir Package$")),
    ("case", re.compile(r" (?:Case(?: \d)?|Terminal|Collection Package)$")),
    ("capsule", re.compile(r"(?:^| )Capsule(?:(?: Series)? \d| \d{4})?$")),
    ("capsule", re.compile(r" (?:Legends|Challengers|Contenders)(?: with [^()]+)?(?: \((?:Holo/)?Foil\))?$")),
    ("capsule", re.compile(r" (?:Box|(?:Sticker|Patch|Graffiti|Graffiti #\d) Collection|Patch Pack)$")),
    ("collectible", re.compile(r" (?:Medal|Coin|Trophy|Badge|License)$")),
    ("collectible", re.compile(r"^(?:Champion|Finalist|Semifinalist|Quarterfinalist) at ")),
)
_WEAR_END = re.compile(r"(?<=\S) ?\((" + "|".join(map(re.escape, WEARS)) + r")\)$", re.IGNORECASE)
_WEAR_BY_FOLD = {wear.casefold(): wear for wear in WEARS}
_PREFIX = re.compile(r"(★|StatTrak™?|Souvenir) (?=\S)", re.IGNORECASE)
_PREFIX_BY_FOLD = {"★": "★", "stattrak": "StatTrak™", "stattrak™": "StatTrak™", "souvenir": "Souvenir"}
_PRINT = re.compile(
    r" \(((?:Embroidered|Foil|Glitter|Gold|Holo|Lenticular)(?:, Champion)?|Champion)\)(?= \| |$)"
)
_COLOUR = re.compile(r" \(([^()]+)\)$")
_WORN = frozenset({"skin", "knife", "gloves"})
# Only these carry ★, StatTrak™ or Souvenir as an attribute; "StatTrak™ Swap Tool" is simply a name.
_PREFIXED = _WORN | {"music kit", "charm", "equipment"}


@dataclass(frozen=True, slots=True)
class ParsedName:
    """A market name taken apart.

    ``str(parsed)`` puts it together again as the market writes it.

    Attributes
    ----------
    base : str
        Key of the catalogue: the name without wear, StatTrak™ and Souvenir, with the ★ of knives and gloves.
    kind : str
        One of `KINDS`.
    weapon : str or None
        Gun, knife or pair of gloves.
    finish : str or None
        Paint of a weapon (None: a vanilla knife), print of a sticker or patch (None: paper), colour of a graffiti.
    wear : str or None
        One of `WEARS`.
    stattrak, souvenir : bool
        Whether it counts kills; whether it dropped at a tournament.
    star : bool
        Whether it carries the ★ of knives and gloves.
    """

    base: str
    kind: str
    weapon: str | None
    finish: str | None
    wear: str | None
    stattrak: bool
    souvenir: bool
    star: bool

    def __str__(self) -> str:
        """Return the market name."""
        prefix = ("Souvenir " if self.souvenir else "") + ("StatTrak™ " if self.stattrak else "")
        name = "★ " + prefix + self.base[2:] if self.star else prefix + self.base
        return f"{name} ({self.wear})" if self.wear else name


@lru_cache(maxsize=1 << 17)
def parse_name(name: str) -> ParsedName:
    """Take a market name apart.

    Runs of spaces count as one; a missing ™ or ★, another order of the prefixes, and prefixes or wear in
    other capitals are understood. Everything else is taken literally. A name that the grammar does not
    know (another game's, say) gets the kind ``"other"`` and itself as base.

    Parameters
    ----------
    name : str
        For example ``"StatTrak™ M4A1-S | Drift (Well-Worn)"``.

    Returns
    -------
    ParsedName
        The parts; ``str()`` of it is the market name again.

    Raises
    ------
    MarketDataError
        If `name` is blank or not a string.
    """
    if not isinstance(name, str):
        raise MarketDataError(f"a market name is text, got {name!r}: drop rows without a name first")
    text = " ".join(name.split())
    if not text:
        raise MarketDataError("a market name is empty: drop rows without a name first")

    body, wear = text, None
    if end := _WEAR_END.search(text):
        body, wear = text[: end.start()], _WEAR_BY_FOLD[end[1].casefold()]
    prefixes = []
    while match := _PREFIX.match(body):
        prefixes.append(_PREFIX_BY_FOLD[match[1].casefold()])
        body = body[match.end() :]

    kind = _kind(body, wear, "★" in prefixes)
    if kind not in _PREFIXED:  # then the words in front are part of the name
        body, prefixes = " ".join([*prefixes, body]), []
        kind = _kind(body, wear, False)
    if kind not in _WORN and wear:
        body, wear = f"{body} ({wear})", None
    star = kind in ("knife", "gloves")
    weapon, finish = _weapon_and_finish(body, kind)
    return ParsedName(
        base=f"★ {body}" if star else body,
        kind=kind,
        weapon=weapon,
        finish=finish,
        wear=wear,
        stattrak="StatTrak™" in prefixes,
        souvenir="Souvenir" in prefixes,
        star=star,
    )


def parse_names(names: Iterable[str]) -> pd.DataFrame:
    """Take many market names apart, each distinct one once.

    Parameters
    ----------
    names : iterable of str
        For example the ``name`` column of a market table; repetitions cost next to nothing.

    Returns
    -------
    pandas.DataFrame
        One row per distinct name in order of appearance, index ``name``, a column for each attribute of
        `ParsedName`; ``wear`` is an ordered category from Factory New to Battle-Scarred, missing parts are NaN.

    Raises
    ------
    MarketDataError
        If a name is blank or not a string.
    """
    if isinstance(names, str):
        names = [names]
    unique = pd.unique(names if isinstance(names, pd.Series) else pd.Series(list(names), dtype=object))
    rows = [parse_name(name) for name in unique]
    columns = {field: [getattr(row, field) for row in rows] for field in ParsedName.__slots__}
    text = ("base", "weapon", "finish")
    return pd.DataFrame(
        {
            **{key: pd.array(columns[key], dtype="str") for key in text},
            "kind": pd.Categorical(columns["kind"], KINDS),
            "wear": pd.Categorical(columns["wear"], WEARS, ordered=True),
            **{key: pd.array(columns[key], dtype=bool) for key in ("stattrak", "souvenir", "star")},
        },
        index=pd.Index(unique, name="name", dtype="str"),
    )[list(ParsedName.__slots__)]


def _kind(body: str, wear: str | None, star: bool) -> str:
    """Kind of a name without prefixes and wear."""
    head, bar, tail = body.partition(" | ")
    if bar and head in _FAMILIES:
        return _FAMILIES[head]
    if head in WEAPONS:
        return "skin" if bar else "equipment"
    if head in GLOVES or (star and head.rpartition(" ")[2] in ("Gloves", "Wraps")):
        return "gloves"
    if head in KNIVES or star:
        return "knife"
    if bar:
        # A weapon newer than the lists above is known by its wear.
        return "agent" if tail in _FACTIONS and not wear else "skin" if wear else "other"
    if body in _ISSUED:
        return "equipment"
    if body in _TOOLS:
        return "tool"
    return next((kind for kind, ending in _ENDINGS if ending.search(body)), "other")


def _weapon_and_finish(body: str, kind: str) -> tuple[str | None, str | None]:
    """Parts of a base: the weapon, and what it is covered or printed with."""
    head, _, tail = body.partition(" | ")
    if kind in _WORN:
        return head, tail or None
    if kind == "equipment":
        return head, None
    if kind in ("sticker", "sticker slab", "patch"):
        return None, match[1] if (match := _PRINT.search(body)) else None
    if kind == "graffiti":
        return None, match[1] if (match := _COLOUR.search(body)) else None
    return None, None
