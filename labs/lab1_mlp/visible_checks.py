"""The checks of lab 1 that you can read and run: ``check("network")`` in the notebook, or ``course.py check``.

They see your work only through the fixture ``student``, so that the same file also serves the grader.
"""

import functools

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

import itemmarket as im
from labkit.documentation import numpydoc_errors


def linear_rows(n: int, k: int = 4, noise: float = 0.1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs of shape (n, k) on unequal scales, and a target that is linear in them."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, k))
    y = z @ np.linspace(1, -1, k) + noise * rng.normal(size=n)
    return (z * 10.0 ** np.arange(k) + 5).astype(np.float32), (0.05 * y).astype(np.float32)


@pytest.fixture(scope="module")
def fitted(student):
    """Return a model fitted on 2 000 rows that a linear rule explains."""
    model = student.PyTorchPredictor(batch_size=64, seed=1)
    model.fit(*linear_rows(2000))
    return model


@pytest.mark.question("scaling", hint="Learn mean and standard deviation per column: axis=0.")
def test_columns_are_standardised(student):
    """Scaled training columns have mean 0 and standard deviation 1.

    A `Standardiser` was fitted on 500 rows whose four columns have very different scales, and scaled the
    same rows.
    """
    X = linear_rows(500)[0]
    scaler = student.Standardiser(limit=100.0)
    scaler.fit(X)
    scaled = np.asarray(scaler.transform(X))
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-3)


@pytest.mark.question("scaling", hint="Where the standard deviation is 0, divide by 1.")
def test_constant_column_becomes_zero(student):
    """A column that never changes becomes 0, not NaN.

    A `Standardiser` was fitted on 50 rows with a column of threes, and scaled them.
    """
    X = np.c_[np.full(50, 3.0), np.arange(50.0)].astype(np.float32)
    scaler = student.Standardiser()
    scaler.fit(X)
    np.testing.assert_allclose(np.asarray(scaler.transform(X))[:, 0], 0, atol=1e-6)


@pytest.mark.question("scaling", hint="np.clip after scaling.")
def test_extremes_are_clipped(student):
    """Scaled values stay within ± limit, also on rows never seen before.

    A `Standardiser` with a limit of 3 was fitted on ordinary rows, then asked to scale a million.
    """
    scaler = student.Standardiser(limit=3.0)
    scaler.fit(linear_rows(500)[0])
    scaled = np.asarray(scaler.transform(np.full((2, 4), 1e6, dtype=np.float32)))
    np.testing.assert_allclose(scaled, 3.0, atol=1e-6)


@pytest.mark.question(
    "network", hint="Linear(n, 128), ReLU, Dropout, Linear(128, 64), ReLU, Dropout, Linear(64, 1)."
)
def test_layer_widths(student):
    """The network maps its inputs through 128 and 64 units to one output.

    `make_network` was called for ten features, and the shapes of its weights were read.
    """
    weights = {name: np.asarray(w) for name, w in student.make_network(10).state_dict().items()}
    shapes = [w.shape for name, w in weights.items() if name.endswith("weight")]
    assert shapes == [(128, 10), (64, 128), (1, 64)]


@pytest.mark.question("network", hint="Build the layers in a loop over `hidden`.")
def test_other_widths(student):
    """Other hidden widths are possible.

    `make_network` was called with one hidden layer of seven units.
    """
    weights = student.make_network(3, hidden=[7], dropout=0.5).state_dict()
    assert [np.asarray(w).shape for name, w in weights.items() if name.endswith("weight")] == [(7, 3), (1, 7)]


@pytest.mark.question("validation", hint="np.isfinite(X).all() is False when there is a NaN.")
@pytest.mark.parametrize(
    ("X", "word"),
    [
        (np.array([[1.0, np.nan]], dtype=np.float32), "NaN"),
        (np.empty((0, 4), dtype=np.float32), "empty"),
        (np.zeros(4, dtype=np.float32), "shape"),
    ],
    ids=["NaN", "empty", "one-dimensional"],
)
def test_bad_inputs_are_refused(student, X, word):
    """NaN, no rows and a missing dimension each raise a ValueError that says so.

    `check_inputs` was called with one bad input after another.
    """
    with student.raises(ValueError, match=word):
        student.check_inputs(X)


@pytest.mark.question(
    "training",
    hint="zero_grad, backward, step for each batch; outputs and targets both of shape (n, 1), or both (n,).",
)
def test_one_batch_can_be_overfitted(student):
    """Without dropout, 64 rows are learned almost by heart.

    A model without dropout was trained for 300 epochs on 64 rows with an exact linear rule, and asked for
    the same rows again.
    """
    X, y = linear_rows(64, noise=0.0)
    model = student.PyTorchPredictor(
        dropout=0.0, max_epochs=300, patience=300, batch_size=64, learning_rate=1e-2, validation_fraction=0.1
    )
    model.fit(X, y)
    train = slice(0, 57)
    assert im.rmse(y[train], np.asarray(model.predict(X[train]))) < 0.25 * y.std()


