"""The checks of lab 3 that only the grader has."""

import json

import numpy as np
import pytest

import itemmarket as im
from labkit.former_names import learned

import reference
from visible_checks import (
    DISTILBERT_BASE,
    fit_tiny,
    im_checkpoint,
    listings,
    market_model,
    product,
    write_tiny,
)


@pytest.fixture(scope="module")
def tiny(student) -> str:
    """Return the folder of a tiny checkpoint, as the student's code sees it."""
    return write_tiny(student)


@pytest.fixture(scope="module")
def fitted(student, tiny):
    """Return a classifier that was trained on 400 simple titles."""
    return fit_tiny(student, tiny)


@pytest.mark.question("pruning", hint="The first max_length rows; the configuration must say so.")
def test_positions_are_cut(student, tiny):
    """Positions that no title reaches are left out.

    A tiny checkpoint was pruned to fewer positions, and its embeddings and configuration were read.
    """
    whole = im_checkpoint(student, tiny)
    small = student.prune(whole, ["red box"], 9)
    name = "embeddings.position_embeddings.weight"
    np.testing.assert_array_equal(small.weights[name], whole.weights[name][:9])
    assert small.config["max_position_embeddings"] == 9


@pytest.mark.question("pruning", hint="Keep single letters of ASCII and Cyrillic, with and without ##.")
def test_new_words_fall_apart(student, fitted):
    """A word that no training title has falls apart into characters and does not become [UNK].

    A trained classifier was asked about titles that differ in one new word, Latin or Cyrillic.
    """
    found = np.asarray(fitted.predict_proba(["red qzqz box", "red xwxwxw box", "red джз box", "red щш box"]))
    gaps = [np.abs(found[i] - found[j]).max() for i in range(4) for j in range(i)]
    assert min(gaps) > 1e-6


@pytest.mark.question("batches", hint="torch.randperm and torch.rand take a generator.")
def test_random_batches(student):
    """With a generator batches and their rows are mixed anew, and the same generator mixes the same.

    `length_batches` was called with several generators.
    """
    lengths = [3] * 40 + [6] * 40 + [9] * 3
    made = [
        student.length_batches(lengths, 8, student.torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)
    ]
    assert made[0] == made[1]
    assert made[0] != made[2]
    assert all(sorted(row for batch in batches for row in batch) == list(range(83)) for batches in made)
    first = [lengths[batch[0]] for batch in made[0]]
    assert first != sorted(first)
    assert sum(len(batch) == 8 for batch in made[0]) == 10


@pytest.mark.question("validation", hint="Compare len(titles) with len(labels).")
def test_lengths_differ(student, tiny):
    """Different numbers of titles and labels are refused, in training too.

    `fit` was called with fewer labels than titles.
    """
    with student.raises(ValueError, match="length"):
        student.RarityClassifier(checkpoint=tiny).fit(["red box", "blue box"], ["Rare"])


@pytest.mark.question("validation", hint="isinstance(title, str) for each title.")
def test_a_title_that_is_no_text(student):
    """A title that is no text is refused.

    `check_titles` was called with a number among the titles.
    """
    with student.raises(ValueError, match="text"):
        student.check_titles(["red box", 47])


@pytest.mark.question(
    "training", hint="Stop when the best loss lies `patience` epochs back; copy the weights."
)
def test_best_weights_come_back(student, tiny):
    """Training stops `patience` epochs after the best, whose weights the classifier has.

    A classifier was trained on one title and validated on another one, of another class.
    """
    titles, labels = ["white box", "old red knife"], ["Common", "Legendary"]
    model = student.RarityClassifier(checkpoint=tiny, learning_rate=1e-2, max_epochs=9, patience=2)
    model.fit(titles, labels)
    losses, best = list(model.validation_losses_), model.best_epoch_
    assert len(losses) == best + 3 < 9
    found = np.asarray(model.predict_proba(titles))
    assert min(abs(-np.log(found[0, 0]) - losses[best]), abs(-np.log(found[1, 3]) - losses[best])) < 1e-3


@pytest.mark.question("training", hint="requires_grad_(False) for the embeddings and the lowest layers.")
@pytest.mark.parametrize("frozen", [0, 2], ids=["nothing", "something"])
def test_what_is_frozen_stays(student, tiny, frozen):
    """What is frozen stays as it was pretrained, and all else learns.

    A classifier was trained for an epoch, and its weights were compared with the checkpoint's.
    """
    model = student.RarityClassifier(checkpoint=tiny, frozen=frozen, max_epochs=1, learning_rate=1e-2)
    model.fit(*listings(40, seed=11))
    before, after = im_checkpoint(student, tiny).weights, learned(model, "network_").state_dict()
    for number, part in enumerate(["embeddings.LayerNorm", "transformer.layer.0", "transformer.layer.1"]):
        for name in before:
            if name.startswith(part) and name.endswith("weight"):
                same = np.array_equal(before[name], after[f"distilbert.{name}"])
                assert same == (number < frozen), f"{name} {'stayed' if same else 'changed'}"


