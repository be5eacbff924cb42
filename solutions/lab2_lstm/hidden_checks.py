"""The checks of lab 2 that only the grader has."""

import json

import numpy as np
import pytest

import itemmarket as im
from labkit.former_names import learned

import reference
from visible_checks import SOME, falling_back, market_model, padded, spoiled


@pytest.fixture(scope="module")
def fitted(student):
    """Return a model fitted on 600 windows, with its inputs and targets."""
    X, y = falling_back(600, length=10, seed=21)
    y += np.random.default_rng(21).normal(0, 0.03, len(y)).astype(np.float32)
    model = student.LSTMPricePredictor(hidden=16, batch_size=32, max_epochs=12, learning_rate=1e-2, seed=2)
    model.fit(X, y)
    return model, X, y


@pytest.mark.question("validation", hint="All series of a day are known, or none; units are never negative.")
@pytest.mark.parametrize(
    ("X", "word"),
    [
        (spoiled(1, 5, 1, np.nan), "NaN"),
        (spoiled(2, 3, 0, np.inf), "NaN"),
        (spoiled(0, -1, slice(None), np.nan), "NaN"),
        (spoiled(3, 2, 1, -1.0), "units"),
    ],
    ids=["units unknown", "infinite", "last day unknown", "negative units"],
)
def test_other_bad_windows(student, X, word):
    """Days known in part, infinity, an unknown last day and negative units are refused.

    `check_windows` was called with such windows.
    """
    with student.raises(ValueError, match=word):
        student.check_windows(X)


@pytest.mark.question(
    "validation", hint="X.ndim says whether there are units sold: compare it with what fit saw."
)
def test_other_series(student, fitted):
    """A model of prices and units sold refuses prices alone.

    A model that was fitted on prices and units sold was asked about prices alone.
    """
    with student.raises(ValueError, match="series"):
        fitted[0].predict(SOME[..., 0])


@pytest.mark.question("validation", hint="y has one finite number for each window.")
def test_bad_targets(student):
    """Too few targets, or a NaN among them, are refused.

    `fit` was called with a target too few, then with a NaN among the targets.
    """
    X, y = falling_back(20)
    with student.raises(ValueError, match="length"):
        student.LSTMPricePredictor().fit(X, y[:-1])
    y[3] = np.nan
    with student.raises(ValueError, match="NaN"):
        student.LSTMPricePredictor().fit(X, y)


@pytest.mark.question("padding", hint="Each row has its own number of known days.")
def test_any_lengths(student):
    """Rows of all lengths come to the front, whole ones unchanged.

    `to_front` was called with random windows of two series whose lengths run from 1 to all days.
    """
    rng = np.random.default_rng(22)
    X = rng.normal(size=(9, 9, 2)).astype(np.float32)
    for row in range(9):
        X[row, : 8 - row] = np.nan
    moved = np.asarray(student.to_front(X))
    for row in range(9):
        np.testing.assert_array_equal(moved[row, : row + 1], X[row, 8 - row :])
        assert (moved[row, row + 1 :] == 0).all()


@pytest.mark.question(
    "inputs", hint="Only channel 2 knows the price level; + TICK keeps a resting price finite."
)
def test_what_is_comparable(student):
    """A dearer item with the same history differs in one channel, and a resting price gives finite inputs.

    `window_inputs` was called with windows, with the same windows at a hundred times the price, and with
    windows whose price never moved.
    """
    X = falling_back(30, seed=23)[0]
    dearer = X + np.array([np.log(100), 0], dtype=np.float32)
    one, other = (np.asarray(student.window_inputs(windows)[0]) for windows in (X, dearer))
    np.testing.assert_allclose(one[..., [0, 1, 3]], other[..., [0, 1, 3]], atol=1e-3)
    np.testing.assert_allclose(one[..., 3], np.log1p(X[..., 1]), atol=1e-4)
    resting, spread = student.window_inputs(np.full((2, 5), -3.5, dtype=np.float32))
    assert np.isfinite(np.asarray(resting)).all()
    np.testing.assert_allclose(np.asarray(spread), 0.01, atol=1e-6)


