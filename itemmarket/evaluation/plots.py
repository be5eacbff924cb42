"""Plots in the house style, each with title, units and alt text, readable in grey and by the colour-blind.

matplotlib is imported when the first plot is drawn. The helpers return a figure that carries its alt text;
`show` puts both into a notebook. Figures are made without pyplot: nothing stays open behind the reader's back.
"""

import base64
import html
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from itemmarket.errors import MarketDataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALETTE = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "purple": "#CC79A7",
}
"""The colour-blind-safe palette of Okabe and Ito (2008, *Color Universal Design*), without its yellow, which
white paper swallows."""

_ORDER = ("blue", "vermilion", "green", "orange", "purple", "sky", "black")
_LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_HATCHES = ("", "//", "..", "xx", "\\\\", "++", "oo")

_STYLE = {
    "figure.figsize": (7.0, 3.6),
    "figure.constrained_layout.use": True,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "font.size": 10.0,
}
_DPI = 144
_POINTS = 4000  # more dots than this only make a scatter blacker


@contextmanager
def house_style() -> Iterator[None]:
    """Draw plots of your own in the house style: ``with house_style(): figure = …``.

    Lines differ by colour *and* by dashes, so they can be told apart in grey.
    """
    import matplotlib as mpl
    from cycler import cycler

    cycle = cycler(color=[PALETTE[name] for name in _ORDER]) + cycler(linestyle=_LINES)
    style: dict[Any, Any] = {**_STYLE, "axes.prop_cycle": cycle}
    with mpl.rc_context(style):
        yield


def _figure(rows: int = 1, **layout: Any) -> tuple["Figure", Any]:
    """Return a figure and its axes, in the house style of the caller's block."""
    from matplotlib.figure import Figure

    figure = Figure()
    return figure, figure.subplots(rows, **layout)


def _finish(figure: "Figure", alt: str) -> "Figure":
    figure.alt_text = alt  # type: ignore[attr-defined]  # where `show` looks for it
    return figure


def price_history(prices: pd.DataFrame, name: str, *, log: bool = False) -> "Figure":
    """Plot the daily price (USD) and volume (units sold) of one item.

    Parameters
    ----------
    prices : DataFrame
        A market table.
    name : str
        The item.
    log : bool, default False
        Logarithmic price axis: equal distances are equal percentages.

    Raises
    ------
    MarketDataError
        The item is not in the table.
    """
    item = prices[prices["name"] == name].sort_values("date")
    if item.empty:
        raise MarketDataError(f"no item {name!r} in the market table: see prices['name'].unique()")
    days, price, volume = (item[column].to_numpy() for column in ("date", "price", "volume"))
    with house_style():
        figure, (above, below) = _figure(2, sharex=True, height_ratios=(3, 1))
        above.plot(days, price, color=PALETTE["blue"])
        above.set(title=name, ylabel="Price (USD)", yscale="log" if log else "linear")
        below.fill_between(days, volume, step="mid", color=PALETTE["black"], alpha=0.5, linewidth=0)
        below.set(ylabel="Units sold", ylim=(0, None))
        _date_axis(below, "Date")
    return _finish(
        figure,
        f"Line chart of the daily price of {name} from {_day(days[0])} to {_day(days[-1])}: it starts at"
        f" {price[0]:.2f} USD, ends at {price[-1]:.2f} USD and stays between {price.min():.2f} and"
        f" {price.max():.2f} USD. Below it the units sold each day, {np.median(volume):.0f} in the median.",
    )


