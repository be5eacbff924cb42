"""A market that behaves like the real one, made from a seed.

What is sold is worth a *value* that wanders with the market, with its design and on its own. A day's price
is the mean of that day's trades: the value, trade noise that shrinks with volume, and now and then one
absurdly overpaid trade; no trade is below the market's lowest price. Where the dynamics come from and how near they are
to the real market: ``data/market.md``.
"""

import os
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.signal import lfilter
from scipy.special import ndtri

from itemmarket.atomic import write_parquet
from itemmarket.errors import MarketDataError
from itemmarket.paths import data_dir
from itemmarket.simulation import calibration as cal
from itemmarket.simulation.calibration import CENT, DECIMALS, LOWEST_PRICE, SHORTEST, Calibration
from itemmarket.simulation.listings import Streams, draw_listings

BUNDLED: dict[str, Any] = {"n_items": 480, "start": "2022-01-01", "end": "2024-12-31", "seed": 20220101}
"""The market in ``data/market.parquet``: arguments of `simulate_market`."""


class _Volumes(NamedTuple):
    """Log volumes of shape (items, days)."""

    expected: np.ndarray  # without the reaction to price changes
    white: np.ndarray  # (items, 1): sd of the independent part
    burst: np.ndarray  # part of ``expected`` that is a burst


def simulate_market(
    n_items: int,
    start: str | date | pd.Timestamp,
    end: str | date | pd.Timestamp,
    seed: int,
    catalogue: pd.DataFrame | None = None,
    calibration: Calibration | None = None,
) -> pd.DataFrame:
    """Simulate daily prices and volumes of items in the catalogue.

    Parameters
    ----------
    n_items : int
        Listings in the market, at least 1. The first ones of a larger market are those of a smaller one.
    start, end : date-like
        First and last day, at least `SHORTEST` days. Most listings are born on the way.
    seed : int
        Non-negative. The same seed gives the same market.
    catalogue : pandas.DataFrame, optional
        Rows of the catalogue to choose from; default all.
    calibration : Calibration, optional
        The dynamics; default those fitted to the real market.

    Returns
    -------
    pandas.DataFrame
        A market table, ``name``, ``date``, ``price`` (USD, to 0.001), ``volume`` (units >= 1), sorted by name
        and date. A day without a sale has no row.

    Raises
    ------
    ValueError
        If an argument is out of range.
    MarketDataError
        If the catalogue has too few listings, or nothing was sold.
    """
    dates = pd.date_range(pd.Timestamp(start).normalize(), pd.Timestamp(end).normalize()).as_unit("us")
    if n_items < 1 or seed < 0:
        raise ValueError(f"n_items must be at least 1 and seed at least 0, not {n_items} and {seed}")
    if len(dates) < SHORTEST:
        raise ValueError(f"the market runs from {start} to {end}, fewer than {SHORTEST} days")
    listings = draw_listings(n_items, seed, catalogue)
    price, volume = _paths(listings, dates, Streams(seed), calibration or Calibration())
    names = listings["name"].to_numpy(object)
    by_name = np.argsort(names, kind="stable")
    item, day = np.nonzero(volume[by_name])
    if not len(item):
        raise MarketDataError("nothing was sold in the simulated days: ask for more items or more days")
    item = by_name[item]
    return pd.DataFrame(
        {
            "name": pd.array(names[item], dtype="str"),
            "date": dates[day],
            "price": price[item, day],
            "volume": volume[item, day],
        }
    )


def build_market(path: str | os.PathLike[str] | None = None) -> Path:
    """Make the bundled market again and write it.

    Parameters
    ----------
    path : path-like, optional
        Where to; default ``market.parquet`` in `itemmarket.data_dir`. It is replaced at once or not at all.

    Returns
    -------
    Path
        The file.
    """
    target = Path(path) if path is not None else data_dir() / "market.parquet"
    write_parquet(target, simulate_market(**BUNDLED))
    return target


