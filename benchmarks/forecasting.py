"""The next day's price: the LSTM of lab 2 beside what a practitioner would pick, on the same windows.

Formulas (persistence, 3- and 7-day mean), methods that look at one window at a time (simple exponential smoothing,
AutoETS, AutoTheta, AutoARIMA, from statsforecast in an environment of its own: ``build/forecast-env``), and models
that learn from all items (ridge, random forest, gradient boosting, the LSTM over three seeds). On the bundled market,
and on real items where they are. Intervals are over items.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingRegressor

import itemmarket as im
from benchmarks._common import BUILD, lab_modules, real_market, record
from itemmarket.evaluation.metrics import interval_over_items

STATSFORECAST = "statsforecast==2.1.1"
SEEDS = (0, 1, 2)


class LagBoosting(RegressorMixin, BaseEstimator):
    """Gradient-boosted trees on each day of the window, measured from the last day, and the log units sold.

    Windows are of shape (n, length, 2), whole ones only.
    """

    def fit(self, S: np.ndarray, y: np.ndarray) -> "LagBoosting":
        """Learn from windows and the changes that followed."""
        self.model_ = HistGradientBoostingRegressor(
            max_iter=300, learning_rate=0.05, min_samples_leaf=20, early_stopping=False, random_state=0
        ).fit(self._columns(S), y)
        return self

    def predict(self, S: np.ndarray) -> np.ndarray:
        """Return forecast changes."""
        return self.model_.predict(self._columns(S))

    @staticmethod
    def _columns(S: np.ndarray) -> np.ndarray:
        price = S[..., 0]
        return np.column_stack([(price - price[:, -1:])[:, :-1], price[:, -1], np.log1p(S[..., 1])])


def main(argv: list[str]) -> int:
    """Measure, print a table for each market, and keep the result in build/bench/forecasting.json."""
    parser = argparse.ArgumentParser(prog="course.py bench forecasting", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--windows", type=int, default=2000, help="hold-out windows of a market (default 2000)"
    )
    parser.add_argument("--without-statsforecast", action="store_true", help="install nothing, leave it out")
    options = parser.parse_args(argv)
    if options.windows < 100:
        parser.error("--windows is at least 100: a few trades decide the errors")
    torch.set_num_threads(1)
    result = {}
    with lab_modules("lab2_lstm") as modules:
        checks, lstm = modules["visible_checks"], modules["lstm"]
        markets = {"bundled market": checks.market_windows()}
        if (file := real_market()) is not None:
            markets["real items"] = checks.split_windows(pd.read_parquet(file))
        for market, (train, test) in markets.items():
            test = test.take(test.lengths == test.X.shape[1])
            rows = np.sort(np.random.default_rng(0).permutation(len(test))[: options.windows])
            test = test.take(rows)
            print(f"\n{market}: {len(train):,} training windows, {len(test):,} hold-out windows of ", end="")
            print(f"{len(np.unique(test.names)):,} items", flush=True)
            measured = learned(lstm, train, test)
            if not options.without_statsforecast:
                measured |= statistical(test)
            result[market] = table(measured, test)
            show(result[market])
    if file is None:
        print("\nThe real items are not on this machine: see COURSE_REAL_MARKET.")
    print(f"Result: {record('forecasting', result)}")
    return 0


def learned(lstm: ModuleType, train: im.Windows, test: im.Windows) -> dict[str, dict[str, Any]]:
    """Fit formulas and models on the training windows; return forecasts and seconds by the model's name."""
    whole = train.take(train.lengths == train.X.shape[1])
    models = {
        "persistence": (im.Persistence(), False),
        "3-day mean": (im.MovingAverage(3), False),
        "7-day mean": (im.MovingAverage(7), False),
        "ridge": (im.RidgeLags(), False),
        "random forest": (im.WindowForest(max_samples=0.5), False),
        "gradient boosting": (LagBoosting(), True),
    } | {f"LSTM, seed {seed}": (lstm.LSTMPricePredictor(seed=seed), True) for seed in SEEDS}
    measured = {}
    for name, (model, reads_volumes) in models.items():
        known = train if name.startswith("LSTM") else whole  # only the LSTM can read new items
        began = time.process_time()
        model.fit(known.sequences if reads_volumes else known.X, known.y)
        fitted = time.process_time()
        forecast = model.predict(test.sequences if reads_volumes else test.X)
        measured[name] = {
            "forecast": forecast,
            "fit_seconds": fitted - began,
            "predict_seconds": time.process_time() - fitted,
        }
    return measured


def statistical(test: im.Windows) -> dict[str, dict[str, Any]]:
    """Return the same of statsforecast's methods, which fit each window when they are asked about it."""
    try:
        python = _statsforecast_python()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            np.save(folder / "X.npy", test.X)
            one_thread = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
            script = Path(__file__).with_name("_statsforecast.py")
            subprocess.run([python, script, folder], check=True, env=one_thread)
            seconds = json.loads((folder / "seconds.json").read_text(encoding="utf-8"))
            return {
                method: {
                    "forecast": np.load(folder / f"{method}.npy"),
                    "fit_seconds": 0.0,
                    "predict_seconds": taken,
                }
                for method, taken in seconds.items()
            }
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"statsforecast was left out: it could not be installed or run ({error}).")
        return {}


def table(measured: dict[str, dict[str, Any]], test: im.Windows) -> list[dict[str, Any]]:
    """Return a row of figures for each model, lowest RMSE first."""
    rows = []
    for name, found in measured.items():
        forecast = found["forecast"]
        bounds = interval_over_items(test.y, forecast, test.names)
        rows.append(
            {
                "model": name,
                "rmse": im.rmse(test.y, forecast),
                "mae": im.mae(test.y, forecast),
                "ratio": bounds.estimate,
                "low": bounds.low,
                "high": bounds.high,
                "mae_ratio": im.mae(test.y, forecast) / im.mae(test.y, np.zeros(len(test))),
                "fit_cpu_seconds": found["fit_seconds"],
                "predict_cpu_milliseconds": 1000 * found["predict_seconds"] / len(test),
            }
        )
    return sorted(rows, key=lambda row: row["rmse"])


def show(rows: list[dict[str, Any]]) -> None:
    """Print a table."""
    print(f"{'':20} {'RMSE':>8} {'MAE':>8} {'/ persistence, 95 %':>24} {'MAE / p.':>9}", end="")
    print(f" {'fit, CPU s':>10} {'ms a window':>12}")
    for row in rows:
        ratio = f"{row['ratio']:.3f} ({row['low']:.3f}–{row['high']:.3f})"
        print(
            f"{row['model']:20} {row['rmse']:8.4f} {row['mae']:8.4f} {ratio:>24} {row['mae_ratio']:9.3f}",
            end="",
        )
        print(f" {row['fit_cpu_seconds']:10.1f} {row['predict_cpu_milliseconds']:12.3f}")


def _statsforecast_python() -> Path:
    """Return the Python of an environment that has statsforecast, made the first time."""
    folder = BUILD / "forecast-env"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = [python, "-c", "import statsforecast"]
    if not python.is_file() or subprocess.run(ready, capture_output=True).returncode:
        print(f"Installing {STATSFORECAST} into {folder} ...", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        quiet = ["--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
        subprocess.run([python, "-m", "pip", "install", *quiet, STATSFORECAST], check=True)
    return python


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