def predicted_vs_actual(
    y: ArrayLike,
    prediction: ArrayLike,
    *,
    title: str = "Predicted against actual",
    unit: str = "log price change",
) -> "Figure":
    """Plot predictions against the truth, with the diagonal on which a perfect model lies.

    The axes hold 99 % of the values: a few jumps would squeeze the rest into a dot.

    Parameters
    ----------
    y, prediction : array-like of shape (n,)
        Truth and prediction; of more than 4 000 rows an evenly spaced sample is drawn.
    title, unit : str
        Title, and the unit of both axes.

    Raises
    ------
    ValueError
        Empty, NaN or infinite values, or different lengths.
    """
    from itemmarket.evaluation.metrics import rmse

    error = rmse(y, prediction)  # checks the two as well
    truth, guess = np.ravel(np.asarray(y, float)), np.ravel(np.asarray(prediction, float))
    drawn = np.linspace(0, truth.size - 1, min(truth.size, _POINTS)).astype(int)
    low, high = np.quantile(np.concatenate([truth, guess]), [0.005, 0.995])
    margin = 0.05 * (high - low) or 1.0
    low, high = low - margin, high + margin
    with house_style():
        figure, axes = _figure()
        figure.set_size_inches(4.6, 4.6)
        axes.plot([low, high], [low, high], color=PALETTE["black"], linestyle="--", label="perfect")
        axes.scatter(
            truth[drawn], guess[drawn], s=5, alpha=0.35, color=PALETTE["blue"], linewidths=0, label="row"
        )
        axes.set(
            title=title,
            xlabel=f"Actual ({unit})",
            ylabel=f"Predicted ({unit})",
            xlim=(low, high),
            ylim=(low, high),
        )
        axes.set_aspect("equal")
        axes.legend(loc="upper left")
    related = (
        ""
        if np.ptp(truth) == 0 or np.ptp(guess) == 0
        else f", correlation {np.corrcoef(truth, guess)[0, 1]:.2f}"
    )
    return _finish(
        figure,
        f"Scatter of {truth.size} predictions against actual values ({unit}) with the diagonal of a perfect"
        f" model: RMSE {error:.4g}{related}; predictions spread over {np.std(guess):.2g} (standard deviation), the"
        f" truth over {np.std(truth):.2g}.",
    )


def rmse_over_persistence(table: pd.DataFrame, *, title: str = "Error relative to persistence") -> "Figure":
    """Plot each model's RMSE divided by persistence's as a bar, with its interval where the table has one.

    Parameters
    ----------
    table : DataFrame
        As :func:`itemmarket.evaluation.metrics.compare` returns it: index the model, column ``rmse_ratio`` and
        optionally ``low`` and ``high``. The first row is drawn on top.
    title : str
        Title.

    Raises
    ------
    ValueError
        No rows, or no column ``rmse_ratio``.
    """
    if "rmse_ratio" not in table or table.empty:
        raise ValueError("table needs rows and a column rmse_ratio, as `itemmarket.compare` returns it")
    ratios, places = table["rmse_ratio"].to_numpy(float), np.arange(len(table))
    bounds = table[["low", "high"]].to_numpy(float).T if {"low", "high"} <= set(table) else None
    with house_style():
        figure, axes = _figure()
        figure.set_size_inches(7.0, 1.2 + 0.42 * len(table))
        for place, ratio in zip(places, ratios, strict=True):
            axes.barh(
                place,
                ratio,
                color=PALETTE[_ORDER[place % len(_ORDER)]],
                hatch=_HATCHES[place % len(_HATCHES)],
                edgecolor="white",
                height=0.7,
            )
        if bounds is not None:
            reach = np.abs(bounds - ratios)
            axes.errorbar(
                ratios, places, xerr=reach, fmt="none", ecolor=PALETTE["black"], capsize=3, linewidth=1.2
            )
        ends = ratios if bounds is None else bounds[1]
        for place, ratio, end in zip(places, ratios, ends, strict=True):
            axes.annotate(f"{ratio:.3f}", (end, place), (4, 0), textcoords="offset points", va="center")
        axes.axvline(1, color=PALETTE["black"], linestyle="--", linewidth=1)
        axes.set_yticks(places, table.index.astype(str))
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set(title=title, xlabel="RMSE / RMSE of persistence (1 = persistence, less is better)")
        axes.set_xlim(0, 1.12 * max(1.0, ends.max()))
    described = "; ".join(
        f"{model} {ratio:.3f}" + ("" if bounds is None else f" ({bounds[0][i]:.3f} to {bounds[1][i]:.3f})")
        for i, (model, ratio) in enumerate(zip(table.index, ratios, strict=True))
    )
    return _finish(figure, f"Bar chart of RMSE divided by that of persistence, less is better: {described}.")