@pytest.mark.question("inputs", hint="Padding must not change what is known: mean over the known days only.")
def test_inputs_of_padded_windows(student):
    """More unknown days on the left change neither inputs nor spread.

    `window_inputs` was called with windows, and with the same windows and four unknown days before them.
    """
    X = falling_back(30, seed=24)[0]
    (one, spread), (other, same) = (student.window_inputs(windows) for windows in (X, padded(X, 4)))
    np.testing.assert_allclose(np.asarray(same), np.asarray(spread), rtol=1e-5)
    np.testing.assert_allclose(np.asarray(other)[:, 4:], np.asarray(one), rtol=1e-4, atol=1e-5)


@pytest.mark.question("inputs", hint="Scale by what fit learned, guard a range of 0, clip at the end.")
def test_scaler_in_odd_places(student):
    """A constant channel, wild values and single windows are scaled as promised.

    A `ChannelScaler` was fitted on windows with a constant channel and one wild value, then scaled one window
    alone and among others, and a million.
    """
    rng = np.random.default_rng(25)
    inputs = rng.normal(size=(80, 5, 2))
    inputs[..., 1] = 7.0
    inputs[0, 0, 0] = 1e9
    scaler = student.ChannelScaler(limit=3.0)
    scaler.fit(inputs)
    scaled = np.asarray(scaler.transform(inputs))
    assert 0.5 < np.std(scaled[1:, :, 0]) < 1, "one wild value must not decide the scale"
    np.testing.assert_allclose(scaled[..., 1], 0, atol=1e-6)
    np.testing.assert_allclose(np.asarray(scaler.transform(inputs[5:6])), scaled[5:6], atol=1e-6)
    np.testing.assert_allclose(np.asarray(scaler.transform(np.full((1, 2, 2), 1e6))), 3.0, atol=1e-6)


@pytest.mark.question(
    "network", hint="Unpacked, every sequence ends at the last step; packed, each at its own."
)
def test_each_sequence_has_its_own_end(student):
    """Sequences of unequal lengths get the same outputs together and alone, in whatever order.

    An untrained network was asked for seven sequences of one to seven known days together, in another order,
    and one by one.
    """
    rng = np.random.default_rng(26)
    network = student.PriceLSTM(3, hidden=8)
    inputs, lengths = rng.normal(size=(7, 7, 3)).astype(np.float32), np.array([4, 1, 7, 2, 6, 3, 5])
    together = np.asarray(student.network_outputs(network, inputs, lengths))
    order = np.argsort(lengths)
    sorted_ = np.asarray(student.network_outputs(network, inputs[order], lengths[order]))
    alone = [
        np.asarray(
            student.network_outputs(network, inputs[i : i + 1, : lengths[i]].copy(), lengths[i : i + 1])
        )
        for i in range(7)
    ]
    np.testing.assert_allclose(sorted_, together[order], atol=1e-5)
    np.testing.assert_allclose(np.concatenate(alone), together, atol=1e-5)
    assert np.std(together) > 1e-4, "all outputs are the same"


@pytest.mark.question("network", hint="nn.Dropout(dropout) in the head; network.eval() in network_outputs.")
def test_dropout_in_training_only(student):
    """The share of dropout changes what is learned, and no forecast is left to chance.

    Two models that differ only in `dropout` were trained and their validation losses compared; one network was
    asked twice.
    """
    X, y = falling_back(150, length=6, seed=27)
    losses = []
    for dropout in (0.0, 0.8):
        model = student.LSTMPricePredictor(hidden=16, dropout=dropout, max_epochs=2, batch_size=32, seed=4)
        model.fit(X, y)
        losses.append(list(model.validation_losses_))
    assert not np.allclose(losses[0], losses[1])
    network, inputs = student.PriceLSTM(2, dropout=0.5), np.ones((4, 3, 2), dtype=np.float32)
    outputs = [np.asarray(student.network_outputs(network, inputs, np.full(4, 3))) for _ in range(2)]
    np.testing.assert_array_equal(outputs[0], outputs[1])


@pytest.mark.question(
    "training",
    hint="The validation windows are the LAST ones; keep a clone of the best weights, and load it at the end.",
)
def test_best_weights_are_restored(student, fitted):
    """The fitted model has its best validation loss on the last tenth of the windows.

    A model was trained with early stopping; its loss on the validation tail was then worked out afresh and
    compared with the best of `validation_losses_`.
    """
    model, X, y = fitted
    tail = len(X) // 10
    scale = float(learned(model, "y_scale_"))
    assert scale == pytest.approx(y[:-tail].std(), rel=0.01)
    error = np.abs(np.asarray(model.predict(X[-tail:])) - y[-tail:]) / scale
    loss = np.mean(np.where(error < 3, error**2 / 2, 3 * (error - 1.5)))
    assert loss == pytest.approx(min(model.validation_losses_), rel=1e-3)


