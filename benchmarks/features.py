"""Feature extraction: rows per second in batch, one by one, and beside TA-Lib.

Three ways to the same numbers: `FeatureExtractor.transform` on a whole market, `FeatureExtractor.extract` row by row
on a sample (what a loop over the rows would take), and TA-Lib for the two indicators that it shares, in an
environment of its own (``build/bench-env``). The sample is also compared bit for bit with the batch.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks._common import BUILD, real_market, record
from itemmarket.features.extractor import FeatureExtractor
from itemmarket.features.table import LOOKBACK
from itemmarket.market.index import market_index
from itemmarket.market.prices import validate_prices

REAL_ROWS = 1_080_979
TALIB = "TA-Lib==0.8.2"
SETTLED = 200  # rows of a series after which TA-Lib's recursions have forgotten how they were started


def main(argv: list[str]) -> int:
    """Measure, print a table, and keep the result in build/bench/features.json."""
    parser = argparse.ArgumentParser(prog="course.py bench features", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, help="use the first ROWS rows only")
    parser.add_argument("--sample", type=int, default=2000, help="rows extracted one by one (default 2000)")
    parser.add_argument(
        "--repeats", type=int, default=5, help="passes of which the fastest counts (default 5)"
    )
    parser.add_argument("--without-talib", action="store_true", help="install nothing, leave TA-Lib out")
    options = parser.parse_args(argv)
    if min(options.sample, options.repeats, options.rows or 1) < 1:
        parser.error("--rows, --sample and --repeats are at least 1")

    prices, source = _market(options.rows)
    print(f"{len(prices):,} rows of {prices['name'].nunique():,} items: {source}")
    extractor = FeatureExtractor(market_index(prices))
    table, seconds = _best(lambda: extractor.transform(prices), options.repeats)
    _, basic_seconds = _best(lambda: FeatureExtractor.basic().transform(prices), options.repeats)
    online_seconds, equal, sample = _one_by_one(extractor, prices, table, options.sample)
    result = {
        "source": source,
        "rows": len(prices),
        "batch_seconds": seconds,
        "batch_rows_per_second": len(prices) / seconds,
        "basic_rows_per_second": len(prices) / basic_seconds,
        "one_by_one_rows_per_second": sample / online_seconds,
        "one_by_one_milliseconds": 1000 * online_seconds / sample,
        "speedup": online_seconds / sample * len(prices) / seconds,
        "sample": sample,
        "sample_equal_bit_for_bit": equal,
    }
    lines = [
        ("batch, 32 features, one thread", len(prices), seconds),
        ("batch, the basic 10", len(prices), basic_seconds),
        (
            f"one by one, 32 features ({sample:,} rows, extrapolated)",
            len(prices),
            online_seconds / sample * len(prices),
        ),
    ]
    if options.without_talib:
        agreement = "TA-Lib was left out (--without-talib)."
    else:
        try:
            talib = _compare_with_talib(prices, table)
        except (OSError, subprocess.CalledProcessError) as error:
            agreement = (
                f"TA-Lib was left out: it could not be installed or run in {BUILD / 'bench-env'} ({error})."
            )
        else:
            result["talib"] = talib
            lines.append(("TA-Lib, RSI and MACD only, one thread", len(prices), talib["seconds"]))
            agreement = (
                f"Differences from TA-Lib on {talib['rows_compared']:,} rows with {SETTLED} rows before them and "
                "no gap (99 % and 99.9 % of the rows are within; largest):\n"
                + "\n".join(
                    f"  {label:<42} " + " ".join(f"{value:9.6f}" for value in talib[key].values())
                    for key, label in (
                        ("rsi", "RSI, 0 to 100, where the price moved"),
                        ("macd", "MACD of the log price"),
                        ("histogram", "MACD histogram"),
                    )
                )
            )

    print(f"\n{'':52} {'seconds':>9} {'rows/s':>12}")
    for label, rows, time_taken in lines:
        print(f"{label:<52} {time_taken:9.2f} {rows / time_taken:12,.0f}")
    print(f"\nOne vector online: {result['one_by_one_milliseconds']:.2f} ms.", end=" ")
    print(f"Equal to the batch bit for bit: {equal:,} of {sample:,}.")
    print(agreement)
    print(f"Result: {record('features', result)}")
    return 0 if equal == sample else 1


def _market(rows: int | None) -> tuple[pd.DataFrame, str]:
    """Return the real market, or a simulated one of its size, and which it is."""
    file = real_market()
    if file:
        prices, source = validate_prices(pd.read_parquet(file)), "the real market history"
    else:
        from itemmarket.simulation.simulator import simulate_market  # seconds of work that is rarely needed

        prices = simulate_market(n_items=1500, start="2022-01-01", end="2024-12-31", seed=0).head(REAL_ROWS)
        prices, source = (
            validate_prices(prices),
            "a simulated market (the real history is not on this machine)",
        )
    return prices.head(rows or len(prices)), source


def _best(call: Callable[[], pd.DataFrame], repeats: int) -> tuple[pd.DataFrame, float]:
    """Return what a call gives and the time of its fastest pass."""
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        given = call()
        seconds.append(time.perf_counter() - begin)
    return given, min(seconds)


def _one_by_one(
    extractor: FeatureExtractor, prices: pd.DataFrame, table: pd.DataFrame, sample: int
) -> tuple[float, int, int]:
    """Extract random rows online from the last days of their item; return seconds, equal vectors, and rows."""
    rows = np.random.default_rng(0).permutation(len(prices))[:sample]
    tasks = []
    for row in rows:
        recent = prices.iloc[max(0, row - LOOKBACK) : row + 1]
        name, date = recent["name"].iloc[-1], recent["date"].iloc[-1]
        tasks.append((name, recent[recent["name"] == name], date))
    begin = time.perf_counter()
    vectors = [extractor.extract(*task) for task in tasks]
    seconds = time.perf_counter() - begin
    batch = table.to_numpy()
    equal = sum(vector.tobytes() == batch[row].tobytes() for vector, row in zip(vectors, rows, strict=True))
    return seconds, equal, len(rows)


def _compare_with_talib(prices: pd.DataFrame, table: pd.DataFrame) -> dict[str, Any]:
    """Run TA-Lib on every item; return its time and the differences where both mean the same.

    TA-Lib counts rows and starts its averages from plain means at the first ones: rows with a gap among the
    days that our features look at, and each item's first rows, are left out of the comparison. What remains
    is the cut after 128 days; RSI feels it where a cheap item has hardly moved since.
    """
    starts = np.flatnonzero(
        np.r_[True, prices["name"].to_numpy()[1:] != prices["name"].to_numpy()[:-1], True]
    )
    day = prices["date"].to_numpy().astype("datetime64[D]").astype(np.int64)
    row = np.arange(len(prices))
    before = np.maximum(row - LOOKBACK, 0)
    settled = row - np.repeat(starts[:-1], np.diff(starts)) >= SETTLED
    settled &= day - day[before] == LOOKBACK
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "price.npy", prices["price"].to_numpy(np.float64))
        np.save(folder / "starts.npy", starts)
        subprocess.run([_talib_python(), Path(__file__).with_name("_talib.py"), folder], check=True)
        theirs = {key: np.load(folder / f"{key}.npy") for key in ("rsi", "macd", "histogram", "seconds")}
    result = {"seconds": float(theirs["seconds"]), "rows_compared": int(settled.sum())}
    for key, column in {"rsi": "rsi_14", "macd": "macd", "histogram": "macd_histogram"}.items():
        ours = table[column].to_numpy()
        # Nothing moved in the days that we look at: we say 50, TA-Lib remembers what moved last.
        compared = settled & (ours != 50) if key == "rsi" else settled
        difference = np.abs(ours - theirs[key])[compared]
        result[key] = {
            label: float(np.quantile(difference, share)) if difference.size else 0.0
            for label, share in (("of_99_percent", 0.99), ("of_999_in_1000", 0.999), ("largest", 1.0))
        }
    return result


def _talib_python() -> Path:
    """Return the Python of an environment that has TA-Lib, made the first time."""
    folder = BUILD / "bench-env"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = [python, "-c", "import talib"]
    if not python.is_file() or subprocess.run(ready, capture_output=True).returncode:
        print(f"Installing {TALIB} into {folder} ...", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        quiet = ["--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
        subprocess.run(
            [python, "-m", "pip", "install", *quiet, TALIB, f"numpy=={np.__version__}"], check=True
        )
    return python


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
