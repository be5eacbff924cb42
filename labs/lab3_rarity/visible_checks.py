"""The checks of lab 3 that you can read and run: ``check("pruning")`` in the notebook, or ``course.py check``.

They see your work only through the fixture ``student``, so that the same file also serves the grader. Most of
them use a tiny checkpoint with random weights: MiniLM would take minutes.
"""

import functools
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import itemmarket as im
from itemmarket.titles.checkpoints import SPECIALS, write_tiny_checkpoint
from itemmarket.titles.listings import title_items
from labkit.documentation import numpydoc_errors

# What the grader trains your classifier on, and how: less than a minute of computing time on one thread.
BUDGET_TITLES = 1000
BUDGET_ITEMS = 60
BUDGET = {"n_layers": 2, "batch_size": 16, "max_epochs": 4, "learning_rate": 4e-4, "seed": 0}
WORDS = ["white", "blue", "pink", "red", "box", "knife", "case", "paper", "holo", "old", "new"]


def listings(n: int, seed: int) -> tuple[list[str], list[str]]:
    """Return titles of two to eight words, one of which gives the rarity away, and their labels."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(4, size=n)
    titles = [
        " ".join(
            [*rng.choice(WORDS[4:], rng.integers(1, 5)), WORDS[c], *rng.choice(WORDS[4:], rng.integers(4))]
        )
        for c in classes
    ]
    return titles, [im.CLASSES[c] for c in classes]


@pytest.fixture(scope="module")
def tiny(student) -> str:
    """Return the folder of a tiny checkpoint, as the student's code sees it."""
    return write_tiny(student)


@pytest.fixture(scope="module")
def fitted(student, tiny):
    """Return a classifier that was trained on 400 simple titles."""
    return fit_tiny(student, tiny)


def write_tiny(student, name: str = "tiny", lower_case: bool = True) -> str:
    """Write a tiny checkpoint for the student's code, and return its folder."""
    with tempfile.TemporaryDirectory() as folder:
        made = write_tiny_checkpoint(Path(folder, name), WORDS, lower_case=lower_case)
        for path in sorted(made.iterdir()):
            student.write_file(f"{name}/{path.name}", path.read_bytes())
    return student.path(name)


def fit_tiny(student, tiny: str):
    """Train on 400 titles in which one word of four decides: once, however many checks ask for it."""
    if "tiny_model" not in student.memo:
        model = student.RarityClassifier(checkpoint=tiny, learning_rate=3e-3, batch_size=16, max_epochs=8)
        model.fit(*listings(400, seed=0))
        student.memo["tiny_model"] = model
    return student.memo["tiny_model"]


@pytest.mark.question("pruning", hint="Go through the vocabulary in order; what stays keeps its row.")
def test_pruned_vocabulary(student, tiny):
    """Pruning keeps the pieces that occur, the special ones and single characters, each with its own row.

    A tiny checkpoint was pruned for three titles, and its vocabulary and embeddings were read.
    """
    whole = im_checkpoint(student, tiny)
    small = student.prune(whole, ["old red knife", "Red box", "KNIFE"], 12)
    vocabulary, before = list(small.vocabulary), list(whole.vocabulary)
    wanted = {"old", "red", "knife", "box", *SPECIALS}
    expected = [piece for piece in before if piece in wanted or len(piece.removeprefix("##") or piece) == 1]
    assert vocabulary == expected
    name = "embeddings.word_embeddings.weight"
    rows = [before.index(piece) for piece in vocabulary]
    np.testing.assert_array_equal(small.weights[name], whole.weights[name][rows])
    assert small.config["vocab_size"] == len(vocabulary)


@pytest.mark.question("batches", hint="Sort by length, cut, and shuffle the batches, not the rows.")
def test_batches_of_similar_length(student):
    """Every row is in exactly one batch, and rows of a batch are of similar length.

    `length_batches` was called for 100 rows, half of them short, without and with a generator.
    """
    lengths = [2, 8] * 50
    generator = student.torch.Generator().manual_seed(0)
    for batches in (student.length_batches(lengths, 10), student.length_batches(lengths, 10, generator)):
        assert sorted(row for batch in batches for row in batch) == list(range(100))
        assert all(len(batch) == 10 for batch in batches)
        assert all(len({lengths[row] for row in batch}) == 1 for batch in batches)


@pytest.mark.question("batches", hint="Fill an array of zeros row by row; the mask likewise with ones.")
def test_padding(student):
    """Short rows are filled with zeros, which the attention mask leaves out.

    `pad` was called for two rows of three and one ids.
    """
    ids, mask = student.pad([[7, 8, 9], [6]])
    np.testing.assert_array_equal(ids, [[7, 8, 9], [6, 0, 0]])
    np.testing.assert_array_equal(mask, [[1, 1, 1], [1, 0, 0]])


