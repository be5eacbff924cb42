"""Lecture 3 says what its cells show: each claim of the prose and the exercises, on the bundled market."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor

import itemmarket as im
from benchmarks._common import lab_modules
from tests.sharing import names_of_lecture


@pytest.fixture(scope="module")
def lecture(root, tmp_path_factory):
    """The names that the lecture's cells leave behind."""
    return names_of_lecture(root, tmp_path_factory, 3)


def ratio(lecture, name) -> float:
    return im.rmse_ratio(lecture["future"].y, lecture["forecasts"][name])


def test_one_window_in_a_hundred_holds_most_of_the_error(lecture):
    assert lecture["top"] > 0.7


def test_a_jump_falls_back(lecture):
    assert len(lecture["jumped"]) > 20
    assert -np.median(lecture["fall"]) > 0.8


def test_the_yardstick_does_what_recurrence_did_not(lecture):
    """The same network, windows, loss and seed; only the inputs are measured in other units."""
    plain, own = ratio(lecture, "network"), ratio(lecture, "network, own yardstick")
    assert own < plain - 0.01
    assert own < min(
        ratio(lecture, name)
        for name in ("7-day mean", "ridge", "forest", "exponential smoothing", "boosted trees")
    )
    assert plain == pytest.approx(ratio(lecture, "boosted trees"), abs=0.03)


def test_by_the_absolute_error_only_the_network_with_its_yardstick_gains(lecture):
    absolute = lecture["absolute"]
    assert absolute.idxmin() == "network, own yardstick"
    assert absolute["network, own yardstick"] < 0.96
    others = absolute.drop("network, own yardstick")
    assert others.min() > 0.96
    assert min(absolute["7-day mean"], absolute["ridge"]) > 1


def test_trees_gain_from_the_yardstick_too(lecture):
    assert ratio(lecture, "trees, own yardstick") < ratio(lecture, "boosted trees")
    assert ratio(lecture, "network, own yardstick") < ratio(lecture, "trees, own yardstick")


def test_smoothing_is_what_it_says(lecture):
    """A level that never moves is forecast as it is, and a lone spike is smoothed away."""
    X = np.zeros((1, 30))
    assert lecture["smoothed"](X) == pytest.approx(0)
    X[0, -1] = 1
    assert lecture["smoothed"](X)[0] < 0


def test_smoothing_ties_with_the_lstm_of_lab_2(lecture):
    """By RMSE the intervals overlap; by the absolute error the LSTM is ahead (real items: ``bench forecasting``)."""
    with lab_modules("lab2_lstm") as modules:
        train, test = modules["visible_checks"].market_windows()
        lstm = modules["lstm"].LSTMPricePredictor(seed=0).fit(train.sequences, train.y)
    test = test.take(test.lengths == 30)
    forecasts = {"LSTM": lstm.predict(test.sequences), "smoothing": lecture["smoothed"](test.X)}
    table = im.compare(test.y, forecasts, items=test.names)
    assert table.loc["smoothing", "low"] < table.loc["LSTM", "rmse_ratio"] < table.loc["smoothing", "high"]
    assert table.loc["LSTM", "mae"] < 0.97 * table.loc["smoothing", "mae"]


def test_a_short_history_costs_little(lecture):
    future, measured = lecture["future"], lecture["measured"]
    cut = im.Windows(future.X[:, -9:], future.volumes[:, -9:], future.y, future.names, future.dates)
    nine = im.rmse_ratio(future.y, lecture["ask"](lecture["network"], measured(cut)))
    assert nine < ratio(lecture, "network, own yardstick") + 0.03


def test_packed_sequences_are_read_to_their_own_end(lecture):
    assert np.allclose(lecture["states"][0, 1].detach(), lecture["alone"][0, 0].detach(), atol=1e-6)


def test_exercise_1_without_jumps(lecture):
    future, calm = lecture["future"], np.ones(len(lecture["future"]), dtype=bool)
    calm[lecture["jumped"]] = False
    forecasts = lecture["forecasts"]

    def gap(rows):
        smooth, network = (
            im.rmse_ratio(future.y[rows], forecasts[name][rows])
            for name in ("exponential smoothing", "network, own yardstick")
        )
        return smooth - network

    assert gap(calm) < gap(slice(None))


def test_exercise_2_nine_days_for_trees(lecture):
    past, future = (
        im.Windows(w.X[:, -9:], w.volumes[:, -9:], w.y, w.names, w.dates)
        for w in (lecture["past"], lecture["future"])
    )
    days, unit = (values.numpy() for values in lecture["measured"](past))
    trees = HistGradientBoostingRegressor(max_iter=200, learning_rate=0.05, random_state=0)
    trees.fit(lecture["flat"](days), past.y / unit, sample_weight=unit)
    days, unit = (values.numpy() for values in lecture["measured"](future))
    nine = im.rmse_ratio(future.y, trees.predict(lecture["flat"](days)) * unit)
    assert nine == pytest.approx(ratio(lecture, "trees, own yardstick"), abs=0.04)