@pytest.mark.question("training", hint="Fit the ChannelScaler on the training windows only, not on the tail.")
def test_the_tail_is_never_learned(student):
    """After one epoch the forecasts are the same, whatever the validation tail holds.

    Two models were trained for one epoch on the same windows, in one of which the validation tail was made
    very dear, much traded and with other targets.
    """
    X, y = falling_back(300, length=8, seed=28)
    other, targets = X.copy(), y.copy()
    other[-30:] = other[-30:] * np.float32(3) + np.float32(9)
    targets[-30:] += 1
    forecasts = []
    for data in ((X, y), (other, targets)):
        model = student.LSTMPricePredictor(hidden=16, max_epochs=1, batch_size=32, seed=5)
        model.fit(*data)
        forecasts.append(np.asarray(model.predict(X)))
    np.testing.assert_allclose(forecasts[0], forecasts[1], rtol=1e-3, atol=1e-5)


@pytest.mark.question("training", hint="torch.manual_seed(self.seed), and a fresh network in each fit.")
def test_seed_decides(student):
    """The same seed gives the same model, also after an earlier fit; another seed another one.

    Models were trained on the same windows: two with one seed, of which one had been fitted before on others,
    and one with another seed.
    """
    X, y = falling_back(150, length=6, seed=29)
    forecasts = []
    for seed, before in ((7, False), (7, True), (8, False)):
        model = student.LSTMPricePredictor(hidden=16, max_epochs=2, batch_size=32, seed=seed)
        if before:
            model.fit(*falling_back(60, length=6, seed=30))
        model.fit(X, y)
        assert len(model.validation_losses_) == 2
        forecasts.append(np.asarray(model.predict(X)))
    np.testing.assert_allclose(forecasts[0], forecasts[1], atol=1e-6)
    assert not np.allclose(forecasts[0], forecasts[2])


@pytest.mark.question("prediction", hint="Go back to log price changes: output × spread.")
def test_forecasts_follow_the_spread(student, fitted):
    """Windows of any spread get forecasts in log price changes, the same each time.

    A fitted model was asked for quiet windows and for the same with ten times the moves.
    """
    X = falling_back(100, length=10, seed=31)[0]
    wild = X.copy()
    wild[..., 0] = X[:, -1:, 0] + 10 * (X[..., 0] - X[:, -1:, 0])
    quiet, large = (np.asarray(fitted[0].predict(windows)) for windows in (X, wild))
    assert np.std(large) > 4 * np.std(quiet)
    np.testing.assert_array_equal(np.asarray(fitted[0].predict(X)), quiet)


@pytest.mark.question("prediction", hint="Forecasts are limited: clip the output to ±1 before × spread.")
def test_no_forecast_is_beyond_the_spread(student):
    """No forecast is larger than its window's spread, in either direction.

    Models were trained on changes three times as large as the spread of the windows before them, up and down.
    """
    X = falling_back(200, length=8, seed=36)[0]
    spread = np.asarray(student.window_inputs(X)[1])
    for sign in (1, -1):
        model = student.LSTMPricePredictor(hidden=16, batch_size=16, max_epochs=12, learning_rate=1e-2)
        model.fit(X, (3 * sign * spread).astype(np.float32))
        share = np.asarray(model.predict(X)) * sign / spread
        assert (share <= 1.001).all() and np.mean(share > 0.9) > 0.9


@pytest.mark.question("prediction", hint="One series is a case of its own: three channels instead of four.")
def test_prices_alone(student):
    """A model of prices alone is possible, and forecasts windows of any number of days.

    A model was fitted on prices without units sold, and asked for windows of 5 and of 40 days.
    """
    X, y = falling_back(200, length=8, seed=32)
    model = student.LSTMPricePredictor(hidden=16, max_epochs=2, batch_size=32)
    model.fit(X[..., 0], y)
    for days in (5, 40):
        forecast = np.asarray(model.predict(falling_back(7, length=days, seed=33)[0][..., 0]))
        assert forecast.shape == (7,) and np.isfinite(forecast).all()


