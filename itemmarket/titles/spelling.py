"""How sellers and marketplaces write what they sell: everything but the market's exact hash name.

Wear in two letters or left out, ``ST`` for StatTrak™, ``AK47``, no bar, no ★, URL slugs, typos, Russian.
"""

import re
import unicodedata
from typing import NamedTuple

import numpy as np

from itemmarket.market.names import WEARS

SPELLINGS = ("plain", "english", "market", "typos", "russian")
"""How titles can be written: the exact market hash name; the ways English listings are written; those, one in twelve
in Russian and one in ten of the rest mistyped; English with one or two typos in each; Russian."""
WEARS_RU = (
    "Прямо с завода",
    "Немного поношенное",
    "После полевых испытаний",
    "Поношенное",
    "Закалённое в боях",
)
"""The five wear names in Russian, best first."""
_SHORT = dict(zip(WEARS, ("FN", "MW", "FT", "WW", "BS"), strict=True))
_IN_RUSSIAN = dict(zip(WEARS, WEARS_RU, strict=True))
_NICKNAMES = {
    "AK-47": ("AK47", "AK"),
    "CZ75-Auto": ("CZ75", "CZ-75"),
    "Desert Eagle": ("Deagle",),
    "Dual Berettas": ("Dualies", "Dual Beretta"),
    "Five-SeveN": ("Five Seven", "FiveSeven", "57"),
    "Galil AR": ("Galil", "Galil-AR"),
    "Glock-18": ("Glock", "Glock 18"),
    "M4A1-S": ("M4A1S", "M4A1 S", "M4A1"),
    "MAC-10": ("MAC10", "MAC 10"),
    "MP5-SD": ("MP5", "MP5SD"),
    "PP-Bizon": ("Bizon", "PP Bizon"),
    "R8 Revolver": ("R8", "Revolver"),
    "SCAR-20": ("SCAR", "SCAR20"),
    "SG 553": ("SG553", "SG"),
    "SSG 08": ("SSG08", "Scout"),
    "Sawed-Off": ("Sawed Off", "Sawedoff"),
    "Tec-9": ("Tec9", "Tec 9"),
    "UMP-45": ("UMP45", "UMP"),
    "USP-S": ("USP", "USPS", "USP S"),
    "Zeus x27": ("Zeus",),
    "Broken Fang Gloves": ("Broken Fang",),
    "Sport Gloves": ("Sports Gloves",),
    "Hand Wraps": ("Wraps",),
}
_KEY_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {
    letter: "".join(row[max(0, at - 1) : at] + row[at + 1 : at + 2])
    for row in _KEY_ROWS
    for at, letter in enumerate(row)
}
_LETTER = re.compile(r"[A-Za-z]")
_RUSSIAN_SHARE, _TYPO_SHARE = 1 / 12, 1 / 10  # of the spelling "market"


class Listing(NamedTuple):
    """What a title says, before it is written."""

    base: str
    base_ru: str
    kind: str
    weapon: str | None
    wear: str | None
    stattrak: bool
    souvenir: bool


class Dice:
    """The uniform numbers of one title, taken one by one: a title depends on its own row of numbers only."""

    def __init__(self, numbers: np.ndarray):
        self._numbers = iter(numbers.tolist())

    def __call__(self) -> float:
        """Return the next number, 0 to 1."""
        return next(self._numbers)

    def happens(self, share: float) -> bool:
        """Tell whether something that happens to this share of titles happens to this one."""
        return self() < share

    def pick(self, *choices: str) -> str:
        """Return one of the choices; who repeats one makes it likelier."""
        return choices[int(self() * len(choices))]


def write_title(listing: Listing, spelling: str, dice: Dice) -> str:
    """Write one title."""
    if spelling == "plain":
        return _plain(listing)
    if spelling == "russian" or (spelling == "market" and dice.happens(_RUSSIAN_SHARE)):
        return _russian(listing, dice)
    title = _english(listing, dice)
    if spelling == "typos" or (spelling == "market" and dice.happens(_TYPO_SHARE)):
        title = _mistype(title, dice)
        if dice.happens(1 / 4):
            title = _mistype(title, dice)
    return title


def _plain(listing: Listing) -> str:
    """Market hash name."""
    prefix = ("Souvenir " if listing.souvenir else "") + ("StatTrak™ " if listing.stattrak else "")
    star = "★ " if listing.base.startswith("★ ") else ""
    wear = f" ({listing.wear})" if listing.wear else ""
    return f"{star}{prefix}{listing.base.removeprefix('★ ')}{wear}"


