"""Lecture 2 says what its cells show: each claim of the prose and the exercises, on the bundled market."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

import itemmarket as im
from tests.sharing import names_of_lecture


@pytest.fixture(scope="module")
def lecture(root, tmp_path_factory):
    """The names that the lecture's cells leave behind."""
    return names_of_lecture(root, tmp_path_factory, 2)


def test_tensors_and_gradients_are_the_same_as_by_hand(lecture):
    assert lecture["difference"] < 1e-12
    assert lecture["gradient_gap"] < 1e-9


def test_unscaled_descent_never_arrives_and_scaled_descent_does(lecture):
    assert lecture["arrived"] < 0.1
    assert lecture["arrived_scaled"] > 0.99
    assert lecture["condition"]["as they are"] > 1000 * lecture["condition"]["scaled"]
    for errors in lecture["errors"].values():
        assert (np.diff(errors) <= 1e-15).all()  # a safe step: it is slow, not wild


def test_early_stopping_leaves_the_best_weights(lecture):
    errors, n_fit = lecture["tail_errors"], lecture["n_fit"]
    assert 4 < len(errors) < 30 and len(errors) == np.argmin(errors) + 1 + 3
    lecture["network"].load_state_dict(lecture["best"])
    error = im.rmse(lecture["y"][n_fit:], lecture["predict"](lecture["X"][n_fit:]))
    assert error == pytest.approx(min(errors), rel=1e-6)


def test_dropout_left_on_is_noise_that_averages_out_almost(lecture):
    assert np.ptp(lecture["noisy"]) > 1e-3
    assert 0 < lecture["left_on"] - lecture["off"] < 0.02


def test_a_pickle_runs_and_an_artefact_keeps_every_bit(lecture, capsys):
    pickle = lecture["pickle"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "lecture2", SimpleNamespace(**lecture))
        pickle.loads(pickle.dumps(lecture["Present"]()))
    assert "run by pickle.loads" in capsys.readouterr().out
    assert lecture["same"]


def test_the_comparison_ends_as_the_text_says(lecture):
    result, paired = lecture["result"], lecture["paired"]
    assert 0.96 < paired.low < paired.high < 1.04
    assert result.loc[["network", "forest"], "rmse_ratio"].max() < result.loc["linear", "rmse_ratio"] < 1
    mae = result["mae"]
    assert mae["persistence"] < 1.03 * mae.min() and mae["persistence"] < mae["linear"]


def test_exercise_1_without_the_widest_column(lecture, monkeypatch):
    X, y, least = lecture["X"], lecture["y"], lecture["least"]
    place = list(lecture["past"].X.columns).index("rsi_14")
    errors = lecture["descend"](np.delete(X, place, axis=1), lecture["STEPS"])
    assert y.shape == (len(X),)
    way = 1 - (errors[-1] - least) / (errors[0] - least)
    assert lecture["arrived"] + 0.02 < way < 0.9


def test_exercise_2_a_forest_hardly_notices(lecture):
    powers = 2.0 ** np.arange(-5, 5)
    forest = clone(lecture["forest"]).fit(lecture["X"] * powers, lecture["y"])
    ratio = im.rmse_ratio(lecture["future"].y, forest.predict(lecture["X_future"] * powers))
    assert ratio == pytest.approx(lecture["result"].loc["forest", "rmse_ratio"], abs=0.005)


def test_exercise_3_the_mean_of_three_networks(lecture):
    forecasts = []
    for seed in (0, 1, 2):
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 1))
        lecture["network"].load_state_dict(network.state_dict())
        for _ in range(3):
            lecture["one_epoch"]()
        forecasts.append(lecture["predict"](lecture["X_future"]).copy())
    lecture["network"].load_state_dict(lecture["best"])
    alone = [im.rmse(lecture["future"].y, forecast) for forecast in forecasts]
    assert im.rmse(lecture["future"].y, np.mean(forecasts, axis=0)) < np.mean(alone)