@pytest.mark.question(
    "prediction", hint='check_is_fitted(self, "network_") raises NotFittedError when there is no network yet.'
)
def test_predict_before_fit(student):
    """Forecasting before fit raises NotFittedError.

    `predict` was called on a new model.
    """
    from sklearn.exceptions import NotFittedError

    with student.raises(NotFittedError):
        student.LSTMPricePredictor().predict(SOME)


@pytest.mark.question("artefact", hint="Use im.save_artefact: a manifest and safetensors.")
def test_no_pickle(student, fitted):
    """A saved model is a manifest of the right class and safetensors, nothing else.

    A fitted model was saved, and the files in its folder were listed.
    """
    fitted[0].save(f"{student.tmp_path}/plain")
    files = [name for name in student.list_files() if name.startswith("plain/")]
    assert all(name.endswith((".json", ".safetensors")) for name in files)
    assert json.loads(student.read_file("plain/manifest.json"))["class"] == "LSTMPricePredictor"


@pytest.mark.question("artefact", hint="im.load_artefact checks the hashes: do not catch what it raises.")
def test_altered_file_is_refused(student, fitted):
    """A weights file that was altered after saving is refused.

    A fitted model was saved, a byte of its weights was changed on disk, and it was loaded again.
    """
    fitted[0].save(f"{student.tmp_path}/altered")
    name = next(n for n in student.list_files() if n.startswith("altered/") and n.endswith(".safetensors"))
    content = bytearray(student.read_file(name))
    content[-1] ^= 1
    student.write_file(name, bytes(content))
    with student.raises(im.ArtefactError):
        student.LSTMPricePredictor.load(f"{student.tmp_path}/altered")


@pytest.mark.question(
    "artefact", hint="What must load know? Units, number of series, the scaler and its limit."
)
def test_odd_models_round_trip(student):
    """Other sizes, and a model of prices alone, survive saving and loading.

    A small model of prices alone was saved and loaded, and both were asked for the same windows and for
    windows with units sold.
    """
    X, y = falling_back(100, length=6, seed=34)
    model = student.LSTMPricePredictor(hidden=6, max_epochs=2)
    model.fit(X[..., 0], y)
    model.save(f"{student.tmp_path}/small")
    loaded = student.LSTMPricePredictor.load(f"{student.tmp_path}/small")
    np.testing.assert_array_equal(np.asarray(loaded.predict(X[..., 0])), np.asarray(model.predict(X[..., 0])))
    with student.raises(ValueError, match="series"):
        loaded.predict(X)


@pytest.mark.question(
    "skill", weight=2, hint="Does the loss fall in the plot of task 8? Are the best weights restored?"
)
def test_skill_on_a_market_never_seen(student, margin, lab):
    """Trained on the bundled market, the model forecasts a market that nobody has seen.

    Your model was trained on the bundled market, then tested on a simulated market that neither you nor the
    model has seen, on windows of 9 to 30 known days. Its RMSE was divided by persistence's.
    """
    windows = reference.hidden_windows(lab.hidden_seed)
    ratio = im.rmse_ratio(windows.y, np.asarray(market_model(student).predict(windows.sequences)))
    margin("RMSE / persistence, hidden market", ratio, at_most=lab.thresholds["rmse_over_persistence"])


@pytest.mark.question("ensemble", hint="Clip to [0, 1]; compare the three lengths.")
def test_weight_in_odd_places(student):
    """A weight is never outside 0 to 1, and different lengths are refused.

    `ensemble_weight` was called with a candidate too timid, one that points the wrong way, and one with a
    forecast too few.
    """
    rng = np.random.default_rng(35)
    y = rng.normal(size=500)
    assert student.ensemble_weight(y, np.zeros(500), y / 2) == pytest.approx(1, abs=0.011)
    assert student.ensemble_weight(y, np.zeros(500), -y) == pytest.approx(0, abs=0.011)
    assert student.ensemble_weight(y, np.zeros(500), 2 * y) == pytest.approx(0.5, abs=0.011)
    with student.raises(ValueError, match="length"):
        student.ensemble_weight(y, np.zeros(500), np.zeros(499))


@pytest.mark.question("reading", weight=3, hint="Read the text above the question once more.")
@pytest.mark.parametrize("topic", ["days", "loss", "spread"])
def test_answers(student, topic):
    """The answer is the one that the experiment in the notebook shows.

    Your letter for this question was compared with what the experiment shows.
    """
    assert student.notebook.answers[topic] == {"days": "c", "loss": "b", "spread": "d"}[topic]