@pytest.mark.question(
    "training", hint="Append one validation loss per epoch; stop `patience` epochs after the best."
)
def test_early_stopping(student):
    """On pure noise training stops `patience` epochs after the best validation loss.

    A model with a patience of 4 was trained on targets that have nothing to do with the inputs.
    """
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(300, 4)).astype(np.float32), rng.normal(size=300).astype(np.float32)
    model = student.PyTorchPredictor(batch_size=32, max_epochs=200, patience=4, learning_rate=1e-2)
    model.fit(X, y)
    losses = list(model.validation_losses_)
    assert len(losses) < 200, "training did not stop early"
    assert int(np.argmin(losses)) == model.best_epoch_
    assert len(losses) == model.best_epoch_ + 1 + 4


@pytest.mark.question("prediction", hint="Return shape (n,), not (n, 1), in the units of y: times y_scale_.")
def test_shape_and_sense(student, fitted):
    """Forecasts have one number per row and explain a linear rule.

    A model was fitted on 2,000 rows that follow a linear rule, and asked for 300 new ones.
    """
    X, y = linear_rows(300, seed=5)
    forecast = np.asarray(fitted.predict(X))
    assert forecast.shape == (300,)
    assert im.r2(y, forecast) > 0.8


@pytest.mark.question("prediction", hint="Call eval() before forecasting: dropout must be off.")
def test_same_answer_twice(student, fitted):
    """The same rows get the same forecasts when asked again.

    A fitted model was asked for the same 50 rows two times, and for both together.
    """
    X = linear_rows(50, seed=6)[0]
    once = np.asarray(fitted.predict(X))
    np.testing.assert_array_equal(np.asarray(fitted.predict(X)), once)
    together = np.asarray(fitted.predict(np.r_[X, X]))
    np.testing.assert_allclose(together, np.r_[once, once], rtol=1e-4, atol=1e-6)


@pytest.mark.question("artefact", hint="Save the weights and all scaling constants, y_scale_ too.")
def test_round_trip(student, fitted):
    """A saved and loaded model gives the same forecasts to the last bit.

    A fitted model was saved, loaded into a new object, and both were asked for the same rows.
    """
    folder = f"{student.tmp_path}/round_trip"
    fitted.save(folder)
    X = linear_rows(50, seed=7)[0]
    loaded = student.PyTorchPredictor.load(folder)
    np.testing.assert_array_equal(np.asarray(loaded.predict(X)), np.asarray(fitted.predict(X)))


@pytest.mark.question("skill", hint="Are the inputs scaled? Does early stopping keep the best weights?")
def test_beats_persistence_on_the_market(student, margin, lab):
    """Trained on the bundled market, the model beats persistence on its last quarter.

    Your model was trained on the first three quarters of the bundled market's days; its RMSE on the last
    quarter was divided by persistence's.
    """
    table, split = market_rows()
    test = table.take(split.test)
    ratio = im.rmse(test.y, np.asarray(market_model(student).predict(test.X.to_numpy())))
    ratio /= im.rmse(test.y, np.zeros(len(test)))
    margin("RMSE / persistence, bundled market", ratio, at_most=lab.thresholds["rmse_over_persistence"])


@pytest.mark.question("comparison", hint="Persistence forecasts a change of 0.")
def test_comparison(student):
    """`comparison` divides each model's RMSE by persistence's.

    `comparison` was called with three true changes and two models: half the truth, and persistence.
    """
    y = np.array([0.1, -0.1, 0.2])
    ratios = student.notebook.comparison(y, {"half": y / 2, "persistence": np.zeros(3)})
    assert ratios == pytest.approx({"half": 0.5, "persistence": 1.0})


@pytest.mark.question("reading", hint="One letter per question, for example answers['dropout'] = 'a'.")
def test_answers_have_a_letter(student):
    """Each of the three questions has one letter from a to d.

    The dictionary `answers` was read from your notebook.
    """
    answers = student.notebook.answers
    assert sorted(answers) == ["dropout", "forest", "tail"]
    assert all(letter in ("a", "b", "c", "d") for letter in answers.values())


@pytest.mark.question("documentation", hint="numpydoc: a summary line, then Parameters, Returns and Raises.")
def test_docstrings(student):
    """Every public function and method has a numpydoc docstring that names its parameters.

    numpydoc read the docstrings of `mlp.py`.
    """
    assert numpydoc_errors(student.source) == []


MIN_WEEKLY_VOLUME = 350  # fifty sales a day; below that the daily mean is mostly noise
FIRST_DAY = "2024-09-01"  # four months are enough, and train in seconds


@functools.cache
def market_rows() -> tuple[im.Supervised, im.TemporalSplit]:
    """Return the lab's rows (ten features, next-day log change, bundled market) and their temporal split."""
    table = im.supervised(im.load_prices(), im.FeatureExtractor.basic(), min_weekly_volume=MIN_WEEKLY_VOLUME)
    table = table.take(table.dates >= FIRST_DAY)
    return table, im.temporal_split(table.dates, test_fraction=0.25, embargo_days=1)


def market_model(student):
    """Return the student's model trained on the bundled market: once, however many checks ask for it."""
    if "market_model" not in student.memo:
        table, split = market_rows()
        train = table.take(split.train)
        model = student.PyTorchPredictor(seed=0)
        model.fit(train.X.to_numpy(), train.y)
        student.memo["market_model"] = model
    return student.memo["market_model"]


def make_forest() -> RandomForestRegressor:
    """Return the random forest that the lab competes with, untrained."""
    return RandomForestRegressor(
        n_estimators=50, min_samples_leaf=20, max_samples=0.2, max_features=0.5, n_jobs=2, random_state=0
    )
