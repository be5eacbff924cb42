"""Lab 1 as it is graded: the hidden market, and what the criteria rest on."""

import numpy as np
import pytest

from autograder.labs.definition import load_lab
from benchmarks import lab1 as bench
from benchmarks._common import lab_modules


@pytest.fixture(scope="module")
def modules():
    """The lab's modules, imported by name as the judge does."""
    with lab_modules("lab1_mlp") as found:
        yield found


def test_another_secret_is_another_market(modules):
    reference = modules["reference"]
    one, other = reference.hidden_rows(1), reference.hidden_rows(2)
    assert len(one) > 1000
    assert not np.array_equal(one.y[:100], other.y[:100])


def test_hidden_inputs_hold_no_hidden_target(modules):
    """Rows of one item lie further apart than all that a row reads and predicts."""
    rows = modules["reference"].hidden_rows(1)
    days = rows.dates.to_numpy().astype("datetime64[D]").astype(int)
    for name in np.unique(rows.names):
        gaps = np.diff(days[rows.names == name])
        assert (gaps > 160 + 1).all()


def test_reference_keeps_its_criteria(root, monkeypatch, request):
    """One seed here, three in the long form: the network against persistence and the forest, on both markets."""
    seeds = (0, 1, 2) if request.config.getoption("--long") else (0,)
    monkeypatch.setattr(bench, "SEEDS", seeds)
    ratios = bench.measure()["ratios"]
    thresholds = load_lab(root / "solutions" / "lab1_mlp").thresholds
    for (_, opponent), found in ratios.items():
        assert max(found) <= thresholds[f"rmse_over_{opponent}"]
