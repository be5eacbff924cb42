"""Fixtures that several test files share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def real_market() -> Path:
    """Folder of the real market history (see its README); a user's machine lacks it."""
    folder = Path(os.environ.get("COURSE_REAL_MARKET", ROOT.parent / "shared" / "real_market"))
    if not (folder / "steam_daily.parquet").is_file():
        pytest.skip(f"machine: the real market history is not at {folder} (set COURSE_REAL_MARKET)")
    return folder


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--long` runs the full form of slow checks."""
    parser.addoption("--long", action="store_true", help="run the full form of slow checks too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave long checks out unless asked for: deselected, not skipped, so a skip always means a lack."""
    if config.getoption("--long"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if item not in long]
    config.hook.pytest_deselected(items=long)