def _paths(
    listings: pd.DataFrame, dates: pd.DatetimeIndex, streams: Streams, p: Calibration
) -> tuple[np.ndarray, np.ndarray]:
    """Return prices (USD) and volumes (units, 0 where nothing was sold), both of shape (items, days)."""
    level = listings["level"].to_numpy()[:, None]
    age = _ages(listings["family"].to_numpy(), len(dates), streams, p)
    young = np.maximum(age, 0)
    news = _events(listings["kind"].astype(str).to_numpy(object), dates, streams)
    wild = p.launch_noise * (1 + p.launch_noise_by_price * np.clip(level, p.cheap, 0))
    wild = wild * np.exp(-young / p.launch_noise_days)
    log_vol = p.slow_vol_sd * _ar1(streams.normal("slow volatility", *age.shape), p.slow_vol_keeps)
    log_vol += p.fast_vol_sd * _ar1(streams.normal("fast volatility", *age.shape), p.fast_vol_keeps)

    volumes = _expected_volumes(listings, dates, young, news[1], streams, p)
    value, surprise = _values(listings, dates, news[0], np.exp(log_vol + wild), volumes.burst, streams, p)
    value += _launch(level, listings["family"].to_numpy(), young, streams, p)
    surprise = np.minimum(surprise - p.volume_usual_change, p.volume_most_change)
    log_volume = volumes.expected + p.volume_by_change * surprise
    shock = streams.student("white volume", p.volume_white_tail, *age.shape)
    volume = _counts(np.exp(np.minimum(log_volume + volumes.white * shock, p.volume_most)), streams)
    volume[age < 0] = 0
    noise_vol = np.exp(p.noise_vol * log_vol + p.launch_noise_trade * wild)
    return _quoted(level, value, log_volume, volume, noise_vol, streams, p), volume


def _ages(family: np.ndarray, days: int, streams: Streams, p: Calibration) -> np.ndarray:
    """Return the age in days of each item on each day, negative before it is listed."""
    families = family.max() + 1
    place = streams("born").random(families)
    inside = np.floor(place / p.born_inside * p.born_until * days)
    before = -np.floor(p.born_before + p.born_before_most * streams("older").random(families))
    born = np.where(place < p.born_inside, inside, before)[family]
    return np.arange(days) - born[:, None]


def _events(kinds: np.ndarray, dates: pd.DatetimeIndex, streams: Streams) -> tuple[np.ndarray, np.ndarray]:
    """Return what the events of the calendar add to log returns and to log volumes, each (items, days)."""
    price, volume = np.zeros((2, len(kinds), len(dates)))
    first_day, second_day = cal.EVENT_ONSET
    # Events of the years before reach into the first days.
    for year in range(dates[0].year - 1, dates[-1].year + 1):
        rng = streams(f"events of {year}")
        for event in cal.EVENTS:
            touched = np.isin(kinds, event.kinds) if event.kinds else np.ones(len(kinds), dtype=bool)
            for _ in range(event.yearly):
                day_of_year, size, crowd = rng.integers(cal.EVENT_DAYS), rng.exponential(), rng.random()
                first = pd.Timestamp(f"{year}-{event.day or '01-01'}")
                if event.day is None:
                    first += pd.Timedelta(days=int(day_of_year))
                since = np.arange(len(dates)) - (first - dates[0]).days
                shock = event.shock * (cal.EVENT_CERTAIN + cal.EVENT_RANDOM * size)
                path = shock * (first_day * (since == 0) + second_day * (since == 1))
                lull = event.days // cal.EVENT_LULL
                recovery = (since >= lull) & (since < event.days)
                path -= recovery * event.recovered * shock / (event.days - lull)
                price[touched] += path
                extra = np.exp(-np.maximum(since, 0) / event.volume_days) * (since >= 0)
                volume[touched] += event.volume * 2 * crowd * extra
    return price, volume


