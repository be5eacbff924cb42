"""Draws the pictures of README.md from what they show: lecture 1, and the report of the example class.

Start it in the repository with the environment's Python, after a run::

    python3 course.py run
    .venv/bin/python -m tests.pictures

It prints the alt text of each picture; README.md repeats them, and tests compare the numbers with new ones.
"""

import io
import re
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from itemmarket.evaluation import plots
from itemmarket.paths import ROOT
from tests.pages import DESK, chromium

DOCS = ROOT / "docs"
REPORT = ROOT / "build" / "run" / "report.html"
SHAPES = {
    "shuffled": "the dots lie close to the diagonal of a perfect model",
    "temporal": "the dots form a flat cloud that does not follow the diagonal",
}
HEIGHT = 790  # of the report's top, in pixels: the scores and the first questions


def run_lecture() -> dict[str, Any]:
    """Execute lecture 1 without showing anything and return the names that its cells leave behind."""
    (source,) = (ROOT / "lectures" / "source").glob("01_*.py")
    names: dict[str, Any] = {}
    show, plots.show = plots.show, lambda figure, alt=None: None
    try:
        exec(compile(source.read_text(encoding="utf-8"), str(source), "exec"), names)
    finally:
        plots.show = show
    return names


def scatter_plots(names: dict[str, Any]) -> dict[str, tuple[bytes, str]]:
    """Return PNG and alt text of the lecture's two scatter plots by file name.

    Parameters
    ----------
    names : dict
        From :func:`run_lecture`.
    """
    pictures = {}
    for split, forecast in (("shuffled", "lucky"), ("temporal", "honest")):
        _, held_out = names[split]
        truth, guess = names["y"][held_out], names[forecast]
        r2 = f"{names[f'r2_{split}']:.2f}".replace("-", "\N{MINUS SIGN}")
        alt = (
            f"Scatter plot of {len(truth)} forecasts a month ahead against what came true, {split} split: "
            f"{SHAPES[split]}; R² is {r2}."
        )
        figure = plots.predicted_vs_actual(truth, guess, title=f"{split.capitalize()} split: R² = {r2}")
        pictures[f"{split}.png"] = plots.to_png(figure, alt), alt
    return pictures


def report_top(report: Path) -> tuple[bytes, str]:
    """Return a screenshot of a report's top, and its alt text.

    Parameters
    ----------
    report : pathlib.Path
        ``report.html`` of a graded class.
    """
    with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as browser:
        size = {"width": DESK, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        browser.get(report.resolve().as_uri())
        return browser.get_screenshot_as_png(), report_alt(report)


def report_alt(report: Path) -> str:
    """Return the alt text of a report's picture, with the numbers of its first sentence."""
    text = report.read_text(encoding="utf-8")
    title = re.search(r"<h1>(.*?)</h1>", text)[1]
    sentence = " ".join(re.search(r"</h1>\s*<p>(.*?)</p>", text, re.DOTALL)[1].split())
    return (
        f"The report of the example class for {title}. {sentence} Below it, a histogram of the students by points and, "
        "for each question, the mean share of the points and how well it tells strong work from weak."
    )


def numbers_in(alt: str) -> list[float]:
    """Return the numbers in an alt text; two pictures of the same thing differ in these alone."""
    return [
        float(one.replace("\N{MINUS SIGN}", "-"))
        for one in re.findall(r"[-\N{MINUS SIGN}]?\d+(?:\.\d+)?", alt)
    ]


def as_palette(png: bytes) -> bytes:
    """Return a PNG of 64 colours, which is a third of the size."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(64).save(buffer, "png", optimize=True)
    return buffer.getvalue()


def main() -> None:
    """Draw all pictures."""
    for name, (png, alt) in {**scatter_plots(run_lecture()), "report.png": report_top(REPORT)}.items():
        small = as_palette(png)
        (DOCS / name).write_bytes(small)
        print(f"docs/{name} ({len(small) // 1024} KB)\n{alt}\n")


if __name__ == "__main__":
    main()
