"""What is known about an item on a day, as 32 numbers: the same ones in training and in production.

`FeatureExtractor.transform` computes them for every row of a market table, `FeatureExtractor.extract` for one item and
day from its recent history. Both run the same code over the same window, so the vectors are equal bit for bit,
and nothing after the day, nor anything older than ``lookback`` days, can change them.
"""

import datetime as dt
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from itemmarket.errors import MarketDataError
from itemmarket.features.grid import blocks, series
from itemmarket.features.table import BASIC, FEATURES, LOOKBACK, RARITY_RANKS
from itemmarket.market.catalogue import rarity_of
from itemmarket.market.names import parse_names
from itemmarket.market.prices import GAMES, validate_prices

_ORDER = {feature.name: position for position, feature in enumerate(FEATURES)}


_PRICES = (1e-6, 1e9)  # USD; outside lies no price but a mistake

# Sines and cosines are looked up, so that one day alone gets the same bits as a million together.
_WEEK_SIN, _WEEK_COS = (wave(2 * np.pi * np.arange(7) / 7) for wave in (np.sin, np.cos))
_YEAR_SIN, _YEAR_COS = (wave(2 * np.pi * np.arange(366) / 365.25) for wave in (np.sin, np.cos))
# What takes the place of a grid where an item has no price at all.
_NOTHING = {feature.name: np.array([feature.neutral]) for feature in FEATURES} | {
    "known_30": np.array([False])
}


class TitleClassifier(Protocol):
    """What tells the rarity of an item by its title: lab 3's ``RarityClassifier``, `itemmarket.TitleTfidf` ..."""

    def predict(self, titles: Sequence[str], /) -> Iterable[str]:
        """Return a class of `RARITY_RANKS` for each title."""
        ...


