"""Plots carry title, units and alt text; the alt text reaches every kind of reader."""

import base64
import io
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from itemmarket.datasets.splits import temporal_split
from itemmarket.errors import MarketDataError
from itemmarket.evaluation import metrics, plots

DAYS = pd.date_range("2024-01-01", periods=200)
SHARES = pd.DataFrame({"one": [0.5, 1.0], "other": [0.25, 0.75]}, index=["easy", "hard"])


@pytest.fixture(scope="module")
def prices() -> pd.DataFrame:
    price = 1.5 + np.sin(np.arange(200) / 20)
    return pd.DataFrame(
        {"name": "AK-47 | Redline (Field-Tested)", "date": DAYS, "price": price, "volume": 40}
    )


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    y, items = generator.normal(size=500), np.arange(500) % 20
    noise = generator.normal(size=500)
    return metrics.compare(y, {"good": y + noise * 0.5, "persistence": y * 0, "bad": noise * 2}, items=items)


@pytest.fixture(scope="module")
def figures(prices, table) -> dict:
    y = np.linspace(-0.1, 0.1, 300)
    shuffled = np.random.default_rng(0).permutation(200)
    splits = {
        "Shuffled": (shuffled[:160], shuffled[160:]),
        "Temporal": temporal_split(DAYS, test_fraction=0.2, lookback=9),
    }
    return {
        "history": plots.price_history(prices, "AK-47 | Redline (Field-Tested)"),
        "scatter": plots.predicted_vs_actual(y, 0.5 * y),
        "bars": plots.rmse_over_persistence(table),
        "splits": plots.split_diagram(DAYS, splits),
        "accuracies": plots.accuracies(SHARES, title="Two questions", chance=0.3),
    }


@pytest.mark.parametrize(
    ("which", "words"),
    [
        (
            "history",
            [
                "AK-47 | Redline (Field-Tested)",
                "2024-01-01",
                "2024-07-18",
                "0.50",
                "2.50 USD",
                "40 in the median",
            ],
        ),
        ("scatter", ["300 predictions", "log price change", "RMSE 0.02896", "correlation 1.00"]),
        ("accuracies", ["easy: one 0.500, other 0.250; hard: one 1.000, other 0.750.", "class: 0.300"]),
        ("bars", ["less is better", "persistence 1.000 (1.000 to 1.000)", "good 0.", "bad 2."]),
        (
            "splits",
            [
                "Shuffled: train 2024-01-01",
                "left out 2024-05-30 to 2024-06-08",
                "test 2024-06-09 to 2024-07-18",
            ],
        ),
    ],
)
def test_the_alt_text_says_what_the_plot_shows(figures, which, words):
    for word in words:
        assert word in figures[which].alt_text


@pytest.mark.parametrize("which", ["history", "scatter", "bars", "splits", "accuracies"])
def test_every_plot_has_a_title_labels_and_ink(figures, which):
    figure = figures[which]
    titles = [
        figure.get_suptitle(),
        *(axes.get_title(loc) for axes in figure.axes for loc in ("left", "center")),
    ]
    assert any(titles)
    assert figure.axes[-1].get_xlabel()
    png = plots.to_png(figure)
    from matplotlib.image import imread

    pixels = imread(io.BytesIO(png))[..., :3]
    assert (pixels < 0.9).any(axis=2).mean() > 0.01
    assert figure.alt_text.split(":")[0].encode("latin-1", "replace")[:40] in png


def test_axes_say_their_units(figures):
    assert [axes.get_ylabel() for axes in figures["history"].axes] == ["Price (USD)", "Units sold"]
    assert figures["scatter"].axes[0].get_ylabel() == "Predicted (log price change)"
    assert figures["bars"].axes[0].get_xlabel().startswith("RMSE / RMSE of persistence")


def test_bars_are_the_figures_of_the_table_and_differ_in_grey(figures, table):
    (axes,) = figures["bars"].axes
    assert [bar.get_width() for bar in axes.patches] == pytest.approx(table["rmse_ratio"].tolist())
    assert [label.get_text() for label in axes.get_yticklabels()] == ["good", "persistence", "bad"]
    assert len({bar.get_hatch() for bar in axes.patches}) == 3
    assert {text.get_text() for text in axes.texts} == {f"{ratio:.3f}" for ratio in table["rmse_ratio"]}


def test_bars_side_by_side_are_the_shares_of_the_table(figures):
    (axes,) = figures["accuracies"].axes
    assert [bar.get_width() for bar in axes.patches] == [0.5, 1.0, 0.25, 0.75]
    first, second = (np.array([bar.get_y() for bar in bars]) for bars in axes.containers)
    assert (second > first).all() and second[0] < first[1]
    assert len({bar.get_hatch() for bar in axes.patches}) == 2
    assert axes.lines[0].get_xdata()[0] == 0.3
    assert [label.get_text() for label in axes.get_yticklabels()] == ["easy", "hard"]