def accuracies(table: pd.DataFrame, *, title: str = "Accuracy", chance: float | None = None) -> "Figure":
    """Plot the accuracy of several models on several questions as bars side by side.

    Parameters
    ----------
    table : DataFrame
        A row for each question, the first drawn on top; a column for each model; shares from 0 to 1.
    title : str
        Title.
    chance : float, optional
        Accuracy of always answering the most frequent class, drawn as a line.

    Raises
    ------
    ValueError
        No rows, no columns, or a value that is no share.
    """
    shares = table.to_numpy(float)
    if not shares.size or not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError("table needs a row per question and a column per model, with shares from 0 to 1")
    n_questions, n_models = shares.shape
    height = 0.8 / n_models
    with house_style():
        figure, axes = _figure()
        figure.set_size_inches(7.0, 1.5 + 0.3 * (n_questions * n_models + n_questions))
        for model, name in enumerate(table.columns):
            places = np.arange(n_questions) + (model - (n_models - 1) / 2) * height
            bars = axes.barh(
                places,
                shares[:, model],
                height=height,
                color=PALETTE[_ORDER[model % len(_ORDER)]],
                hatch=_HATCHES[model % len(_HATCHES)],
                edgecolor="white",
                label=str(name),
            )
            axes.bar_label(bars, fmt="%.3f", padding=3)
        if chance is not None:
            axes.axvline(
                chance, color=PALETTE["black"], linestyle="--", linewidth=1, label="most frequent class"
            )
        axes.set_yticks(np.arange(n_questions), table.index.astype(str))
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set(title=title, xlabel="Accuracy (share of titles, more is better)", xlim=(0, 1.12))
        figure.legend(loc="outside lower center", ncols=4)
    described = "; ".join(
        f"{question}: "
        + ", ".join(f"{name} {share:.3f}" for name, share in zip(table.columns, row, strict=True))
        for question, row in zip(table.index, shares, strict=True)
    )
    always = "" if chance is None else f" Always answering the most frequent class: {chance:.3f}."
    return _finish(figure, f"Bar chart of accuracy, more is better. {described}.{always}")


def split_diagram(
    dates: ArrayLike, splits: Mapping[str, Any], *, title: str = "Which days are trained on, which tested"
) -> "Figure":
    """Plot on a time axis which rows of each split are trained on, left out and tested.

    Parameters
    ----------
    dates : array-like of datetime of shape (n,)
        Observation day of each row.
    splits : mapping of str to split
        For each label ``(train, test)`` positions, such as scikit-learn's shuffled ones or a
        :class:`itemmarket.datasets.splits.TemporalSplit`; what is in neither is drawn as left out (embargo).
    title : str
        Title.

    Raises
    ------
    ValueError
        No splits, no dates, or positions beyond the dates.
    """
    days = pd.DatetimeIndex(pd.to_datetime(dates)).to_numpy()
    if not days.size or not splits:
        raise ValueError("a split diagram needs dates and at least one split")
    parts = (("train", "blue"), ("left out", "black"), ("test", "vermilion"))
    sentences = []
    with house_style():
        from matplotlib.dates import date2num

        figure, axes = _figure(len(splits), sharex=True, squeeze=False)
        figure.set_size_inches(7.0, 0.9 + 1.15 * len(splits))
        figure.suptitle(title, fontweight="bold", x=0.01, ha="left")
        for axis, (label, split) in zip(axes[:, 0], splits.items(), strict=True):
            train, test = (np.asarray(side) for side in split)
            member = np.ones(days.size, dtype=int)
            if max(train.max(initial=0), test.max(initial=0)) >= days.size:
                raise ValueError(f"split {label!r} has positions beyond its {days.size} dates")
            member[train], member[test] = 0, 2
            said = []
            for level, (part, colour) in enumerate(parts):
                chosen = np.unique(days[member == level])
                # The place of a tick says its part once more, for readers in grey.
                ticks = date2num(chosen[_spread(chosen.size, 500)])
                axis.eventplot(
                    ticks, lineoffsets=-level, linelengths=0.75, linewidths=0.8, colors=PALETTE[colour]
                )
                if chosen.size:
                    said.append(f"{part} {_day(chosen[0])} to {_day(chosen[-1])}")
            axis.set_yticks([0, -1, -2], [part for part, _ in parts])
            axis.set_ylim(-2.6, 0.6)
            axis.set_title(label, fontweight="normal", fontsize=10)
            axis.grid(axis="y", visible=False)
            sentences.append(f"{label}: {', '.join(said)}")
        _date_axis(axes[-1, 0], "Observation day")
    return _finish(figure, f"Time axis of the days in each part. {'. '.join(sentences)}.")


