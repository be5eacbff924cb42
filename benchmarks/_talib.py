"""TA-Lib's RSI and MACD of many series, run by the Python of its own environment: _talib.py FOLDER.

Reads ``price.npy`` (all series one after the other) and ``starts.npy`` (where each begins, and the end) from the
folder; writes ``rsi.npy``, ``macd.npy``, ``histogram.npy`` and ``seconds.npy`` (best of five passes) into it.
"""

import itertools
import sys
import time
from pathlib import Path

import numpy as np
import talib

folder = Path(sys.argv[1])
price, starts = np.load(folder / "price.npy"), np.load(folder / "starts.npy")
rsi, macd, histogram = np.full((3, len(price)), np.nan)
seconds = []
for _ in range(5):
    begin = time.perf_counter()
    for first, end in itertools.pairwise(starts):
        rsi[first:end] = talib.RSI(price[first:end], 14)
        macd[first:end], _, histogram[first:end] = talib.MACD(np.log(price[first:end]), 12, 26, 9)
    seconds.append(time.perf_counter() - begin)
for name, values in {
    "rsi": rsi,
    "macd": macd,
    "histogram": histogram,
    "seconds": np.array(min(seconds)),
}.items():
    np.save(folder / f"{name}.npy", values)
