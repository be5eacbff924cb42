"""Makes ``data/catalogue.parquet`` from the pinned npm package @ianlucas/cs2-lib.

npm fetches the package, its sha512 is compared with the pin, node prints its facts
(``data/catalogue.mjs``), and this module turns them into the table that `itemmarket.market.catalogue` reads.
Needed only to make the file again; the file itself is committed, and the same bytes come out every time.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from itemmarket.atomic import atomic_path
from itemmarket.errors import MarketDataError
from itemmarket.market.catalogue import COLUMNS, RARITIES, RARITY_CLASSES, catalogue_path
from itemmarket.market.names import KINDS, parse_name
from itemmarket.paths import ROOT

PACKAGE = "@ianlucas/cs2-lib"
VERSION = "7.33.1"
INTEGRITY = "sha512-xN7HZhA08XBfWQHjZAGuKsjzGU2WHb9ZSuJ+HTGuHD9Rvp1OXZlZOaeuim3O/zNcbqM6gdUuDsi1376307if+Q=="
_ARCHIVE = f"ianlucas-cs2-lib-{VERSION}.tgz"
_SCRIPT = ROOT / "data" / "catalogue.mjs"
_NEEDED = ("dist/items.mjs", "dist/translations/english.mjs", "dist/translations/russian.mjs")

# The game paints a tier in one colour whatever it calls it (see RARITIES); its default colour is the lowest tier's.
_RARITY_BY_COLOUR = dict(
    zip(("#b0c3d9", "#5e98d9", "#4b69ff", "#8847ff", "#d32ce6", "#eb4b4b", "#e4ae39"), RARITIES, strict=True)
) | {"#ded6cc": RARITIES[0]}
_WEAPON_CASE, _SOUVENIR_PACKAGE = 0, 3  # the package's container types
# Words that the package puts before a name, and the market does not.
_WITHOUT_FAMILY = frozenset({"agent", "case", "collectible", "key", "tool"})
_MARKET_TOOLS = frozenset({"Name Tag", "StatTrak™ Swap Tool"})
_NEVER_ON_MARKET = frozenset({"key", "collectible", "equipment", "other"})
# An empty slab, and a charm that is sold only with the name of its highlight.
_NOT_ON_MARKET = frozenset({"Charm | Sticker Slab", "Charm | Austin 2025 Highlight"})


def build_catalogue(work: Path, target: Path | None = None) -> Path:
    """Make the catalogue from the pinned package.

    Parameters
    ----------
    work : Path
        Folder for the download and its unpacked files (``build/catalogue``); what it already holds is used again.
    target : Path, optional
        File to write; default ``catalogue.parquet`` in `itemmarket.data_dir`.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    MarketDataError
        If node or npm is missing, the download fails, or the package is not the pinned one.
    """
    target = target or catalogue_path()
    package = unpack(fetch(work), work / "package")
    write_catalogue(catalogue_table(read_facts(package)), target)
    return target


def fetch(work: Path) -> Path:
    """Download the pinned package with npm unless `work` has it, check its sha512 and return the archive."""
    archive = work / _ARCHIVE
    if not archive.is_file():
        work.mkdir(parents=True, exist_ok=True)
        _run("npm", "pack", f"{PACKAGE}@{VERSION}", "--pack-destination", str(work))
    digest = hashlib.sha512(archive.read_bytes()).digest()
    found = "sha512-" + base64.b64encode(digest).decode()
    if found != INTEGRITY:
        raise MarketDataError(
            f"{archive} is not {PACKAGE} {VERSION}: its hash is {found}, the pinned one {INTEGRITY}; "
            "delete the file and build again"
        )
    return archive


def unpack(archive: Path, folder: Path) -> Path:
    """Write the few modules that are needed out of the archive into `folder` and return it."""
    with tarfile.open(archive, "r:gz") as tar:
        for name in _NEEDED:
            source = tar.extractfile(f"package/{name}")
            if source is None:
                raise MarketDataError(f"{archive} has no package/{name}: delete the file and build again")
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source.read())
    return folder


def read_facts(package: Path) -> list[dict[str, Any]]:
    """Run ``data/catalogue.mjs`` on an unpacked package and return its list of items."""
    return json.loads(_run("node", str(_SCRIPT), str(package)))


def catalogue_table(facts: list[dict[str, Any]]) -> pd.DataFrame:
    """Turn the facts of the package into the catalogue, one row per market name.

    Items of one name (the phases of a Doppler, the levels of a medal) become one row: the first one's,
    since they differ in nothing that the catalogue tells.

    Parameters
    ----------
    facts : list of dict
        What ``data/catalogue.mjs`` prints.

    Returns
    -------
    pandas.DataFrame
        The columns of `itemmarket.market.catalogue.COLUMNS`, sorted by kind and name.

    Raises
    ------
    MarketDataError
        If the package calls something by a name that `itemmarket.parse_name` reads differently.
    """
    stattrak, souvenir = _stattrak_collections(facts), _souvenir_items(facts)
    rows: dict[str, dict[str, Any]] = {}
    for item in facts:
        if item["type"] == "stub":  # placeholders of the package itself
            continue
        name, kind = _market_name(item, item["name"]), _kind(item)
        parsed = parse_name(name)
        if (parsed.base, parsed.kind) != (name, kind):
            raise MarketDataError(
                f"{PACKAGE} item {item['id']} is {name!r}, a {kind}, but parse_name reads "
                f"{parsed.base!r}, a {parsed.kind}: extend the grammar in itemmarket/market/names.py"
            )
        rarity = _RARITY_BY_COLOUR[item["rarity"]]
        rows.setdefault(
            name,
            {
                "name": name,
                "name_ru": _market_name_ru(item, parsed.star),
                "kind": kind,
                "weapon": parsed.weapon,
                "finish": parsed.finish,
                "rarity": rarity,
                "rarity_class": RARITY_CLASSES[rarity],
                "collection": item.get("collection"),
                "wear_min": item.get("wear_min"),
                "wear_max": item.get("wear_max"),
                "stattrak": _has_stattrak(item, kind, stattrak),
                "souvenir": item["id"] in souvenir,
                "marketable": _marketable(item, name, kind, parsed.finish),
            },
        )
    order = {kind: rank for rank, kind in enumerate(KINDS)}
    ordered = sorted(rows.values(), key=lambda row: (order[row["kind"]], row["name"]))
    return pd.DataFrame(ordered, columns=list(COLUMNS))


def write_catalogue(table: pd.DataFrame, target: Path) -> None:
    """Write the table as plain parquet (text, numbers, booleans; no pandas metadata), atomically."""
    types = {"wear_min": pa.float64(), "wear_max": pa.float64()} | dict.fromkeys(
        ("stattrak", "souvenir", "marketable"), pa.bool_()
    )
    schema = pa.schema([(column, types.get(column, pa.string())) for column in COLUMNS])
    arrow = pa.Table.from_pandas(table, schema=schema, preserve_index=False).replace_schema_metadata(None)
    with atomic_path(target) as temporary:
        pq.write_table(arrow, temporary, compression="zstd", compression_level=19)


def _market_name(item: dict[str, Any], name: str) -> str:
    """Name as the market writes it, runs of spaces made one."""
    if item["type"] in _WITHOUT_FAMILY:
        name = name.partition(" | ")[2]
    name = " ".join(name.split())
    if item["type"] == "graffiti":
        name = "Sealed " + name
    elif (item["type"] in ("melee", "glove")) and not item.get("free"):
        name = "★ " + name
    elif item.get("origin", "").startswith("Collectible Pin - "):  # redeemed with the code of a real pin
        name = "Genuine " + name
    return name


def _market_name_ru(item: dict[str, Any], star: bool) -> str:
    """Russian name, in the same form."""
    name = item["name_ru"]
    if item["type"] in _WITHOUT_FAMILY:
        name = name.partition(" | ")[2]
    return ("★ " if star else "") + " ".join(name.split())


def _kind(item: dict[str, Any]) -> str:
    """Kind of an item by the package's type."""
    if item.get("free") and item["type"] in ("weapon", "melee", "glove", "utility"):
        return "equipment"
    if item["type"] == "case":
        return {_WEAPON_CASE: "case", _SOUVENIR_PACKAGE: "souvenir package"}.get(
            item.get("container", -1), "capsule"
        )
    if item["type"] == "collectible":
        return "pin" if item["name"].endswith(" Pin") else "collectible"
    if item["type"] == "keychain":
        return "sticker slab" if item["name"].startswith("Sticker Slab | ") else "charm"
    return {
        "weapon": "skin",
        "melee": "knife",
        "glove": "gloves",
        "musickit": "music kit",
    }.get(item["type"], item["type"])