class FeatureExtractor:
    """Turns price histories into feature vectors of constant length, always finite.

    A day's vector depends on the item's rows of that day and the ``lookback - 1`` days before it, on its name and
    game, and on the index, and on nothing else. Days without a row have no price of their own: averages skip them, and
    "the price 7 days ago" is the last one known then, if that was at most 32 days old. A feature that cannot be
    known takes a neutral value (see `describe`), so that a new item has a vector of the same length.

    Parameters
    ----------
    index : pandas.Series, optional
        A market index as `itemmarket.market_index` makes it: positive values by day. Between its days and
        after its last one, the last value stands. Without one the three features that need it are 0.
    names : sequence of str, optional
        Which features to compute; all 32 by default. They come in the fixed order, however they are given.
    rarity : TitleClassifier, optional
        Whatever predicts the rarity class of titles: its class (see `RARITY_RANKS`) then stands in place of the rank
        that the catalogue gives to a name of CS2 it can parse. It sees each name once. Where it fails (it raises,
        or answers with another number of classes, or an unknown one) the name is parsed as without it, with
        one warning. Batch and online agree as long as its answer to a title does not depend on its neighbours.

    Attributes
    ----------
    names : tuple of str
        The features in their order.
    lookback : int
        Days that a vector depends on, its own included.

    Raises
    ------
    MarketDataError
        If ``index`` is not a series of positive numbers by ascending day.
    ValueError
        If ``names`` has an unknown name, or none.
    TypeError
        If ``rarity`` is neither None nor something with ``predict``.
    """

    lookback: int = LOOKBACK

    def __init__(
        self,
        index: pd.Series | None = None,
        names: Sequence[str] | None = None,
        *,
        rarity: TitleClassifier | None = None,
    ) -> None:
        """Check the index, the names and the classifier."""
        wanted = set(_ORDER if names is None else names)
        if not wanted or wanted - set(_ORDER):
            raise ValueError(
                f"no features of these names: {sorted(wanted - set(_ORDER))}; there are {', '.join(_ORDER)}"
            )
        self.names = tuple(name for name in _ORDER if name in wanted)
        self._column = {name: position for position, name in enumerate(self.names)}
        self._index = None if index is None else _daily_log_index(index)
        self._known_items: dict[tuple[str, str], dict[str, np.ndarray]] = {}
        if rarity is not None and not callable(getattr(rarity, "predict", None)):
            raise TypeError(f"rarity must have predict(titles), and {type(rarity).__name__} has none")
        self._rarity = rarity
        self._rank_by_title: dict[str, float | None] = {}
        self._has_warned = False

    @classmethod
    def basic(cls) -> "FeatureExtractor":
        """Return an extractor of the ten features of the lectures and the first lab."""
        return cls(names=BASIC)

    def describe(self) -> pd.DataFrame:
        """Return a table of the features: meaning, unit, and the neutral value of each, by name."""
        table = pd.DataFrame(FEATURES).set_index("name")
        return table.loc[list(self.names)]

    def transform(self, prices: pd.DataFrame) -> pd.DataFrame:
        """Compute the features of every row of a market table, each as of its own day.

        Parameters
        ----------
        prices : pandas.DataFrame
            A market table, in any order.

        Returns
        -------
        pandas.DataFrame
            Shape (len(prices), len(names)), float32, in the order of ``prices``; indexed by (name, date).

        Raises
        ------
        MarketDataError
            If there is no row, a column is missing, a value is not valid (the message names its row), or an item
            has two rows for a day.
        """
        if not len(prices):
            raise _fault(prices)
        day, price, volume = _columns(prices)
        item, items = _items(prices)
        same, gap = item[1:] == item[:-1], np.diff(day)
        order = None
        if not ((item[1:] > item[:-1]) | (same & (gap > 0))).all():
            order = np.lexsort((day, item))
            item, day, price, volume = item[order], day[order], price[order], volume[order]
            same, gap = item[1:] == item[:-1], np.diff(day)
            if (same & (gap == 0)).any():
                raise _fault(prices)

        # One grid of days for all items: what lies lookback days back, or belongs to another item, is out of reach.
        step = np.where(same, np.minimum(gap, LOOKBACK), LOOKBACK)
        position = np.cumsum(np.r_[LOOKBACK - 1, step])
        first = day.min()
        calendar = self._calendar(np.arange(first, day.max() + 1))
        about = self._about(items)
        out = np.empty((len(self.names), len(prices)), np.float32)
        for rows in blocks(position):
            start = position[rows.start] - (LOOKBACK - 1)
            window = slice(np.searchsorted(position, start), rows.stop)
            grid = series(
                position[window] - start, price[window], volume[window], position[rows.stop - 1] - start + 1
            )
            self._fill(
                out[:, rows], grid, position[rows] - start, calendar, day[rows] - first, about, item[rows]
            )
        if order is not None:
            back = np.empty_like(order)
            back[order] = np.arange(len(order))
            out, day, item = out[:, back], day[back], item[back]
        return self._frame(out, prices, day, item, items)

    def extract(
        self, name: str, history: pd.DataFrame, as_of: str | dt.date | np.datetime64 | pd.Timestamp
    ) -> np.ndarray:
        """Compute one item's features as of one day: the same bits as `transform` gives for that row.

        On a day without a row the features are as of that day all the same: the price is the last one known,
        nothing was sold, and time has passed. Without any row in the last ``lookback`` days (a new item, or one
        long gone) all that depends on prices takes its neutral value.

        Parameters
        ----------
        name : str
            Market name; rows of ``history`` with another name are left out.
        history : pandas.DataFrame
            A market table in any order; the column ``name`` may be missing, and only the rows of the last ``lookback``
            days up to ``as_of`` are looked at.
        as_of : str, date or timestamp
            The day; a time of day is dropped.

        Returns
        -------
        numpy.ndarray
            Shape (len(names),), float32.

        Raises
        ------
        MarketDataError
            If ``as_of`` is not a day, a column is missing, a value in the window is not valid, a day occurs twice, or
            the name occurs in several games.
        """
        today = _day(as_of)
        if "date" in history and history["date"].dtype.kind == "M":
            age = today - history["date"].to_numpy().astype("datetime64[D]").astype(np.int64)
            recent = (age >= 0) & (age < LOOKBACK)
            if "name" in history:
                recent &= (history["name"] == name).to_numpy(bool)
            if not recent.all():
                history = history[recent]
        game, here = GAMES[0], np.zeros(1, np.int64)
        grid: dict[str, np.ndarray] = _NOTHING
        if len(history):
            if "name" not in history:
                history = history.assign(name=name)
            day, price, volume = _columns(history)
            if "game" in history:
                game, *others = history["game"].unique()
                if others:
                    raise MarketDataError(
                        f"{name!r} is in the history of several games: give the rows of one"
                    )
            order = np.argsort(day)
            if (np.diff(day[order]) == 0).any():
                raise _fault(history)
            grid = series(day[order] - today + LOOKBACK - 1, price[order], volume[order], LOOKBACK)
        if (name, game) not in self._known_items:
            self._known_items[name, game] = self._about([(name, game)])
        out = np.empty((len(self.names), 1), np.float32)
        last = here + len(grid["price"]) - 1
        self._fill(out, grid, last, self._calendar(here + today), here, self._known_items[name, game], here)
        return out[:, 0]

    def _fill(
        self,
        out: np.ndarray,
        grid: dict[str, np.ndarray],
        cell: np.ndarray,
        calendar: dict[str, np.ndarray],
        day: np.ndarray,
        about: dict[str, np.ndarray],
        item: np.ndarray,
    ) -> None:
        """Gather rows from the three tables: by cell of the grid, by day, and by item.

        ``out`` has shape (features, rows); ``cell``, ``day`` and ``item`` are the rows' positions in the tables.
        """
        for table, position in ((grid, cell), (calendar, day), (about, item)):
            for name, values in table.items():
                if name in self._column:
                    out[self._column[name]] = values[position]
        if "relative_strength_30" in self._column:
            strength = 0.0
            if self._index is not None:
                strength = grid["change_30"][cell] - calendar["index_change_30"][day]
                strength *= grid["known_30"][cell]
            out[self._column["relative_strength_30"]] = strength
        out += 0.0  # there are two zeros; keep the positive one

    def _calendar(self, day: np.ndarray) -> dict[str, np.ndarray]:
        """Tabulate what depends on the day only, shape (days,) each."""
        date = day.astype("datetime64[D]")
        of_year = day - date.astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
        monday = 4  # 5 January 1970
        table = {
            "weekday_sin": _WEEK_SIN[(day - monday) % 7],
            "weekday_cos": _WEEK_COS[(day - monday) % 7],
            "year_sin": _YEAR_SIN[of_year],
            "year_cos": _YEAR_COS[of_year],
        }
        for days in (1, 7, 30):
            table[f"index_change_{days}"] = np.zeros(len(day))
            if self._index is not None:
                first, level = self._index
                now, then = np.clip([day - first, day - first - days], 0, len(level) - 1)
                table[f"index_change_{days}"] = level[now] - level[then]
        return table

    def _about(self, items: list[tuple[str, str]]) -> dict[str, np.ndarray]:
        """Tabulate what depends on the item only, shape (items,) each, from (name, game)."""
        game = np.array([game for _, game in items], dtype=object)
        table = {f"game_{one}": game == one for one in GAMES}
        if not {"rarity", "wear", "stattrak", "souvenir"}.isdisjoint(self.names):
            # The names of other games follow another grammar. This is the one place that decides on a rarity.
            of_cs2 = game == GAMES[0]
            names = pd.Series([name for name, _ in items], dtype=object)
            parsed = parse_names(names).loc[names]
            table["rarity"] = self._ranks(names, of_cs2)
            table["wear"] = (parsed["wear"].cat.codes.to_numpy() + 1) * of_cs2
            table["stattrak"] = parsed["stattrak"].to_numpy(bool) & of_cs2
            table["souvenir"] = parsed["souvenir"].to_numpy(bool) & of_cs2
        return table

    def _ranks(self, names: pd.Series, of_cs2: np.ndarray) -> np.ndarray:
        """Rank the rarity of CS2's names, by the classifier where there is one and it answers."""
        ranks = rarity_of(names) * of_cs2
        if self._rarity is None or "rarity" not in self._column:
            return ranks
        asked = names[of_cs2].drop_duplicates()
        unasked = [name for name in asked if name not in self._rank_by_title]
        try:
            self._rank_by_title |= self._predicted(unasked)
        except Exception:  # whatever a student's model raises
            for name in unasked:  # which of them was it? The others keep their class, as they would alone
                self._rank_by_title |= self._predicted_or_none(name)
        predicted = [
            self._rank_by_title[name] if cs2 else None for name, cs2 in zip(names, of_cs2, strict=True)
        ]
        return np.array(
            [parsed if rank is None else rank for parsed, rank in zip(ranks, predicted, strict=True)],
            dtype=np.float32,
        )

    def _predicted(self, titles: list[str]) -> dict[str, float]:
        """Ask the classifier and return ranks by title; raise whatever is wrong with its answer."""
        if not titles:
            return {}
        assert self._rarity is not None  # else nobody asks
        answer = list(self._rarity.predict(titles))
        if len(answer) != len(titles):
            raise ValueError(f"{len(answer)} classes for {len(titles)} titles")
        if unknown := [one for one in answer if one not in RARITY_RANKS]:
            raise ValueError(f"unknown class {unknown[0]!r}")
        return {title: RARITY_RANKS[one] for title, one in zip(titles, answer, strict=True)}

    def _predicted_or_none(self, title: str) -> Mapping[str, float | None]:
        """Ask about one title; None stands for a failure, of which the first is told."""
        try:
            return self._predicted([title])
        except Exception as error:
            if not self._has_warned:
                self._has_warned = True
                warnings.warn(
                    f"the rarity classifier {type(self._rarity).__name__} failed on {title!r} ({error}): the feature "
                    "`rarity` is parsed from the name there, and wherever it fails again",
                    RuntimeWarning,
                    stacklevel=2,
                )
            return {title: None}

    def _frame(
        self,
        out: np.ndarray,
        prices: pd.DataFrame,
        day: np.ndarray,
        item: np.ndarray,
        items: list[tuple[str, str]],
    ) -> pd.DataFrame:
        """Label the features; the index is made of codes that are there already."""
        names, code = np.unique(np.array([name for name, _ in items], dtype=object), return_inverse=True)
        first = day.min()
        dates = np.arange(first, day.max() + 1).astype("datetime64[D]").astype(prices["date"].dtype)
        index = pd.MultiIndex(
            levels=[pd.Index(names, dtype="str"), pd.DatetimeIndex(dates)],
            codes=[code[item], day - first],
            names=["name", "date"],
            verify_integrity=False,
        )
        return pd.DataFrame(out.T, index=index, columns=list(self.names), copy=False)


