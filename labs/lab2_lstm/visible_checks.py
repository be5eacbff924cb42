"""The checks of lab 2 that you can read and run: ``check("network")`` in the notebook, or ``course.py check``.

They see your work only through the fixture ``student``, so that the same file also serves the grader.
"""

import functools
import time

import numpy as np
import pandas as pd
import pytest

import itemmarket as im
from labkit.documentation import numpydoc_errors

FIRST_DAY = "2023-01-01"  # two years are enough, and train in seconds
MIN_VOLUME = 30  # units a day in the median; below that a day's mean price is mostly noise
LENGTH, MIN_LENGTH = 30, 9
GAP = LENGTH + 1  # days that a window reads and predicts


def falling_back(n: int, length: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return windows with units sold, shape (n, length, 2), whose price falls back to the mean of the window.

    A third of the items is new: NaN stands on the left of their windows. Some windows are ten times as wild as
    others. The level of the price says nothing.
    """
    rng = np.random.default_rng(seed)
    size = 0.05 * 10 ** rng.uniform(-0.5, 0.5, (n, 1))
    price = rng.normal(0, 2, (n, 1)) + size * rng.normal(size=(n, length))
    units = rng.integers(20, 400, (n, length)).astype(float)
    lengths = np.where(rng.random(n) < 1 / 3, rng.integers(4, length + 1, n), length)
    unknown = np.arange(length) < (length - lengths)[:, None]
    price[unknown] = units[unknown] = np.nan
    y = np.nanmean(price, axis=1) - price[:, -1]
    return np.stack([price, units], axis=-1).astype(np.float32), y.astype(np.float32)


def padded(X: np.ndarray, days: int) -> np.ndarray:
    """Return windows with so many more days on the left, on which nothing is known."""
    return np.concatenate([np.full((len(X), days, *X.shape[2:]), np.nan, dtype=X.dtype), X], axis=1)


def without_padding(row: np.ndarray) -> np.ndarray:
    """Return one window, shape (1, known days, ...), cut to its known days."""
    known = np.isfinite(row.reshape(len(row), -1)).all(axis=1)
    return row[known][None]


@pytest.fixture(scope="module")
def fitted(student):
    """Return a model fitted on 1 500 windows that fall back to their mean."""
    model = student.LSTMPricePredictor(hidden=32, batch_size=64, max_epochs=12, patience=12, seed=1)
    model.fit(*falling_back(1500))
    return model


SOME = falling_back(6)[0]


def spoiled(row: int, day: int, series: int | slice, value: float) -> np.ndarray:
    """Return whole windows, one value of which is bad."""
    X = np.abs(np.nan_to_num(SOME, nan=1.0))
    X[row, day, series] = value
    return X


@pytest.mark.question("validation", hint="Look at the shape first, then at what is known, then at y.")
@pytest.mark.parametrize(
    ("X", "word"),
    [
        (np.zeros(4, dtype=np.float32), "shape"),
        (np.zeros((2, 5, 3), dtype=np.float32), "shape"),
        (np.empty((0, 5), dtype=np.float32), "empty"),
        (spoiled(1, 5, slice(None), np.nan), "NaN"),
        (np.array([[np.nan, np.nan, 1.0]], dtype=np.float32), "days"),
    ],
    ids=["one axis", "three series", "empty", "a hole", "one known day"],
)
def test_bad_windows_are_refused(student, X, word):
    """Each kind of bad window raises a ValueError that says what is wrong.

    `check_windows` was called with one bad array after another: one axis, three series, no windows, a NaN
    after a known day, a single known day.
    """
    with student.raises(ValueError, match=word):
        student.check_windows(X)


@pytest.mark.question("validation", hint="NaN on the left is a new item, and no mistake.")
def test_new_items_are_welcome(student):
    """Windows of new items and whole windows are accepted, with and without units sold.

    `check_windows` was called with good windows, some with NaN on the left.
    """
    X, y = falling_back(50)
    student.check_windows(X, y, n_series=2)
    student.check_windows(X[..., 0], y, n_series=1)


@pytest.mark.question("padding", hint="A day is known where its price is finite: sum over the days of a row.")
def test_known_days_are_counted(student):
    """`known_days` counts the days that are not NaN.

    `known_days` was called with windows of prices, and of prices and units sold.
    """
    X = falling_back(40)[0]
    expected = np.isfinite(X[..., 0]).sum(axis=1)
    assert np.asarray(student.known_days(X)).tolist() == expected.tolist()
    assert np.asarray(student.known_days(X[..., 0])).tolist() == expected.tolist()


@pytest.mark.question("padding", hint="Day j of the result is day j + (length - known days) of the window.")
def test_known_days_come_first(student):
    """`to_front` keeps the order of the known days and puts zeros behind them.

    `to_front` was called with two windows of four days, of which the first knows only the last two.
    """
    X = np.array([[np.nan, np.nan, 1, 2], [3, 4, 5, 6]], dtype=np.float32)[..., None]
    moved = np.asarray(student.to_front(X))
    assert moved.dtype == np.float32
    np.testing.assert_allclose(moved[..., 0], [[1, 2, 0, 0], [3, 4, 5, 6]])


@pytest.mark.question(
    "inputs", hint="(log price - last log price) / spread; spread = root mean square + TICK."
)
def test_inputs_of_a_window(student):
    """`window_inputs` describes each known day as its docstring says.

    `window_inputs` was called with two windows of three days, one of them new; the numbers were worked out
    by hand.
    """
    X = np.array([[1.0, 1.0, 1.3], [np.nan, 2.0, 2.4]], dtype=np.float32)
    inputs, spread = student.window_inputs(X)
    expected = np.array([np.sqrt(0.18 / 3), np.sqrt(0.16 / 2)]) + 0.01
    np.testing.assert_allclose(np.asarray(spread), expected, rtol=1e-4)
    inputs = np.asarray(inputs)
    assert inputs.shape == (2, 3, 3)
    np.testing.assert_allclose(inputs[0, :, 0], [-0.3 / expected[0], -0.3 / expected[0], 0], atol=1e-4)
    np.testing.assert_allclose(inputs[1, 1:, 1], np.log(expected[1]), atol=1e-4)
    np.testing.assert_allclose(inputs[1, 1:, 2], [2.0, 2.4], atol=1e-4)
    assert np.isnan(inputs[1, 0]).all() and np.isfinite(inputs[1, 1:]).all()


@pytest.mark.question("inputs", hint="np.quantile over all known days of a channel: NaN days do not count.")
def test_channels_are_scaled(student):
    """Scaled channels have median 0 and interquartile range 1 over the known days.

    A `ChannelScaler` was fitted on 300 windows whose three channels have unequal scales, some of them padded,
    and scaled the same windows.
    """
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(300, 6, 3)) * [1, 10, 100] + 5
    inputs[:100, :2] = np.nan
    scaler = student.ChannelScaler(limit=50.0)
    scaler.fit(inputs)
    scaled = np.asarray(scaler.transform(inputs))
    low, middle, high = np.nanquantile(scaled, [0.25, 0.5, 0.75], axis=(0, 1))
    np.testing.assert_allclose(middle, 0, atol=1e-3)
    np.testing.assert_allclose(high - low, 1, atol=1e-3)
    assert np.isnan(scaled[:100, :2]).all()


@pytest.mark.question(
    "network", hint="nn.LSTM(..., batch_first=True), and a head of Linear, ReLU, Linear on its last state."
)
def test_sizes_of_the_network(student):
    """The LSTM has 64 units unless told otherwise, and the head ends in one number.

    `PriceLSTM` was made with four channels, and with five units; the shapes of its weights were read, and one
    output for each of three sequences was asked for.
    """
    for hidden, options in ((64, {}), (5, {"hidden": 5})):
        network = student.PriceLSTM(4, **options)
        shapes = [np.asarray(weight).shape for weight in network.state_dict().values()]
        assert (4 * hidden, 4) in shapes and (4 * hidden, hidden) in shapes
    inputs = np.random.default_rng(2).normal(size=(3, 6, 4)).astype(np.float32)
    assert np.asarray(student.network_outputs(network, inputs, np.array([6, 2, 4]))).shape == (3,)


@pytest.mark.question(
    "network", hint="Pack the sequences with their lengths, and read the state that comes back."
)
def test_what_stands_behind_does_not_matter(student):
    """A sequence of three known days gives the same output whatever stands behind them.

    An untrained network was asked for two sequences of three known days, with zeros and with noise behind
    them, and for the same sequences without anything behind them.
    """
    rng = np.random.default_rng(3)
    network = student.PriceLSTM(2)
    inputs = rng.normal(size=(2, 8, 2)).astype(np.float32)
    other = inputs.copy()
    other[:, 3:] = rng.normal(size=(2, 5, 2)) * 10
    inputs[:, 3:] = 0
    outputs = [
        np.asarray(student.network_outputs(network, sequences, np.array([3, 3])))
        for sequences in (inputs, other, inputs[:, :3].copy())
    ]
    np.testing.assert_allclose(outputs[1], outputs[0], atol=1e-5)
    np.testing.assert_allclose(outputs[2], outputs[0], atol=1e-5)


@pytest.mark.question(
    "training", hint="forecast = output × spread; loss = robust_loss(forecast, y, y_scale_)."
)
def test_a_rule_is_learned(student, fitted):
    """Windows that fall back to their mean are forecast, new items among them.

    A model was trained for a few epochs on 1,500 windows whose price falls back to the mean of the window,
    and asked for 300 others.
    """
    X, y = falling_back(300, seed=4)
    forecast = np.asarray(fitted.predict(X))
    assert forecast.shape == (300,)
    assert im.r2(y, forecast) > 0.8


@pytest.mark.question(
    "training", hint="Append one validation loss per epoch; stop `patience` epochs after the best."
)
def test_early_stopping(student):
    """On pure noise training stops `patience` epochs after the best validation loss.

    A model with a patience of 3 was trained on targets that have nothing to do with the windows.
    """
    X = falling_back(300, length=6, seed=5)[0]
    y = 0.05 * np.random.default_rng(5).normal(size=300).astype(np.float32)
    model = student.LSTMPricePredictor(
        hidden=32, batch_size=16, max_epochs=60, patience=3, learning_rate=1e-2
    )
    model.fit(X, y)
    losses = list(model.validation_losses_)
    assert len(losses) < 60, "training did not stop early"
    assert int(np.argmin(losses)) == model.best_epoch_
    assert len(losses) == model.best_epoch_ + 1 + 3


@pytest.mark.question("prediction", hint="eval(), and each window's own length.")
def test_alone_or_padded(student, fitted):
    """A new item's window gets the same forecast alone, padded with NaN, or in a batch.

    A fitted model was asked for twenty windows together, for each of them cut to its known days, and for all
    with five more unknown days on the left.
    """
    X = falling_back(20, seed=6)[0]
    together = np.asarray(fitted.predict(X))
    assert np.isfinite(together).all() and np.std(together) > 1e-4, "no forecasts, or all the same"
    alone = np.concatenate([np.asarray(fitted.predict(without_padding(row))) for row in X])
    np.testing.assert_allclose(alone, together, atol=1e-5)
    np.testing.assert_allclose(np.asarray(fitted.predict(padded(X, 5))), together, atol=1e-5)


@pytest.mark.question(
    "prediction", hint="No loop over windows or days in Python where torch or numpy has one."
)
def test_quick_enough_for_a_server(student, margin, lab, fitted):
    """One window is answered within a tenth of a second, and a thousand at once are possible.

    A fitted model was asked for one window of 30 days ten times, of which the quickest counts, and for 1,000
    at once.
    """
    X = falling_back(1000, length=30, seed=7)[0]
    forecast = np.asarray(fitted.predict(X))
    assert forecast.shape == (1000,) and np.isfinite(forecast).all()
    seconds = []
    for _ in range(10):
        began = time.perf_counter()
        fitted.predict(X[:1])
        seconds.append(time.perf_counter() - began)
    margin("milliseconds for one window", 1000 * min(seconds), at_most=lab.thresholds["milliseconds"])


@pytest.mark.question("artefact", hint="Save the weights, the scaler and the number of series.")
def test_round_trip(student, fitted):
    """A saved and loaded model gives the same forecasts to the last bit.

    A fitted model was saved, loaded into a new object, and both were asked for the same windows.
    """
    folder = f"{student.tmp_path}/round_trip"
    fitted.save(folder)
    X = falling_back(50, seed=8)[0]
    loaded = student.LSTMPricePredictor.load(folder)
    np.testing.assert_array_equal(np.asarray(loaded.predict(X)), np.asarray(fitted.predict(X)))


@pytest.mark.question("skill", hint="Are forecasts output × spread? Are the best weights restored?")
def test_beats_persistence_on_the_market(student, margin, lab):
    """Trained on the bundled market, the model beats persistence on its last quarter.

    Your model was trained on windows of the first three quarters of the bundled market's days; its RMSE on
    the last quarter was divided by persistence's.
    """
    test = market_windows()[1]
    ratio = im.rmse_ratio(test.y, np.asarray(market_model(student).predict(test.sequences)))
    margin("RMSE / persistence, bundled market", ratio, at_most=lab.thresholds["rmse_over_persistence"])


@pytest.mark.question(
    "ensemble", hint="Least squares of y - ensemble on candidate - ensemble, then clip to [0, 1]."
)
def test_weight_of_a_candidate(student):
    """The weight is the best mixture on the validation windows, and within 0 and 1.

    `ensemble_weight` was called with a perfect candidate, a useless one, one that deserves a half, and the
    ensemble itself.
    """
    rng = np.random.default_rng(9)
    y, noise = rng.normal(size=2000), rng.normal(size=(2, 2000))
    assert student.ensemble_weight(y, np.zeros(2000), y) == pytest.approx(1, abs=0.011)
    assert student.ensemble_weight(y, y, noise[0]) == pytest.approx(0, abs=0.011)
    assert student.ensemble_weight(y, y + noise[0], y - noise[0]) == pytest.approx(0.5, abs=0.011)
    assert student.ensemble_weight(y, noise[0], noise[0].copy()) == 0


@pytest.mark.question(
    "ensemble", weight=2, hint="The two forecasts must be of the same windows, in the same order."
)
def test_the_ensemble_gains(student, margin, lab):
    """With the network in it, the ensemble is not worse on the hold-out.

    The weight of your model beside the mean of ridge and forest was tuned on the validation windows, and the
    RMSE with it divided by the RMSE without it, both on the last quarter of the bundled market.
    """
    _, test = market_windows()
    validation, opponents = opponent_forecasts()
    model = market_model(student)
    mine = [np.asarray(model.predict(part.sequences)) for part in (validation, test)]
    weight = student.ensemble_weight(validation.y, opponents[0], mine[0])
    assert 0 <= weight <= 1
    ratio = im.rmse(test.y, (1 - weight) * opponents[1] + weight * mine[1]) / im.rmse(test.y, opponents[1])
    margin("RMSE with / without the network", ratio, at_most=lab.thresholds["rmse_over_ensemble"])


@pytest.mark.question("reading", hint="One letter per question, for example answers['spread'] = 'a'.")
def test_answers_have_a_letter(student):
    """Each of the three questions has one letter from a to d.

    The dictionary `answers` was read from your notebook.
    """
    answers = student.notebook.answers
    assert sorted(answers) == ["days", "loss", "spread"]
    assert all(letter in ("a", "b", "c", "d") for letter in answers.values())


@pytest.mark.question("documentation", hint="numpydoc: a summary line, then Parameters, Returns and Raises.")
def test_docstrings(student):
    """Every public function and method has a numpydoc docstring that names its parameters.

    numpydoc read the docstrings of `lstm.py`.
    """
    assert numpydoc_errors(student.source) == []


@functools.cache
def market_windows(horizon: int = 1) -> tuple[im.Windows, im.Windows]:
    """Return the lab's training and hold-out windows of the bundled market."""
    return split_windows(im.load_prices(), horizon)


def split_windows(prices: pd.DataFrame, horizon: int = 1, step: int = 4) -> tuple[im.Windows, im.Windows]:
    """Cut a market table into training and hold-out windows, split by time with an embargo.

    Every ``step``-th window of each item is kept, and of those to train on about every twelfth day's: neighbours say
    almost the same.
    """
    windows = im.price_windows(
        prices[prices["date"] >= FIRST_DAY],
        LENGTH,
        horizon,
        step=step,
        min_volume=MIN_VOLUME,
        min_length=MIN_LENGTH,
    )
    split = im.temporal_split(windows.dates, test_fraction=0.25, horizon=horizon)
    return windows.take(split.train[:: 12 // step]), windows.take(split.test)


@functools.cache
def opponent_forecasts() -> tuple[im.Windows, list[np.ndarray]]:
    """Return validation windows, and what the ensemble without a network says of them and of the hold-out.

    The ensemble is the mean of ridge and random forest, trained on the first nine tenths of the training days; the
    last tenth of the windows, which the network's early stopping watches, validates. Both want whole windows, and
    the hold-out has no others.
    """
    train, test = market_windows()
    past, recent = im.temporal_split(train.dates, test_fraction=0.1)
    recent = recent[recent >= len(train) - round(0.1 * len(train))]  # none that the network has trained on
    past = past[train.lengths[past] == LENGTH]
    recent = recent[train.lengths[recent] == LENGTH]
    models = [im.RidgeLags(), im.WindowForest(40, max_samples=0.5, n_jobs=2)]
    for model in models:
        model.fit(train.X[past], train.y[past])
    parts = (train.take(recent), test)
    return parts[0], [np.mean([model.predict(part.X) for model in models], axis=0) for part in parts]


def market_model(student):
    """Return the student's model trained on the bundled market: once, however many checks ask for it."""
    if "market_model" not in student.memo:
        train, _ = market_windows()
        model = student.LSTMPricePredictor(seed=0)
        model.fit(train.sequences, train.y)
        student.memo["market_model"] = model
    return student.memo["market_model"]
