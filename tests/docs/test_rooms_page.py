"""The map of the house: it names the rooms that there are, and where modules went."""

import re

from tests.conftest import ROOT
from tests.test_architecture import FLOORS

PAGE = (ROOT / "docs" / "rooms.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    return re.search(rf"^## {re.escape(heading)}.*?\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)[1]


def test_every_room_is_on_the_map():
    for package, heading in (
        ("autograder", "The rooms of `autograder/`"),
        ("itemmarket", "The rooms of `itemmarket/`"),
    ):
        named = re.findall(r"`(\w+)(?:/|\.py)`", section(heading))
        assert sorted(named) == sorted(set().union(*FLOORS[package]) - {"cli"})


def test_every_part_is_on_the_map():
    named = set(re.findall(r"^\| `([\w./]+)` \|", section("The parts"), re.MULTILINE))
    folders = {
        f"{path.name}/" for path in ROOT.iterdir() if any(path.glob("**/*.py")) and path.name[0] != "."
    }
    assert {"course.py", "course_environment.py", "tasks.py", "labs/", "lectures/source/"} <= named
    assert folders - {"build/", "lectures/"} <= named
    assert all((ROOT / name).exists() for name in named)


def test_old_names_lead_to_modules_that_exist():
    rows = re.findall(r"^\| (`\S+\.py`.*) \| (`.+`) \|$", section("From old names to new"), re.MULTILINE)
    assert len(rows) > 60
    for old, new in rows:
        paths = re.findall(r"`([\w/]+\.py)`", new)
        assert paths and all((ROOT / path).is_file() for path in paths), new
        if "half" not in old:
            assert not (ROOT / old.strip("`")).exists(), old
