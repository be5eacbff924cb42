"""Fixtures that several test files share."""

import functools
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.sharing import LEDGER, count_executions, executed_twice, names_of_lecture

ROOT = Path(__file__).resolve().parent.parent
# Files that take a minute or more, the longest first: started last, they would keep one of two workers waiting.
LONGEST = (
    *(
        "solutions/test_class_lab3",
        "solutions/test_class_lab2",
        "test_readme",
        "solutions/test_reference_notebooks",
    ),
    *("lectures/04_", "autograder/release/test_release", "simulation/test_realism", "lectures/test_lecture3"),
    *(
        "running/test_resume",
        "running/test_grade",
        "test_door",
        "redteam/test_labs",
        "fairness/test_fairness",
    ),
)
_LEDGER = pytest.StashKey[Path]()
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
    for item in items:
        if getattr(item, "nbmake", False) and item.path.parent == ROOT / "lectures":
            item.runtest = functools.partial(_execute_once, item)
    items.sort(
        key=lambda item: next((n for n, file in enumerate(LONGEST) if file in item.nodeid), len(LONGEST))
    )
    long = [item for item in items if item.get_closest_marker("long")]
    if config.getoption("--long"):
        for item in long:  # a class of a hundred, graded for one of them, is graded for all of them
            item.add_marker(pytest.mark.timeout(LONG_SECONDS))
        return
    items[:] = [item for item in items if item not in long]
    config.hook.pytest_deselected(items=long)


def _execute_once(item: pytest.Item) -> None:
    """Execute a lecture, unless the tests of what it says have: its notebook runs once, for both."""
    names_of_lecture(ROOT, item.config._tmp_path_factory, int(item.path.name[:2]))


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Keep a ledger of the notebooks that are executed, in whichever process of this run."""
    if LEDGER not in os.environ:
        config.stash[_LEDGER] = Path(tempfile.mkdtemp(prefix="ledger-"), "notebooks.txt")
        os.environ[LEDGER] = str(config.stash[_LEDGER])
    count_executions()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that has executed one of the course's notebooks twice; its first process looks."""
    ledger = session.config.stash.get(_LEDGER, None)
    if ledger is None:
        return
    for notebook in executed_twice(ledger):
        print(f"\nexecuted more than once, and once is enough: the notebook that begins with {notebook}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    shutil.rmtree(ledger.parent, ignore_errors=True)
    os.environ.pop(LEDGER, None)


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