@pytest.mark.question("training", hint="Training and validation titles must not overlap.")
def test_validation_titles_are_not_learned(student, tiny):
    """No title is both trained on and validated on.

    Labels were drawn by chance, so that nothing can be learned for titles never seen.
    """
    titles, _ = listings(48, seed=12)
    titles = [f"{title} {number}" for number, title in enumerate(titles)]
    labels = np.random.default_rng(120).choice(im.CLASSES, size=48).tolist()
    model = student.RarityClassifier(
        checkpoint=tiny, learning_rate=1e-2, batch_size=4, max_epochs=8, patience=8, validation_fraction=0.25
    )
    model.fit(titles, labels)
    assert model.validation_losses_[-1] > 1.0


@pytest.mark.question("prediction", hint="eval(), the attention mask, and the rows' own positions.")
def test_alone_or_together(student, fitted):
    """A title gets the same probabilities alone and among longer and shorter ones, in its own place.

    A trained classifier was asked for 200 titles of very different lengths, together and one by one.
    """
    titles = listings(200, seed=13)[0]
    together = np.asarray(fitted.predict_proba(titles))
    for row in (0, 7, 50, 199):
        alone = np.asarray(fitted.predict_proba([titles[row]]))
        np.testing.assert_allclose(alone[0], together[row], atol=1e-4)
    chosen = together.argmax(axis=1)
    assert list(fitted.predict(titles)) == [im.CLASSES[number] for number in chosen]
    assert together.max() > 0.9


@pytest.mark.question("prediction", hint="truncation=True and max_length=self.max_length.")
def test_long_titles(student, fitted):
    """A title longer than max_length is cut, and one of max_length is read to its end.

    A trained classifier was asked about titles of 500 words, and about titles that differ in a late word.
    """
    assert np.asarray(fitted.predict_proba(["box " * 500])).shape == (1, 4)
    late = ["box old new case paper holo box old new case " + word for word in ("white", "red", "pink")]
    assert np.ptp(np.asarray(fitted.predict_proba(late)), axis=0).max() > 0.1


@pytest.mark.question("prediction", hint="NotFittedError of scikit-learn.")
def test_unfitted(student, tiny):
    """An unfitted classifier raises NotFittedError.

    `predict` was called before `fit`.
    """
    from sklearn.exceptions import NotFittedError

    with student.raises(NotFittedError):
        student.RarityClassifier(checkpoint=tiny).predict(["red box"])


@pytest.mark.question("compression", hint="Work on a deep copy; matrices have two dimensions, biases one.")
def test_every_matrix_is_compressed(student, fitted):
    """Every matrix, embeddings too, becomes whole numbers times its row's scale; all else stays.

    A trained classifier was compressed, and its weights before and after were compared.
    """
    titles, _ = listings(40, seed=14)
    before = np.asarray(fitted.predict_proba(titles))
    exact = learned(fitted, "network_").state_dict()
    small = fitted.compress()
    np.testing.assert_array_equal(np.asarray(fitted.predict_proba(titles)), before)
    np.testing.assert_allclose(np.asarray(small.predict_proba(titles)), before, atol=0.1)
    assert small.compressed is True and fitted.compressed is False
    for name, weight in learned(small, "network_").state_dict().items():
        if weight.ndim != 2:
            np.testing.assert_array_equal(weight, exact[name])
            continue
        scale = np.abs(exact[name]).max(axis=1, keepdims=True) / 127
        scale[scale == 0] = 1
        assert np.abs(weight - exact[name]).max() <= scale.max() / 2 + 1e-6
        np.testing.assert_allclose(weight / scale, np.round(weight / scale), atol=1e-2)


@pytest.mark.question("artefact", hint="int8 numbers and float32 scales in safetensors.")
def test_compressed_artefact(student, fitted):
    """A compressed classifier is written in 8 bits and comes back the same.

    A compressed classifier was saved and loaded; its files were read.
    """
    small = fitted.compress()
    folder = student.path("compressed")
    small.save(folder)
    titles, _ = listings(30, seed=15)
    loaded = student.RarityClassifier.load(folder)
    found, expected = (np.asarray(model.predict_proba(titles)) for model in (loaded, small))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    files = student.list_files("compressed")
    weights = [name for name in files if name.endswith(".safetensors")]
    assert len(weights) == 1
    assert not [name for name in files if name.endswith((".pkl", ".pt", ".bin", ".npy", ".joblib"))]
    numbers = sum(weight.size for weight in learned(small, "network_").state_dict().values())
    assert len(student.read_file(f"compressed/{weights[0]}")) < 2 * numbers


