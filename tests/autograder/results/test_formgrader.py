"""A graded class opens in nbgrader's formgrader: a real server and a real browser look at it."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from autograder import cli
from tests.labs.handing_in import FOLDER, hand_in, hand_in_stub

pytestmark = pytest.mark.machine
LAB = FOLDER.name
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    *(
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--window-size=1400,1400",
    ),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    """A class of three, graded."""
    submitted, out = tmp_path_factory.mktemp("submitted"), tmp_path_factory.mktemp("course") / "root"
    hand_in(submitted, "ada")
    hand_in_stub(submitted, "bob")
    (submitted / "nil" / LAB).mkdir(parents=True)
    (submitted / "ada" / LAB / "timestamp.txt").write_text("2026-03-01 12:00:00 UTC")
    assert cli.grade([str(FOLDER) + os.sep, str(submitted), "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def formgrader(course, tmp_path_factory) -> Iterator[str]:
    """The address of a Jupyter server with nbgrader's extension, started in the course root."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = tmp_path_factory.mktemp("home")
    private = {f"JUPYTER_{kind}_DIR": str(home / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
    options = {
        "ip": "127.0.0.1",
        "port": port,
        "port_retries": 0,
        "root_dir": course,
        "open_browser": False,
        "allow_root": True,
        "jpserver_extensions": "{'nbgrader.server_extensions.formgrader': True}",
    }
    command = [sys.executable, "-m", "jupyter", "server", "--IdentityProvider.token="]
    command += [f"--ServerApp.{name}={value}" for name, value in options.items()]
    path = str(Path(sys.executable).parent) + os.pathsep + os.environ.get("PATH", "")
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(
            command,
            cwd=course,
            stdout=log,
            stderr=log,
            env=os.environ | private | {"HOME": str(home), "PATH": path},
        )
        address = f"http://127.0.0.1:{port}/formgrader"
        deadline = time.monotonic() + 120
        try:
            while not _answers(f"{address}/manage_assignments"):
                assert server.poll() is None and time.monotonic() < deadline, (
                    home / "server.log"
                ).read_text()
                time.sleep(0.3)
            yield address
        finally:
            server.terminate()
            server.wait(timeout=30)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[webdriver.Chrome]:
    """Headless Chromium with a profile of its own."""
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("machine: there is no Chromium with ChromeDriver (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as browser:
        yield browser


@pytest.fixture
def look(browser, formgrader, root):
    """Open a page of the formgrader, wait until ``ready`` finds something, and keep a screenshot."""

    def look(page: str, ready, picture: str):
        if page:
            browser.get(f"{formgrader}/{page}")
        found = WebDriverWait(browser, 60).until(lambda _: ready())
        folder = root / "build" / "screenshots"
        folder.mkdir(parents=True, exist_ok=True)
        assert browser.save_screenshot(str(folder / f"formgrader_{picture}.png"))
        return found

    return look


ROWS = """return [...document.querySelectorAll('table tbody tr')].map(
    row => [...row.querySelectorAll('td')].map(cell => cell.innerText.trim()))"""


def rows(browser) -> list[list[str]]:
    """The cells of the page's table, read in one step; nothing while it is still being filled."""
    table = [row for row in browser.execute_script(ROWS) if len(row) > 2]  # other rows span all columns
    return table if all(row[1] for row in table) else []


def test_manage_assignments_lists_the_lab_and_its_submissions(browser, look):
    (row,) = look("manage_assignments", lambda: rows(browser), "assignments")
    assert row[0] == LAB and "3" in row


def test_manage_submissions_calls_them_autograded_with_their_scores(browser, look):
    table = look(f"manage_submissions/{LAB}", lambda: rows(browser), "submissions")
    found = {row[1]: row for row in table}
    assert set(found) == {"ada", "bob", "nil"}
    assert {name: [c for c in row if " / " in c] for name, row in found.items()} == {
        "ada": ["12 / 12"],
        "bob": ["0 / 12"],
        "nil": ["0 / 12"],
    }
    assert all("graded" in row for row in found.values())
    assert any("2026-03-01 12:00:00" in cell for cell in found["ada"])


def test_manage_students_shows_the_scores(browser, look):
    table = look("manage_students", lambda: rows(browser), "students")
    assert {row[1]: row[3] for row in table} == {"ada": "12 / 12", "bob": "0 / 12", "nil": "0 / 12"}


def test_one_submission_opens_after_showing_all_names(browser, look):
    look(f"gradebook/{LAB}/{LAB}", lambda: rows(browser), "names_hidden")
    assert not any("ada" in cell for row in rows(browser) for cell in row)
    browser.find_element(By.ID, "toggle_names").click()
    table = look("", lambda: [row for row in rows(browser) if "ada" in row], "names_shown")
    assert table[0].count("12 / 12") == 2 and len(rows(browser)) == 3
    browser.find_element(By.LINK_TEXT, "ada").click()

    def automatic_scores() -> list[str]:  # a field's placeholder; its value would be a score by hand
        fields = browser.find_elements(By.CSS_SELECTOR, "input.score")
        found = [field.get_attribute("placeholder") for field in fields]
        return found if all(found) else []

    assert list(map(float, look("", automatic_scores, "submission"))) == [4, 4, 2, 2]
    text = browser.find_element(By.TAG_NAME, "body").text
    assert "slope {value:.2f}" in text and "Noise averages out." in text
