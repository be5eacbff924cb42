"""Lab 2: what its criteria rest on, the reference on made and on real items, and its planted bugs."""

import numpy as np
import pandas as pd
import pytest
import torch

import itemmarket as im
from autograder.labs.definition import load_lab
from benchmarks import lab2 as bench
from benchmarks._common import lab_modules


@pytest.fixture(scope="module")
def modules():
    """The lab's modules, imported by name as the judge does."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with lab_modules("lab2_lstm") as found:
        yield found
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def small(modules):
    """A reference model trained on few windows that fall back to their mean."""
    X, y = modules["visible_checks"].falling_back(400, length=12)
    return modules["lstm"].LSTMPricePredictor(hidden=16, batch_size=32, max_epochs=3).fit(X, y)


def test_another_secret_is_another_market(modules):
    one, other = (modules["reference"].hidden_windows(seed) for seed in (1, 2))
    assert len(one) > 5000
    assert not np.array_equal(one.y[:100], other.y[:100])


def test_hidden_inputs_hold_no_hidden_target(modules):
    """Windows of one item lie further apart than all that a window reads and predicts."""
    windows = modules["reference"].hidden_windows(1)
    days = windows.dates.to_numpy().astype("datetime64[D]").astype(int)
    names, item = np.unique(windows.names, return_inverse=True)
    for number in range(len(names)):
        gaps = np.diff(days[item == number])
        assert (gaps >= 30 + 1).all()


def test_hidden_windows_are_of_all_lengths(modules):
    windows = modules["reference"].hidden_windows(1)
    short = windows.lengths[windows.lengths < 30]
    assert 0.3 < len(short) / len(windows) < 0.35
    assert set(short) == set(range(9, 30))
    modules["lstm"].check_windows(windows.sequences, windows.y, n_series=2)


def test_the_hold_out_is_later_and_apart(modules):
    for horizon in (1, 7):
        train, test = modules["visible_checks"].market_windows(horizon)
        assert (test.dates.min() - train.dates.max()).days > horizon
        assert len(train) > 10_000 and len(test) > 10_000


@pytest.mark.parametrize("days", [2, 9, 29])
def test_alone_padded_and_in_a_batch(modules, small, days):
    checks = modules["visible_checks"]
    X = checks.falling_back(8, length=30, seed=days)[0][:, -days:]
    X = X[np.isfinite(X).all(axis=(1, 2))]
    together = small.predict(np.concatenate([checks.padded(X, 30 - days), checks.falling_back(9, 30)[0]]))
    for row, expected in zip(X, together, strict=False):
        assert small.predict(row[None])[0] == pytest.approx(expected, abs=1e-5)


def test_a_window_is_answered_at_once(modules, small):
    X = modules["visible_checks"].falling_back(1000, length=30)[0]
    assert bench.quickest(small, X[:1], 20) < 0.1
    assert bench.quickest(small, X, 3) < 5


def criteria(lstm, train, test, seeds, monkeypatch) -> dict:
    monkeypatch.setattr(bench, "SEEDS", seeds)
    return bench.compare_on(lstm, train, test, {"market": None})


def test_reference_keeps_its_criteria(modules, monkeypatch, request, root):
    """One seed here, three in the long form: against persistence, MA7 and the forest, and in the ensemble."""
    seeds = (0, 1, 2) if request.config.getoption("--long") else (0,)
    checks, lstm = modules["visible_checks"], modules["lstm"]
    found = criteria(lstm, *checks.market_windows(), seeds, monkeypatch)
    for (_, opponent), ratios in found["ratios"].items():
        assert np.median(ratios) <= bench.limit(opponent)
    assert np.median(found["ratios"]["market", "persistence"]) <= 0.84
    thresholds = load_lab(root / "solutions" / "lab2_lstm").thresholds
    assert max(found["fit_cpu_seconds"]) < 60
    test = checks.market_windows()[1]  # the graded answer "days": the last week or so holds nearly all
    nine, whole = (im.rmse_ratio(test.y, found["models"][0].predict(test.sequences[:, -d:])) for d in (9, 30))
    assert nine < whole + 0.03
    together = bench.ensemble(lstm, checks, found["models"])
    assert np.median(together["ensemble_ratios"]) <= thresholds["rmse_over_ensemble"]
    assert all(0 < weight <= 1 for weight in together["weights"])
    for seed in range(1, 4):
        hidden = modules["reference"].hidden_windows(seed)
        ratios = [im.rmse_ratio(hidden.y, model.predict(hidden.sequences)) for model in found["models"]]
        assert max(ratios) <= thresholds["rmse_over_persistence"]


@pytest.mark.long
def test_reference_keeps_its_criteria_on_real_items(modules, monkeypatch, real_market):
    prices = pd.read_parquet(real_market / "steam_daily.parquet")
    windows = modules["visible_checks"].split_windows(prices, step=1)
    found = criteria(modules["lstm"], *windows, (0, 1, 2), monkeypatch)
    for (_, opponent), ratios in found["ratios"].items():
        assert np.median(ratios) <= bench.limit(opponent)


def test_the_gate_names_what_is_missed(monkeypatch, capsys, tmp_path):
    rows = {
        "ratios": {("made up", "persistence"): [0.95, 0.91, 0.89], ("made up", "MA7"): [0.9, 0.9, 1.2]},
        "fit_cpu_seconds": [1.0],
        "milliseconds": 1.0,
        "milliseconds_for_1000": 9.0,
        "weights": [0.5],
        "ensemble_ratios": [1.1, 0.9, 1.02],
    }
    monkeypatch.setattr(bench, "measure", lambda: rows | {"ratios": dict(rows["ratios"])})
    monkeypatch.setattr(bench, "record", lambda name, result: tmp_path / name)
    assert bench.main([]) == 0
    assert bench.main(["--gate"]) == 1
    told = capsys.readouterr().err
    assert "made up / persistence: 0.9100" in told and "made up / MA7" not in told
    assert "ensemble with / without the network: 1.0200" in told and "one window" not in told
