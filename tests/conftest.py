"""Fixtures that several test files share."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LONG_SECONDS = 3600  # the limit of a slow check; that of others stands in pyproject.toml


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
    long = [item for item in items if item.get_closest_marker("long")]
    if config.getoption("--long"):
        for item in long:  # a class of a hundred, graded for one of them, is graded for all of them
            item.add_marker(pytest.mark.timeout(LONG_SECONDS))
        return
    items[:] = [item for item in items if item not in long]
    config.hook.pytest_deselected(items=long)


REQUIRE_ALL = "COURSE_REQUIRE_ALL"


def fail_if_machine_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip for a lack of this machine into a failure where the machine is to have everything (our CI)."""
    if not report.skipped or hasattr(report, "wasxfail") or not os.environ.get(REQUIRE_ALL):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if reason.startswith("machine:"):
        report.outcome = "failed"
        report.longrepr = f"{REQUIRE_ALL} is set, and this check was skipped: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look at every test's verdict."""
    report = yield
    fail_if_machine_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Look at modules that skip themselves as a whole."""
    report = yield
    fail_if_machine_skip(report)
    return report