def _expected_volumes(
    listings: pd.DataFrame,
    dates: pd.DatetimeIndex,
    young: np.ndarray,
    news: np.ndarray,
    streams: Streams,
    p: Calibration,
) -> _Volumes:
    """Return log volumes before the reaction to price changes and the noise of counting."""
    items, days = young.shape
    level, liquidity = listings["level"].to_numpy()[:, None], listings["liquidity"].to_numpy()[:, None]

    def between(name: str, sd: float) -> np.ndarray:
        return np.exp(sd * streams.normal(name, items, 1))

    spread = between("volume spread", p.volume_spread)
    burst_rate = p.burst_rate * between("burst rate", p.burst_rate_sd)
    burst = streams("burst").random((items, days)) < burst_rate
    burst = burst * p.burst * spread * streams("burst size").exponential(size=(items, days))
    burst = lfilter([1.0], [1.0, -p.burst_keeps], burst, axis=1)
    slow = _ar1(streams.normal("slow volume", items, days), p.volume_slow_keeps)
    fast = _ar1(streams.normal("fast volume", items, days), p.volume_fast_keeps)
    market = _ar1(streams.normal("market volume", days), p.volume_market_keeps)
    era = _ar1(streams.normal("era of volume", days), p.volume_era_keeps)
    expected = (
        liquidity
        + p.launch_volume_sd
        * streams.normal("launch volume", items, 1)
        * np.exp(-young / p.launch_volume_days)
        + p.volume_slow_sd * between("slow volume spread", p.volume_slow_spread) * slow
        + p.volume_fast_sd * spread * fast
        + p.volume_market_sd * between("market volume loading", p.volume_market_spread) * market
        + p.volume_era_sd * era
        + np.asarray(p.weekday)[dates.day_of_week]
        + news
        + burst
    )
    white = p.volume_white_sd * np.exp(p.volume_white_by_price * np.clip(level, p.cheap, p.volume_white_dear))
    thin = np.exp(-np.maximum(liquidity, 0) / p.volume_white_thin_volume)
    white = spread * white + p.volume_white_thin * thin
    return _Volumes(expected, white, burst)