def _date_axis(axis: "Axes", label: str) -> None:
    """Make the x axis one of few, short dates."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=3, maxticks=8)
    axis.xaxis.set(major_locator=locator, major_formatter=ConciseDateFormatter(locator))
    axis.set_xlabel(label)


def _spread(size: int, most: int) -> np.ndarray:
    """Return at most ``most`` evenly spaced positions of ``size``."""
    return np.unique(np.linspace(0, size - 1, min(size, most)).astype(int)) if size else np.arange(0)


def _day(moment: Any) -> str:
    return f"{pd.Timestamp(moment):%Y-%m-%d}"


def to_png(figure: "Figure", alt: str | None = None) -> bytes:
    """Return a figure as PNG, its alt text in the file's description; the same data give the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(
        buffer, format="png", dpi=_DPI, metadata={"Software": None, "Description": _alt(figure, alt)}
    )
    return buffer.getvalue()


def _alt(figure: "Figure", alt: str | None) -> str:
    alt = str(alt or getattr(figure, "alt_text", "")).strip()
    if not alt:
        raise ValueError(
            "this figure has no alt text: say in a sentence what it shows, show(figure, alt='…')"
        )
    return alt


def show(figure: "Figure", alt: str | None = None) -> None:
    """Show a figure in a notebook, with alt text that every reader of the notebook gets.

    nbconvert takes alt text from the output's metadata; JupyterLab and Sphinx know none for a PNG but keep that
    of an HTML image. Both forms are published, and the alt text is the plain-text form. Outside IPython
    nothing is shown.

    Parameters
    ----------
    figure : matplotlib Figure
        Of this module, or any other.
    alt : str, optional
        What the figure shows, in a sentence or two; needed for figures that this module did not make.

    Raises
    ------
    ValueError
        Without alt text.
    """
    from IPython import get_ipython
    from IPython.display import publish_display_data

    alt, png = _alt(figure, alt), to_png(figure, alt)
    if get_ipython() is None:
        return
    encoded = base64.b64encode(png).decode("ascii")
    width, height = (round(side * 96) for side in figure.get_size_inches())
    publish_display_data(
        {
            "image/png": encoded,
            "text/html": f'<img alt="{html.escape(alt)}" width="{width}" src="data:image/png;base64,{encoded}">',
            "text/plain": alt,
        },
        {"image/png": {"alt": alt, "width": width, "height": height}},
    )
    _forget(figure)


def _forget(figure: "Figure") -> None:
    """Close a pyplot figure, which the notebook would otherwise show a second time at the end of the cell."""
    import sys

    if (pyplot := sys.modules.get("matplotlib.pyplot")) is not None:
        pyplot.close(figure)