@pytest.mark.question(
    "validation", hint="Test for emptiness first; then each title; then lengths; then labels."
)
@pytest.mark.parametrize(
    ("titles", "labels", "word"),
    [([], None, "empty"), (["AK-47", " "], None, "text"), (["AK-47"], ["Red"], "label")],
    ids=["empty", "blank", "unknown label"],
)
def test_bad_titles_are_refused(student, titles, labels, word):
    """No titles, a blank title and an unknown label each raise a ValueError that says so.

    `check_titles` was called with one bad input after another.
    """
    with student.raises(ValueError, match=word):
        student.check_titles(titles, labels)


@pytest.mark.question("training", hint="Count the rows of each class with np.bincount.")
def test_rare_classes_weigh_more(student):
    """Rare classes get more weight in the loss.

    `class_weights` was called for eight rows of the first class and two of the second.
    """
    targets = np.array([0] * 8 + [1] * 2)
    weights = np.asarray(student.class_weights(targets, 1.0))
    np.testing.assert_allclose(weights, [10 / 32, 10 / 8, 10 / 4, 10 / 4], rtol=1e-5)


@pytest.mark.question(
    "training", hint="(step + 1) / w while it rises, (n_steps - step) / (n_steps - w + 1) after."
)
def test_learning_rate_rises_and_falls(student):
    """The learning rate rises for a tenth of the steps, then falls.

    `rate_factor` was called for each of 20 steps.
    """
    found = [student.rate_factor(step, 20) for step in range(20)]
    np.testing.assert_allclose(found, [1 / 2, 1, *(n / 19 for n in range(18, 0, -1))], rtol=1e-6)


@pytest.mark.question("training", hint="Masked forward pass, weighted cross-entropy, backward, step.")
def test_the_deciding_word_is_learned(student, fitted):
    """A tiny network learns which word decides.

    A classifier was trained on 400 simple titles, and asked for 200 others.
    """
    titles, labels = listings(200, seed=1)
    assert np.mean(np.array(fitted.predict(titles)) == np.array(labels)) > 0.9
    losses = list(fitted.validation_losses_)
    assert int(np.argmin(losses)) == fitted.best_epoch_


