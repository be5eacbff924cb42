"""The checks of lab 1 that only the grader has."""

import json

import numpy as np
import pytest

import itemmarket as im

import reference
from visible_checks import linear_rows, market_model


@pytest.fixture(scope="module")
def fitted(student):
    """Return a model fitted on 1 000 rows, with its inputs and targets."""
    X, y = linear_rows(1000, noise=0.5, seed=11)
    model = student.PyTorchPredictor(batch_size=64, learning_rate=3e-3, seed=2)
    model.fit(X, y)
    return model, X, y


@pytest.mark.question("scaling", hint="transform must use the training rows' mean, not that of its argument.")
def test_transform_uses_what_fit_learned(student):
    """One row is scaled by the training rows' mean and deviation, whatever else is in its batch.

    A fitted `Standardiser` scaled one row by itself and the same row among others.
    """
    X = linear_rows(200, seed=12)[0]
    scaler = student.Standardiser(limit=50.0)
    scaler.fit(X)
    together = np.asarray(scaler.transform(X))
    alone = np.asarray(scaler.transform(X[:1]))
    np.testing.assert_allclose(alone, together[:1], rtol=1e-5)


@pytest.mark.question("network", hint="nn.Dropout(dropout) after each ReLU.")
def test_dropout_matters_in_training(student):
    """The share of dropout changes what is learned.

    Two models that differ only in `dropout` were trained, and their validation losses compared.
    """
    X, y = linear_rows(200, seed=13)
    losses = []
    for dropout in (0.0, 0.8):
        model = student.PyTorchPredictor(dropout=dropout, max_epochs=3, patience=3, seed=4)
        model.fit(X, y)
        losses.append(list(model.validation_losses_))
    assert not np.allclose(losses[0], losses[1])


@pytest.mark.question("validation", hint="Compare X.shape[1] with the width that fit saw.")
def test_wrong_width(student, fitted):
    """Forecasting with another number of columns is refused.

    A fitted model was asked to forecast rows with more columns than it was trained on.
    """
    with student.raises(ValueError, match="columns"):
        fitted[0].predict(np.zeros((3, 5), dtype=np.float32))


@pytest.mark.question("validation", hint="Compare len(X) with len(y).")
def test_lengths_differ(student):
    """Different numbers of inputs and targets are refused.

    `fit` was called with fewer targets than rows.
    """
    X, y = linear_rows(20)
    with student.raises(ValueError, match="length"):
        student.PyTorchPredictor().fit(X, y[:-1])


@pytest.mark.question("validation", hint="check_inputs looks at y too.")
def test_bad_target(student):
    """A NaN among the targets is refused.

    `fit` was called with a NaN among the targets.
    """
    X, y = linear_rows(20)
    y[3] = np.nan
    with student.raises(ValueError, match="NaN"):
        student.PyTorchPredictor().fit(X, y)


@pytest.mark.question(
    "training",
    hint="The validation rows are the LAST rows; keep a clone of the best weights, and load it at the end.",
)
def test_best_weights_are_restored(student, fitted):
    """The fitted model scores its best validation loss on the last tenth of the rows.

    A model was trained with early stopping; its error on the validation tail was then worked out afresh
    and compared with the best of `validation_losses_`.
    """
    model, X, y = fitted
    error = np.mean((np.asarray(model.predict(X[-100:])) - y[-100:]) ** 2)
    assert error == pytest.approx(min(model.validation_losses_), rel=1e-3)


@pytest.mark.question("training", hint="Fit the Standardiser on the training rows only, not on the tail.")
def test_scaling_ignores_the_validation_tail(student):
    """Wild inputs in the validation tail do not spoil what is learned from the training rows.

    A model was trained on rows whose validation tail had been made very large. A scaling that has seen
    the tail squeezes all other rows together, and the forecasts become almost equal.
    """
    X, y = linear_rows(1000, seed=14)
    X[-100:] *= 1e4
    model = student.PyTorchPredictor(batch_size=64, max_epochs=15, patience=15, seed=5)
    model.fit(X, y)
    quiet = linear_rows(1000, seed=14)[0]
    spread = np.std(np.asarray(model.predict(quiet[:200])))
    assert spread > 0.2 * y.std()


@pytest.mark.question("training", hint="torch.manual_seed(self.seed) before the first weight is drawn.")
def test_seed_decides(student):
    """The same seed gives the same model, another seed another one.

    Three models were trained on the same rows: two with one seed, the third with another.
    """
    X, y = linear_rows(200, seed=15)
    forecasts = []
    for seed in (7, 7, 8):
        model = student.PyTorchPredictor(max_epochs=2, seed=seed)
        model.fit(X, y)
        forecasts.append(np.asarray(model.predict(X)))
    np.testing.assert_array_equal(forecasts[0], forecasts[1])
    assert not np.allclose(forecasts[0], forecasts[2])


