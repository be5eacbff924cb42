"""Lab 1's figures: the reference network against persistence and the random forest, over three seeds."""

import argparse
import sys
import time
from types import ModuleType

import numpy as np
import torch

import itemmarket as im
from autograder.labs.definition import load_lab
from autograder.labs.secret import hidden_seed
from benchmarks._common import ROOT, lab_modules, record

LAB = ROOT / "solutions" / "lab1_mlp"
SEEDS = (0, 1, 2)


def main(argv: list[str]) -> int:
    """Print RMSE ratios and seconds; with ``--gate`` fail when the reference misses a threshold of lab.toml."""
    parser = argparse.ArgumentParser(prog="course.py bench lab1", description=__doc__)
    parser.add_argument("--gate", action="store_true", help="fail when a threshold of lab.toml is missed")
    options = parser.parse_args(argv)
    thresholds = load_lab(LAB).thresholds
    rows = measure()
    print(f"{'hold-out':16} {'opponent':12} {'ratio, three seeds':24} {'at most':>8}")
    missed = []
    for (market, opponent), ratios in rows["ratios"].items():
        threshold = thresholds[f"rmse_over_{opponent}"]
        print(f"{market:16} {opponent:12} {'  '.join(f'{r:.4f}' for r in ratios):24} {threshold:>8}")
        missed += [f"{market} / {opponent}: {r:.4f}" for r in ratios if r > threshold]
    print(f"fit: {np.median(rows['fit_seconds']):.1f} s (network), {rows['forest_seconds']:.1f} s (forest)")
    rows["ratios"] = {" / ".join(key): value for key, value in rows["ratios"].items()}
    print(f"The figures are in {record('lab1', rows)}")
    if options.gate and missed:
        print(f"bench lab1: the reference misses its thresholds: {'; '.join(missed)}", file=sys.stderr)
        return 1
    return 0


def measure() -> dict:
    """Return the reference's RMSE over each opponent's, per market and seed, and seconds to fit."""
    torch.set_num_threads(1)  # as in the grader; small batches gain nothing from a second thread
    with lab_modules(LAB.name) as modules:
        return compare(modules["mlp"], modules["visible_checks"], modules["reference"])


def compare(mlp: ModuleType, checks: ModuleType, reference: ModuleType) -> dict:
    """Return what :func:`measure` promises, from the lab's modules."""
    table, split = checks.market_rows()
    train = table.take(split.train)
    started = time.perf_counter()
    forest = reference.forest()
    forest_seconds = time.perf_counter() - started
    markets = {
        "bundled market": table.take(split.test),
        "hidden market": reference.hidden_rows(hidden_seed(LAB.name)),
    }
    ratios: dict[tuple[str, str], list[float]] = {}
    fit_seconds = []
    for seed in SEEDS:
        started = time.perf_counter()
        network = mlp.PyTorchPredictor(seed=seed).fit(train.X.to_numpy(), train.y)
        fit_seconds.append(time.perf_counter() - started)
        for market, rows in markets.items():
            error = im.rmse(rows.y, network.predict(rows.X.to_numpy()))
            opponents = {"persistence": np.zeros(len(rows)), "forest": forest.predict(rows.X.to_numpy())}
            for opponent, forecast in opponents.items():
                ratios.setdefault((market, opponent), []).append(error / im.rmse(rows.y, forecast))
    return {
        "ratios": ratios,
        "fit_seconds": fit_seconds,
        "forest_seconds": forest_seconds,
        "rows": {"train": len(train)} | {market: len(rows) for market, rows in markets.items()},
    }