def _values(
    listings: pd.DataFrame,
    dates: pd.DatetimeIndex,
    news: np.ndarray,
    volatility: np.ndarray,
    burst: np.ndarray,
    streams: Streams,
    p: Calibration,
) -> tuple[np.ndarray, np.ndarray]:
    """Return log values of mature items, averaged over each day, and the sizes of their changes in sd."""
    items, days = volatility.shape
    level, family = listings["level"].to_numpy()[:, None], listings["family"].to_numpy()
    sd = p.change * np.exp(p.change_sd * streams.normal("change", items, 1) + p.change_by_price * level)
    market_vol = np.exp(p.market_vol_sd * _ar1(streams.normal("market volatility", days), p.market_vol_keeps))
    market = p.market * market_vol * streams.student("market", p.market_tail, days)
    market += np.asarray(p.weekday_return)[dates.day_of_week]
    beta = np.exp(p.beta_sd * streams.normal("beta", family.max() + 1, 1))[family]
    design = streams.student("design change", p.change_tail, family.max() + 1, days)[family]
    common = sd * volatility * np.sqrt(p.common) * design + beta * (market + news)
    jump = (streams("jump").random((items, days)) < p.jump_rate) * p.jump
    own = sd * volatility * np.sqrt(1 - p.common) * streams.student("own change", p.change_tail, items, days)
    own += jump * streams("jump size").laplace(size=(items, days))
    own += p.burst_price * burst * np.sign(streams.normal("burst direction", items, days))

    value = np.cumsum(common, axis=1)
    value -= value[:, [days // 2]]  # the level is reached half-way: price bands keep their places
    value += level + lfilter([1.0], [1.0, -p.own_keeps], own, axis=1)
    value[:, 1:] = (1 - p.averaging) * value[:, 1:] + p.averaging * value[:, :-1]
    return value, np.abs(common + own) / sd


def _launch(
    level: np.ndarray, family: np.ndarray, young: np.ndarray, streams: Streams, p: Calibration
) -> np.ndarray:
    """Return what the first weeks add to log values: new items are dear, whatever they are worth later."""
    families = family.max() + 1
    height = np.sqrt(p.launch_common) * streams.normal("launch of the design", families, 1)[family]
    height += np.sqrt(1 - p.launch_common) * streams.normal("launch", len(level), 1)
    height = p.launch + p.launch_by_price * np.clip(level, p.cheap, 0) + p.launch_sd * height
    height = np.clip(height, p.launch_least, p.launch_most) + np.maximum(np.log(LOWEST_PRICE) - level, 0)
    days = p.launch_days * np.exp(p.launch_days_sd * streams.normal("launch days", families, 1)[family])
    hype = p.launch_hype * np.exp(-young / p.launch_hype_days)
    return height * (hype + (1 - p.launch_hype) * np.exp(-young / days))


def _counts(expected: np.ndarray, streams: Streams) -> np.ndarray:
    """Draw Poisson counts from one uniform number each.

    A generator's own Poisson uses up more or fewer numbers depending on the last bit of its argument, and
    one differing bit of another processor's ``exp`` would change everything after it. Large counts are
    drawn from the normal approximation of their square roots.
    """
    uniform = streams("counts").random(expected.shape)
    root = np.sqrt(expected) + ndtri(np.maximum(uniform, 1e-300)) / 2
    counts = np.floor(np.maximum(root, 0) ** 2 + 0.25).astype(
        np.int64
    )  # +1/4: a Poisson's mean, + 1/2 to round
    few = expected <= cal.FEW
    mean, below = expected[few], uniform[few]
    chance, drawn = np.exp(-mean), np.zeros(mean.shape, dtype=np.int64)
    total = chance.copy()
    for count in range(1, cal.MOST_OF_FEW):
        drawn += below > total
        chance *= mean / count
        total += chance
    counts[few] = drawn
    return counts


def _quoted(
    level: np.ndarray,
    value: np.ndarray,
    log_volume: np.ndarray,
    volume: np.ndarray,
    volatility: np.ndarray,
    streams: Streams,
    p: Calibration,
) -> np.ndarray:
    """Return the mean price of each day's trades (USD)."""
    items, days = value.shape
    sold = np.maximum(volume, 1)
    expected = np.maximum(log_volume, 0)
    dispersion = np.exp(
        p.dispersion_sd * streams.normal("dispersion", items, 1) + p.dispersion_by_price * level
    )
    # The last factor: a day with one or two trades shows the whole spread between buyers and sellers.
    size = p.dispersion * dispersion * np.exp(p.dispersion_by_volume * expected) * (1 + np.exp(-expected))
    noise = _ar1(streams.student("trade noise", p.noise_tail, items, days), p.noise_keeps)
    price = np.exp(np.minimum(value + size * volatility * noise, np.log(p.overpaid_most)))
    price = np.maximum(price, LOWEST_PRICE)

    rate = p.overpaid_rate * np.exp(p.overpaid_rate_sd * streams.normal("overpaid rate", items, 1))
    rate = rate * np.exp(p.overpaid_power * np.minimum(level - np.log(p.overpaid_scarce), 0))
    paid = p.overpaid + p.overpaid_sd * streams.normal("overpaid", items, days)
    dear = np.maximum(level, 0)
    paid += p.overpaid_by_volume * (log_volume - p.overpaid_volume) + p.overpaid_by_price * dear
    paid = np.minimum(np.exp(paid), p.overpaid_most)
    overpaid = (streams("overpaid trade").random((items, days)) < rate) & (paid > price)
    price = np.where(overpaid, (price * (sold - 1) + paid) / sold, price)

    tick = CENT / sold  # the mean of n trades at whole cents is a multiple of 1/n cents
    return np.maximum(np.round(np.round(price / tick) * tick, DECIMALS), LOWEST_PRICE)


def _ar1(shocks: np.ndarray, keeps: float) -> np.ndarray:
    """Turn unit white noise along the last axis into a stationary AR(1) of unit variance."""
    scaled = shocks * np.sqrt(1 - keeps**2)
    scaled[..., 0] = shocks[..., 0]
    return lfilter([1.0], [1.0, -keeps], scaled, axis=-1)