def _russian(listing: Listing, dice: Dice) -> str:
    """Write as the Russian market does, or nearly."""
    parts = []
    if listing.base.startswith("★ ") and not dice.happens(0.3):
        parts.append("★")
    if listing.souvenir:
        parts.append(dice.pick("Сувенир", "Сувенирный"))
    if listing.stattrak:
        parts.append(dice.pick("StatTrak™", "StatTrak™", "StatTrak", "ST"))
    parts.append(listing.base_ru.removeprefix("★ "))
    if listing.wear and not dice.happens(0.15):
        parts.append(
            dice.pick(f"({_IN_RUSSIAN[listing.wear]})", _IN_RUSSIAN[listing.wear], _SHORT[listing.wear])
        )
    title = " ".join(parts)
    if dice.happens(0.3):
        title = title.replace(" | ", dice.pick(" ", " - "))
    return title.lower() if dice.happens(0.3) else title


def _english(listing: Listing, dice: Dice) -> str:
    """Write as English listings are written, without typos."""
    style = dice()
    if style < 0.25:
        title = _plain(listing)
    else:
        title = _free(listing, dice)
        if style < 0.37:
            return re.sub(r"[\W_]+", "-", title.lower()).strip("-")
    if dice.happens(0.35):
        title = without_glyphs(title)
    case = dice()
    return title.lower() if case < 0.25 else title.upper() if case < 0.32 else title


def _free(listing: Listing, dice: Dice) -> str:
    """Write the parts of a name in a seller's own way."""
    name = listing.base.removeprefix("★ ")
    if listing.weapon:
        _, bar, finish = name.partition(" | ")
        name = _weapon(listing.weapon, dice) + bar + finish
    elif name.startswith("Sticker | ") and dice.happens(0.25):
        name = name.removeprefix("Sticker | ") + " Sticker"
    if dice.happens(0.15):  # Paris 23
        name = re.sub(r"\b20(\d\d)$", r"\1", name)
    if dice.happens(0.6):
        name = name.replace(" | ", dice.pick(" - ", " ", " ", "|", ", "))
    if dice.happens(0.3):
        name = name.replace("(", "").replace(")", "")
    parts = [name]
    if listing.wear:
        long, short = listing.wear, _SHORT[listing.wear]
        parts.append(
            dice.pick(
                f"({long})", f"({short})", short, short, f"[{short}]", long.replace("-", " "), f"- {long}", ""
            )
        )
    if listing.stattrak or listing.souvenir:
        mark = (
            dice.pick("StatTrak™", "StatTrak", "Stat Trak", "ST", "ST™", "stattrack")
            if listing.stattrak
            else dice.pick("Souvenir", "Souvenir", "Souv.", "SV")
        )
        parts.insert(0 if dice.happens(0.75) else len(parts), mark)
    if listing.base.startswith("★ "):
        parts.insert(0, dice.pick("★", "★", "", "", "*"))
    return " ".join(part for part in parts if part)


def _weapon(weapon: str, dice: Dice) -> str:
    """Name a weapon as players do."""
    nicknames = _NICKNAMES.get(weapon)
    if nicknames and dice.happens(0.5):
        return dice.pick(*nicknames)
    return weapon.removesuffix(" Knife") if dice.happens(0.3) else weapon


def without_glyphs(title: str) -> str:
    """Leave out what a keyboard does not have: ™, ★, accents, Chinese; a title of nothing else stays."""
    plain = unicodedata.normalize("NFKD", title.replace("™", "")).encode("ascii", "ignore").decode()
    return " ".join(plain.replace("()", "").split())


def _mistype(title: str, dice: Dice) -> str:
    """Hit one letter wrongly: two swapped, one left out, doubled, or the key beside it. Digits stay."""
    places = [match.start() for match in _LETTER.finditer(title)]
    if not places:
        return title
    at = places[int(dice() * len(places))]
    before, letter, after = title[:at], title[at], title[at + 1 :]
    slip = dice.pick("swap", "drop", "double", "neighbour")
    if slip == "swap" and after[:1].isalpha() and after[0] != letter:
        return before + after[0] + letter + after[1:]
    if slip == "drop":
        return before + after
    if slip == "double":
        return before + letter + letter + after
    wrong = dice.pick(*_NEIGHBOURS[letter.lower()])
    return before + (wrong.upper() if letter.isupper() else wrong) + after