def _fault(prices: pd.DataFrame) -> MarketDataError:
    """Return the error of a table that is known to be at fault, in the words of the market table's own check."""
    try:
        validate_prices(prices)
    except MarketDataError as error:
        return error
    price = prices["price"].to_numpy(np.float64)
    row = int(np.flatnonzero((price < _PRICES[0]) | (price > _PRICES[1]))[0])
    return MarketDataError(
        f"market table, column 'price', row {row} ({prices['name'].iloc[row]}): {price[row]:g} USD is no price; "
        f"features take {_PRICES[0]:g} to {_PRICES[1]:g} USD"
    )


def _columns(prices: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return day (int64, since 1970), price and volume (float64) of a market table after checking them."""
    if not {"name", "date", "price", "volume"} <= set(prices.columns):
        raise _fault(prices)
    stamp, price, volume = prices["date"], prices["price"], prices["volume"]
    kinds = [column.dtype.kind for column in (stamp, price, volume)]
    if isinstance(stamp.dtype, pd.DatetimeTZDtype) or kinds[0] != "M" or not set(kinds[1:]) <= set("fiu"):
        raise _fault(prices)
    stamp, price, volume = stamp.to_numpy(), price.to_numpy(np.float64), volume.to_numpy(np.float64)
    date = stamp.astype("datetime64[D]")
    valid = (
        (date == stamp) & (price >= _PRICES[0]) & (price <= _PRICES[1]) & (volume >= 0) & (volume < np.inf)
    )
    if not valid.all():
        raise _fault(prices)
    return date.astype(np.int64), price, volume


def _items(prices: pd.DataFrame) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """Number the items of a market table: the number of each row's item, and (name, game) by number."""
    name = prices["name"]
    if isinstance(name.dtype, pd.CategoricalDtype):
        name = name.astype(name.cat.categories.dtype)
    code, names = pd.factorize(name, sort=True)
    if "game" not in prices:
        item, items = code, [(name, GAMES[0]) for name in names]
    else:
        game, games = pd.factorize(prices["game"])
        item, keys = pd.factorize(code * len(games) + game, sort=True)
        items = [(names[key // len(games)], games[key % len(games)]) for key in keys]
        if (game < 0).any() or not set(games) <= set(GAMES):
            raise _fault(prices)
    if (code < 0).any() or not all(isinstance(name, str) and name.strip() for name in names):
        raise _fault(prices)
    return item, items


def _day(as_of: str | dt.date | np.datetime64 | pd.Timestamp) -> int:
    """Return a day as a number since 1970."""
    try:
        stamp = pd.Timestamp(as_of)
    except (TypeError, ValueError) as error:
        raise MarketDataError(f"as_of is a day such as 2024-05-31, not {as_of!r}") from error
    if stamp is pd.NaT or stamp.tzinfo is not None:
        raise MarketDataError(f"as_of is a day of the market's calendar without a time zone, not {as_of!r}")
    return int(stamp.to_datetime64().astype("datetime64[D]").astype(np.int64))


def _daily_log_index(index: pd.Series) -> tuple[int, np.ndarray]:
    """Return the first day of a market index and its logarithm on every day since, carried over gaps."""
    if not (
        isinstance(index, pd.Series)
        and len(index)
        and pd.api.types.is_datetime64_dtype(index.index.dtype)
        and index.index.is_monotonic_increasing
        and index.index.is_unique
    ):
        raise MarketDataError(
            "a market index is a series by ascending, unique day: see itemmarket.market_index"
        )
    value = index.to_numpy(np.float64)
    if not ((value > 0) & (value < np.inf)).all():
        bad = index.index[np.flatnonzero(~((value > 0) & (value < np.inf)))[0]]
        raise MarketDataError(
            f"the market index on {bad:%Y-%m-%d} is {index[bad]}: it must be finite and above 0"
        )
    day = index.index.to_numpy().astype("datetime64[D]").astype(np.int64)
    return int(day[0]), np.repeat(np.log(value), np.diff(day, append=day[-1] + 1))