def test_the_split_diagram_draws_every_day_in_its_part(figures):
    shuffled, temporal = figures["splits"].axes
    assert [label.get_text() for label in temporal.get_yticklabels()] == ["train", "left out", "test"]
    counts = [len(part.get_positions()) for part in temporal.collections]
    assert counts == [150, 10, 40]
    assert [len(part.get_positions()) for part in shuffled.collections] == [160, 0, 40]
    last_trained, first_tested = (
        max(temporal.collections[0].get_positions()),
        min(temporal.collections[2].get_positions()),
    )
    assert first_tested - last_trained == 11


def test_lines_of_the_house_style_differ_by_dashes_and_by_colours_that_the_colour_blind_tell_apart():
    import matplotlib as mpl

    with plots.house_style():
        cycle = list(mpl.rcParams["axes.prop_cycle"])
    assert len({str(entry["linestyle"]) for entry in cycle}) == len(cycle) == 7
    assert {entry["color"] for entry in cycle} == set(plots.PALETTE.values())
    # Viénot, Brettel and Mollon (1999): how a deuteranope sees linear RGB.
    seen = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])
    rgb = np.array([mpl.colors.to_rgb(colour) for colour in plots.PALETTE.values()]) ** 2.2 @ seen.T
    apart = np.linalg.norm(rgb[:, None] - rgb[None], axis=2)[~np.eye(len(rgb), dtype=bool)]
    assert apart.min() > 0.1


def test_what_cannot_be_drawn_is_named(prices):
    with pytest.raises(MarketDataError, match="no item 'AWP'"):
        plots.price_history(prices, "AWP")
    with pytest.raises(ValueError, match="NaN"):
        plots.predicted_vs_actual([0.0, np.nan], [0.0, 1.0])
    with pytest.raises(ValueError, match="rmse_ratio"):
        plots.rmse_over_persistence(pd.DataFrame({"rmse": [1.0]}))
    with pytest.raises(ValueError, match="at least one split"):
        plots.split_diagram(DAYS, {})
    with pytest.raises(ValueError, match="'x' has positions beyond its 200 dates"):
        plots.split_diagram(DAYS, {"x": ([0], [200])})
    for table in (SHARES * 2, SHARES.head(0), SHARES * np.nan):
        with pytest.raises(ValueError, match="shares from 0 to 1"):
            plots.accuracies(table)


def test_a_constant_truth_is_drawn():
    assert "RMSE 0" in plots.predicted_vs_actual([0.0, 0.0], [0.0, 0.0]).alt_text


def test_importing_does_not_import_matplotlib():
    code = "import sys, itemmarket.evaluation.plots; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_show_needs_alt_text_and_is_quiet_outside_notebooks(figures, capsys):
    from matplotlib.figure import Figure

    with pytest.raises(ValueError, match="no alt text"):
        plots.show(Figure())
    plots.show(figures["scatter"])
    assert capsys.readouterr().out == ""


def test_readers_of_a_notebook_get_the_alt_text_and_one_picture():
    import nbformat
    from nbclient import NotebookClient
    from nbconvert import HTMLExporter, MarkdownExporter

    source = (
        "import matplotlib.pyplot as plt\nfrom itemmarket.evaluation import plots\n"
        "figure, axes = plt.subplots()\naxes.plot([1, 2])\n"
        "plots.show(figure, alt='A line that \"rises\" from 1 to 2 & ends <there>.')"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    alt = 'A line that "rises" from 1 to 2 & ends <there>.'
    (output,) = notebook.cells[0].outputs
    assert output.metadata["image/png"]["alt"] == alt
    assert output.data["text/plain"] == alt
    (image,) = images(output.data["text/html"])
    assert image["alt"] == alt
    assert base64.b64decode(image["src"].split(",")[1]).startswith(b"\x89PNG")
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert [tag["alt"] for tag in images(page) if tag["src"].startswith("data:image/png")] == [alt]
    assert MarkdownExporter().from_notebook_node(notebook)[0].count("<img") == 1


def images(page: str) -> list[dict[str, str]]:
    """Attributes of every img tag of a page."""
    found = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attributes):
            if tag == "img":
                found.append(dict(attributes))

        handle_startendtag = handle_starttag

    Parser().feed(page)
    return found


def test_the_same_data_give_the_same_bytes(prices, table):
    name = prices["name"].iloc[0]
    for draw in (
        lambda: plots.price_history(prices, name, log=True),
        lambda: plots.predicted_vs_actual(np.arange(9), np.arange(9) ** 2),
        lambda: plots.rmse_over_persistence(table),
        lambda: plots.split_diagram(DAYS, {"x": ([0, 1, 2], [3, 9])}),
    ):
        assert plots.to_png(draw()) == plots.to_png(draw())