@pytest.mark.question("prediction", hint="Softmax over the classes, once: dim=1.")
def test_probabilities(student, fitted):
    """Probabilities have one row per title, sum to 1, and are the same when asked again.

    A fitted classifier was asked for 60 titles two times.
    """
    titles, _ = listings(60, seed=2)
    once = np.asarray(fitted.predict_proba(titles))
    assert once.shape == (60, 4)
    np.testing.assert_allclose(once.sum(axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(np.asarray(fitted.predict_proba(titles)), once, atol=1e-6)


@pytest.mark.question("compression", hint="The largest number of each row becomes 127: amax(dim=1) / 127.")
def test_quantisation(student):
    """Each row of a matrix is rounded to whole numbers up to 127, by a scale of its own.

    `quantise` was called for a matrix with rows of very different size, and `dequantise` for what came.
    """
    weight = np.array([[1.0, -2.0, 0.3], [0.01, 0.02, -0.005], [0.0, 0.0, 0.0]], dtype=np.float32)
    numbers, scale = student.quantise(weight)
    numbers, scale = np.asarray(numbers), np.asarray(scale)
    assert numbers.dtype == np.int8
    assert np.abs(numbers.astype(int)).max(axis=1).tolist() == [127, 127, 0]
    np.testing.assert_allclose(scale[:2], [2 / 127, 0.02 / 127], rtol=1e-5)
    again = student.dequantise(numbers, scale)
    assert (np.abs(np.asarray(again) - weight) <= scale[:, None] / 2 + 1e-7).all()


@pytest.mark.question("artefact", hint="The vocabulary belongs to the model as much as its weights.")
def test_round_trip(student, fitted):
    """A saved and loaded classifier gives the same probabilities.

    A fitted classifier was saved, loaded into a new object, and both were asked for the same titles.
    """
    folder = student.path("round_trip")
    fitted.save(folder)
    loaded = student.RarityClassifier.load(folder)
    titles = [*listings(30, seed=3)[0], "Нож", "unseen-word 47"]
    found, expected = (np.asarray(model.predict_proba(titles)) for model in (loaded, fitted))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.question(
    "budget", weight=2, hint="Is the mask passed on? Does the rate fall? Are the weights kept?"
)
def test_fine_tuned_within_a_minute(student, margin, lab):
    """Fine-tuned for less than a minute, MiniLM tells most rarities of unseen listings.

    Your classifier was trained on about 800 titles with two layers of MiniLM, and asked for other listings.
    """
    _, test = budget_titles()
    accuracy = np.mean(np.array(market_model(student).predict(test["title"].tolist())) == answers_of(test))
    margin("accuracy after a minute", accuracy, at_least=lab.thresholds["budget_accuracy"])


@pytest.mark.question(
    "product", hint="Submit artefact/: course.py train rarity --out labs/lab3_rarity/artefact"
)
def test_the_artefact_is_small(student, margin, lab):
    """The artefact takes less than 100 MB.

    The files of your artefact were added up; without one, of the model that the grader trained, compressed.
    """
    product(student)
    folder = student.memo["product_folder"]
    megabytes = sum(len(student.read_file(f"{folder}/{name}")) for name in student.list_files(folder)) / 1e6
    margin("artefact, MB", megabytes, at_most=lab.thresholds["megabytes"])


@pytest.mark.question("product", hint="One title is one short row: nothing to pad, nothing to sort.")
def test_one_title_is_fast(student, margin, lab):
    """One title takes less than 50 ms.

    Your artefact, or the model that stands in for it, was asked for 15 titles one by one; the quickest counts,
    as the grader's machine may have other work.
    """
    model = product(student)
    seconds = []
    for title in budget_titles()[1]["title"].tolist()[:15]:
        began = time.perf_counter()
        model.predict([title])
        seconds.append(time.perf_counter() - began)
    margin("one title, ms", 1000 * min(seconds), at_most=lab.thresholds["milliseconds"])


@pytest.mark.question("sizes", hint="A matrix has rows × columns numbers, and a layer of attention has four.")
def test_sizes_of_distilbert(student):
    """`parameters` counts DistilBERT's numbers from its configuration.

    `parameters` was called for DistilBERT-base.
    """
    found = student.notebook.parameters(DISTILBERT_BASE)
    assert sorted(found) == ["embeddings", "layers"]
    assert found["embeddings"] + found["layers"] == 66_362_880


@pytest.mark.question("reading", hint="One letter per question, for example answers['size'] = 'a'.")
def test_answers_have_a_letter(student):
    """Each of the three questions has one letter from a to d.

    The dictionary `answers` was read from your notebook.
    """
    answers = student.notebook.answers
    assert sorted(answers) == ["opponent", "size", "unseen"]
    assert all(letter in ("a", "b", "c", "d") for letter in answers.values())


@pytest.mark.question("documentation", hint="numpydoc: a summary line, then Parameters, Returns and Raises.")
def test_docstrings(student):
    """Every public function and method has a numpydoc docstring that names its parameters.

    numpydoc read the docstrings of `rarity.py`.
    """
    assert numpydoc_errors(student.source) == []


DISTILBERT_BASE = {  # config.json of distilbert-base-uncased, as far as it decides on sizes
    "vocab_size": 30522,
    "max_position_embeddings": 512,
    "dim": 768,
    "hidden_dim": 3072,
    "n_layers": 6,
}


def im_checkpoint(student, folder: str):
    """Return a checkpoint that was loaded where the student's code is."""
    return student.im.load_checkpoint(folder)


@functools.cache
def budget_titles() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the titles that the grader trains on, and unseen listings of the same items."""
    items = title_items(BUDGET_ITEMS)
    return im.split_titles(im.rarity_titles(BUDGET_TITLES, seed=1, items=items), seed=1)


def answers_of(titles: pd.DataFrame) -> np.ndarray:
    """Return the true rarities of titles."""
    return titles["rarity"].astype("str").to_numpy(object)


def market_model(student):
    """Return the student's classifier trained within the budget: once, however many checks ask for it."""
    if "market_model" not in student.memo:
        train, _ = budget_titles()
        model = student.RarityClassifier(**BUDGET)
        model.fit(train["title"].tolist(), answers_of(train).tolist())
        student.memo["market_model"] = model
    return student.memo["market_model"]


def product(student):
    """Return the classifier of the submitted artefact, or else the one that the grader trained, compressed."""
    if "product" not in student.memo:
        folder = str(Path(student.tmp_path).parent / "artefact")
        if not student.list_files(folder):
            folder = "product"
            market_model(student).compress().save(student.path(folder))
        student.memo["product"] = student.RarityClassifier.load(student.path(folder))
        student.memo["product_folder"] = folder
    return student.memo["product"]
