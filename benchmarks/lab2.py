"""Lab 2's figures: the reference LSTM against its opponents, over three seeds, on made and on real items."""

import argparse
import sys
import time
from types import ModuleType

import numpy as np
import pandas as pd
import torch

import itemmarket as im
from autograder.labs.definition import load_lab
from autograder.labs.secret import hidden_seed
from benchmarks._common import ROOT, lab_modules, real_market, record

LAB = ROOT / "solutions" / "lab2_lstm"
SEEDS = (0, 1, 2)


def main(argv: list[str]) -> int:
    """Print RMSE ratios and seconds; with ``--gate`` fail when the reference misses a criterion."""
    parser = argparse.ArgumentParser(prog="course.py bench lab2", description=__doc__)
    parser.add_argument("--gate", action="store_true", help="fail when the reference misses a criterion")
    options = parser.parse_args(argv)
    rows = measure()
    print(f"{'hold-out':16} {'opponent':12} {'ratio, three seeds':24} {'median':>8} {'at most':>8}")
    missed = []
    for (market, opponent), ratios in rows["ratios"].items():
        median, threshold = float(np.median(ratios)), limit(opponent)
        shown = "  ".join(f"{ratio:.4f}" for ratio in ratios)
        print(f"{market:16} {opponent:12} {shown:24} {median:8.4f} {threshold:8.2f}")
        missed += [f"{market} / {opponent}: {median:.4f}"] if median > threshold else []
    thresholds, ensemble_ratio = load_lab(LAB).thresholds, float(np.median(rows["ensemble_ratios"]))
    if ensemble_ratio > thresholds["rmse_over_ensemble"]:
        missed.append(f"ensemble with / without the network: {ensemble_ratio:.4f}")
    if rows["milliseconds"] > thresholds["milliseconds"]:
        missed.append(f"one window: {rows['milliseconds']:.1f} ms")
    print(
        f"fit: {np.median(rows['fit_cpu_seconds']):.1f} CPU s; one window: {rows['milliseconds']:.2f} ms",
        end="; ",
    )
    print(
        f"a thousand: {rows['milliseconds_for_1000']:.0f} ms; the network's weight: {rows['weights']}",
        end="; ",
    )
    print("with it / without:", "  ".join(f"{ratio:.4f}" for ratio in rows["ensemble_ratios"]))
    if real_market() is None:
        print("The real items are not on this machine: see COURSE_REAL_MARKET.")
    rows["ratios"] = {" / ".join(key): value for key, value in rows["ratios"].items()}
    print(f"The figures are in {record('lab2', rows)}")
    if options.gate and missed:
        print(f"bench lab2: the reference misses its criteria: {'; '.join(missed)}", file=sys.stderr)
        return 1
    return 0


def limit(opponent: str) -> float:
    """Return the ratio that the reference has to keep: lab.toml's for persistence, 1 for the other opponents."""
    return load_lab(LAB).thresholds["rmse_over_persistence"] if opponent == "persistence" else 1.0


def measure() -> dict:
    """Return the reference's RMSE over each opponent's, per market and seed, and seconds."""
    torch.set_num_threads(1)  # as in the grader; small batches gain nothing from a second thread
    with lab_modules(LAB.name) as modules:
        checks, lstm = modules["visible_checks"], modules["lstm"]
        hidden = modules["reference"].hidden_windows(hidden_seed(LAB.name))
        rows = compare_on(lstm, *checks.market_windows(), {"bundled market": None, "hidden market": hidden})
        rows |= ensemble(lstm, checks, rows.pop("models"))
        if (file := real_market()) is not None:
            real = compare_on(
                lstm, *checks.split_windows(pd.read_parquet(file), step=1), {"real items": None}
            )
            rows["ratios"] |= real["ratios"]
    return rows


def compare_on(
    lstm: ModuleType, train: im.Windows, test: im.Windows, markets: dict[str, im.Windows | None]
) -> dict:
    """Train one network for each seed; return its RMSE over each opponent's on the hold-out and other windows.

    Opponents know whole windows only: the others are left to persistence.
    """
    whole = train.take(train.lengths == train.X.shape[1])
    opponents = {
        "persistence": im.Persistence(),
        "MA7": im.MovingAverage(7),
        "forest": im.WindowForest(max_samples=0.5, n_jobs=2),
    }
    for opponent in opponents.values():
        opponent.fit(whole.X, whole.y)
    ratios: dict[tuple[str, str], list[float]] = {}
    seconds, models = [], []
    for seed in SEEDS:
        began = time.process_time()
        models.append(lstm.LSTMPricePredictor(seed=seed).fit(train.sequences, train.y))
        seconds.append(time.process_time() - began)
        for market, windows in markets.items():
            windows = test if windows is None else windows
            known = windows.lengths == windows.X.shape[1]
            forecast = models[-1].predict(windows.sequences)
            for name, opponent in opponents.items():
                rows = known if name != "persistence" else slice(None)
                theirs = opponent.predict(np.nan_to_num(windows.X[rows]))
                error = im.rmse(windows.y[rows], forecast[rows]) / im.rmse(windows.y[rows], theirs)
                ratios.setdefault((market, name), []).append(error)
    rows = {"train": len(train), "hold-out": len(test)}
    return {"ratios": ratios, "fit_cpu_seconds": seconds, "rows": rows, "models": models}


def ensemble(lstm: ModuleType, checks: ModuleType, models: list) -> dict:
    """Return the weights that validation gives the networks, what they bring, and how quick the first one is."""
    test = checks.market_windows()[1]
    validation, (before, without) = checks.opponent_forecasts()
    weights, ratios = [], []
    for model in models:
        weight = lstm.ensemble_weight(validation.y, before, model.predict(validation.sequences))
        mixed = (1 - weight) * without + weight * model.predict(test.sequences)
        weights.append(round(weight, 3))
        ratios.append(im.rmse(test.y, mixed) / im.rmse(test.y, without))
    return {
        "weights": weights,
        "ensemble_ratios": ratios,
        "milliseconds": 1000 * quickest(models[0], test.sequences[:1], 50),
        "milliseconds_for_1000": 1000 * quickest(models[0], test.sequences[:1000], 5),
    }


def quickest(model: object, X: np.ndarray, repeats: int) -> float:
    """Return the seconds of a model's quickest answer."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        model.predict(X)
        seconds.append(time.perf_counter() - began)
    return min(seconds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