@pytest.mark.question("artefact", hint="Vocabulary, whether case counts, and sizes go into the artefact.")
def test_the_checkpoint_is_not_needed(student):
    """A model is loaded without its checkpoint, knows whether case counts, and its manifest has the metrics.

    A classifier was fitted on a checkpoint that tells capitals apart, saved with metrics, and loaded after the
    checkpoint had gone; both were asked for the same titles in small letters and in capitals.
    """
    folder = write_tiny(student, "cased", lower_case=False)
    model = student.RarityClassifier(checkpoint=folder, max_epochs=1, learning_rate=1e-2)
    model.fit(*listings(40, seed=16))
    model.save(student.path("alone"), metrics={"accuracy": 0.5})
    titles = ["red box", "RED BOX", "Red Box"]
    expected = np.asarray(model.predict_proba(titles))
    student.write_file("cased/config.json", b"{}")
    found = np.asarray(student.RarityClassifier.load(student.path("alone")).predict_proba(titles))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found[0] - found[1]).max() > 1e-6
    assert json.loads(student.read_file("alone/manifest.json"))["metrics"] == {"accuracy": 0.5}


@pytest.mark.question("artefact", hint="im.load_artefact checks the hash for you; do not go round it.")
def test_altered_artefact(student, fitted):
    """An artefact that was altered after it was saved is refused.

    A saved classifier's manifest was given another hash, then the folder was loaded.
    """
    fitted.save(student.path("altered"))
    manifest = json.loads(student.read_file("altered/manifest.json"))
    manifest["files"] = dict.fromkeys(manifest["files"], "0" * 64)
    student.write_file("altered/manifest.json", json.dumps(manifest).encode())
    with student.raises(im.ArtefactError):
        student.RarityClassifier.load(student.path("altered"))


@pytest.mark.question("budget", weight=2, hint="Does the rate rise and fall? Are rare classes weighed?")
@pytest.mark.parametrize("measure", ["accuracy", "macro-F1"])
def test_unseen_listings(student, margin, lab, measure):
    """Fine-tuned for less than a minute, the classifier knows new listings of the same items.

    Your classifier, trained on the grader's titles, was asked for listings that neither you nor it has seen.
    """
    titles = reference.hidden_budget_titles(lab.hidden_seed)
    value = reference.measure(measure, titles, market_model(student))
    name = f"budget_{'accuracy' if measure == 'accuracy' else 'macro_f1'}"
    margin(f"{measure} after a minute, hidden titles", value, at_least=lab.thresholds[name])


@pytest.mark.question("product", weight=1, hint="compress() must not cost accuracy: one scale per row.")
def test_the_product_is_useful(student, margin, lab):
    """The artefact, or the model that stands in for it, knows the items that the grader trains on.

    It was asked for new listings of these items.
    """
    titles = reference.hidden_product_titles(lab.hidden_seed)
    value = reference.measure("accuracy", titles, product(student))
    margin("accuracy of the product, some items", value, at_least=lab.thresholds["budget_accuracy"])


@pytest.mark.question(
    "product", weight=3, hint="Train on all titles: course.py train rarity, twenty minutes."
)
@pytest.mark.parametrize("measure", ["accuracy", "macro-F1"])
def test_the_product_is_good(student, margin, lab, measure):
    """The artefact tells more than 95 % of the rarities of unseen listings.

    It was asked for listings of 1 600 items that neither you nor it has seen.
    """
    titles = reference.hidden_titles(lab.hidden_seed)
    value = reference.measure(measure, titles, product(student))
    name = "accuracy" if measure == "accuracy" else "macro_f1"
    margin(f"{measure}, hidden titles", value, at_least=lab.thresholds[name])


@pytest.mark.question("sizes", hint="A layer has six matrices with biases and two LayerNorms.")
def test_sizes_of_any_encoder(student):
    """`parameters` is right for every configuration.

    `parameters` was called for encoders of other widths and depths.
    """
    for changes in ({}, {"dim": 384, "hidden_dim": 1536}, {"vocab_size": 4000, "n_layers": 3}):
        config = DISTILBERT_BASE | changes
        expected = reference.count_parameters(config)
        found = student.notebook.parameters(config)
        assert {name: int(value) for name, value in found.items()} == expected


@pytest.mark.question("reading", weight=3, hint="Read the text above the question once more.")
@pytest.mark.parametrize("topic", ["opponent", "size", "unseen"])
def test_answers(student, topic):
    """The answer is the one that the notebook shows.

    Your letter for this question was compared with what the notebook shows.
    """
    assert student.notebook.answers[topic] == {"opponent": "c", "size": "b", "unseen": "d"}[topic]