def _marketable(item: dict[str, Any], name: str, kind: str, finish: str | None) -> bool:
    """Whether the Steam market lists it."""
    if item.get("free") or kind in _NEVER_ON_MARKET or name in _NOT_ON_MARKET:
        return False
    if kind == "tool":
        return name in _MARKET_TOOLS
    return kind != "gloves" or finish is not None  # knives come vanilla, gloves do not


def _has_stattrak(item: dict[str, Any], kind: str, collections: set[str | None]) -> bool:
    """Whether it can count kills: knives, music kits on sale, and skins of the collections given."""
    if kind == "skin":
        return item.get("collection") in collections
    return kind in ("knife", "music kit") and not item.get("free")


def _stattrak_collections(facts: list[dict[str, Any]]) -> set[str | None]:
    """Collections whose skins come with StatTrak™: those of weapon cases.

    A case that shares its collection with souvenir packages (Anubis) has none. The one skin without a
    collection, M4A4 | Howl, was taken out of its case, with StatTrak™.
    """
    by_id = {item["id"]: item for item in facts}
    inside: dict[int, set[str | None]] = {_WEAPON_CASE: set(), _SOUVENIR_PACKAGE: set()}
    for item in facts:
        if item.get("container") in inside:
            inside[item["container"]] |= {by_id[content].get("collection") for content in item["contents"]}
    return inside[_WEAPON_CASE] - inside[_SOUVENIR_PACKAGE] | {None}


def _souvenir_items(facts: list[dict[str, Any]]) -> set[int]:
    """Items that souvenir packages hold, by id."""
    packages = (item for item in facts if item.get("container") == _SOUVENIR_PACKAGE)
    return {content for item in packages for content in item["contents"]}


def _run(*command: str) -> str:
    """Run a program of Node.js and return what it prints; its troubles become one clear sentence."""
    program = shutil.which(command[0])
    if program is None:
        raise MarketDataError(
            f"{command[0]} is not installed: the catalogue is built with Node.js 20 or newer (nodejs.org); "
            "the committed data/catalogue.parquet needs no building"
        )
    done = subprocess.run([program, *command[1:]], capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no message"]
        reason = next((line for line in said if "error" in line.casefold()), said[-1])
        raise MarketDataError(f"`{' '.join(command)}` failed ({reason}): check the network and try again")
    return done.stdout