@pytest.mark.question("training", hint="Reset losses, scaling and weights at the start of fit.")
def test_refitting_starts_afresh(student):
    """A second fit forgets the first.

    One model was fitted two times on different rows, and compared with a fresh model that saw only the
    later ones.
    """
    first, second = linear_rows(200, seed=16), linear_rows(200, seed=17)
    model = student.PyTorchPredictor(max_epochs=2, seed=9)
    model.fit(*first)
    model.fit(*second)
    fresh = student.PyTorchPredictor(max_epochs=2, seed=9)
    fresh.fit(*second)
    assert list(model.validation_losses_) == pytest.approx(list(fresh.validation_losses_), rel=1e-4)


@pytest.mark.question("prediction", hint="No batch statistics, no dropout: eval().")
def test_alone_or_in_a_batch(student, fitted):
    """A row gets the same forecast alone and among others.

    A fitted model was asked for rows one by one and all together.
    """
    model, X, _ = fitted
    together = np.asarray(model.predict(X[:20]))
    alone = np.concatenate([np.asarray(model.predict(X[i : i + 1])) for i in range(20)])
    np.testing.assert_allclose(alone, together, rtol=1e-4, atol=1e-6)


@pytest.mark.question("prediction", hint="Scale inside the model, with what fit learned.")
def test_units_do_not_matter(student, fitted):
    """Inputs in other units (cents for dollars) lead to the same forecasts.

    Two models with the same seed were trained on the same rows, one of them in cents where the other had
    dollars.
    """
    model, X, y = fitted
    other = student.PyTorchPredictor(batch_size=64, learning_rate=3e-3, seed=2)
    other.fit(X * 100, y)
    forecast, converted = np.asarray(model.predict(X)), np.asarray(other.predict(X * 100))
    assert np.corrcoef(forecast, converted)[0, 1] > 0.99


@pytest.mark.question(
    "prediction", hint='check_is_fitted(self, "network_") raises NotFittedError when there is no network yet.'
)
def test_predict_before_fit(student):
    """Forecasting before fit raises NotFittedError.

    `predict` was called on a new model.
    """
    from sklearn.exceptions import NotFittedError

    with student.raises(NotFittedError):
        student.PyTorchPredictor().predict(np.zeros((1, 4), dtype=np.float32))


@pytest.mark.question("artefact", hint="Use im.save_artefact: a manifest and safetensors.")
def test_no_pickle(student, fitted):
    """A saved model is a manifest of the right class and safetensors, nothing else.

    A fitted model was saved, and the files in its folder were listed.
    """
    fitted[0].save(f"{student.tmp_path}/plain")
    files = [name for name in student.list_files() if name.startswith("plain/")]
    assert all(name.endswith((".json", ".safetensors")) for name in files)
    assert json.loads(student.read_file("plain/manifest.json"))["class"] == "PyTorchPredictor"


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
        student.PyTorchPredictor.load(f"{student.tmp_path}/altered")


@pytest.mark.question("artefact", hint="load builds the widths that were saved: keep `hidden` in the config.")
def test_custom_architecture_round_trip(student):
    """Other hidden widths survive saving and loading.

    A model with small hidden layers was saved and loaded, and both were asked for the same rows.
    """
    X, y = linear_rows(100, seed=18)
    model = student.PyTorchPredictor(hidden=[5, 3], max_epochs=2)
    model.fit(X, y)
    model.save(f"{student.tmp_path}/small")
    loaded = student.PyTorchPredictor.load(f"{student.tmp_path}/small")
    np.testing.assert_array_equal(np.asarray(loaded.predict(X)), np.asarray(model.predict(X)))


@pytest.mark.question(
    "skill", weight=2, hint="Compare your validation losses with the forest's error in the notebook."
)
@pytest.mark.parametrize("opponent", ["persistence", "forest"])
def test_skill_on_a_market_never_seen(student, margin, lab, opponent):
    """Trained on the bundled market, the model forecasts a market that nobody has seen.

    Your model was trained on the bundled market, then tested on a simulated market that neither you nor
    the model has seen. Its RMSE was divided by the opponent's.
    """
    rows = reference.hidden_rows(lab.hidden_seed)
    forecast = np.asarray(market_model(student).predict(rows.X.to_numpy()))
    ratio = im.rmse(rows.y, forecast) / reference.rmse_of(opponent, lab.hidden_seed)
    margin(f"RMSE / {opponent}, hidden market", ratio, at_most=lab.thresholds[f"rmse_over_{opponent}"])


@pytest.mark.question("comparison", hint="RMSE of the model divided by RMSE of a forecast of 0.")
def test_comparison_of_any_models(student):
    """`comparison` is right for any models and targets.

    `comparison` was called with several models and random targets.
    """
    rng = np.random.default_rng(19)
    y = rng.normal(size=50)
    models = {name: rng.normal(size=50) for name in ("a", "b", "c")}
    ratios = student.notebook.comparison(y, models)
    expected = {name: im.rmse(y, f) / im.rmse(y, np.zeros(50)) for name, f in models.items()}
    assert ratios == pytest.approx(expected)


@pytest.mark.question("reading", weight=3, hint="Read the text above the question once more.")
@pytest.mark.parametrize("topic", ["dropout", "forest", "tail"])
def test_answers(student, topic):
    """The answer is the one that the experiment in the notebook shows.

    Your letter for this question was compared with what the experiment shows.
    """
    assert student.notebook.answers[topic] == {"dropout": "b", "forest": "c", "tail": "d"}[topic]
