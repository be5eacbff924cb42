"""Looks at pages in a real browser: sizes of a phone and of a desk, axe-core, screenshots."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_selenium_python import Axe
from selenium import webdriver

from tests.autograder.results.test_formgrader import CHROMIUM, FLAGS

PHONE, DESK = 360, 1200


@contextmanager
def chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    """Headless Chromium with a profile of its own."""
    binary = next(filter(None, map(shutil.which, CHROMIUM)), None)
    driver = shutil.which("chromedriver")
    if not binary or not driver:
        pytest.skip("machine: there is no Chromium with ChromeDriver (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as browser:
        yield browser


def look(browser: webdriver.Chrome, page: Path, width: int) -> list[str]:
    """Open a page in a width and return what axe-core objects to; keep a screenshot in build/screenshots."""
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.resolve().as_uri())
    axe = Axe(browser)
    axe.inject()
    found = axe.run()
    folder = Path(__file__).parent.parent / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(folder / f"{page.parent.name}_{page.stem}_{width}.png"))
    assert found["passes"]  # it did look
    doubts = [
        rule for rule in found["incomplete"] if rule["id"] != "th-has-data-cells"
    ]  # a column without flags
    return [
        f"{rule['id']}: {node['html']}" for rule in found["violations"] + doubts for node in rule["nodes"]
    ]


def overflow(browser: webdriver.Chrome) -> int:
    """Return by how many pixels the page is wider than the window."""
    return browser.execute_script(
        "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
