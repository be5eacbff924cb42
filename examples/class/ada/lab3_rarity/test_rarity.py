"""Tests of ``rarity.py``, graded by the branches that they run and by the planted bugs that they notice (task 11).

Test what the docstrings promise: every other correct ``rarity.py`` must pass your tests, too. MiniLM would take
minutes; ``tiny`` is a checkpoint that learns these titles in a second.
"""

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

import itemmarket as im
from itemmarket.titles.checkpoints import SPECIALS, write_tiny_checkpoint

from rarity import (
    CLASSES,
    RarityClassifier,
    check_titles,
    class_weights,
    dequantise,
    freeze,
    is_character,
    length_batches,
    pad,
    prune,
    quantise,
    rate_factor,
)

WORDS = ["white", "blue", "pink", "red", "box", "knife", "case", "paper", "holo", "old", "new"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> str:
    """Return the folder of a tiny checkpoint that knows ``WORDS``."""
    return str(write_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny", WORDS))


def listings(n: int, seed: int) -> tuple[list[str], list[str]]:
    """Return titles of two to nine words, one of which gives the rarity away, and their labels."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(4, size=n)
    titles = [
        " ".join(
            [*rng.choice(WORDS[4:], rng.integers(1, 5)), WORDS[c], *rng.choice(WORDS[4:], rng.integers(4))]
        )
        for c in classes
    ]
    return titles, [CLASSES[c] for c in classes]


@pytest.fixture(scope="module")
def fitted(tiny) -> RarityClassifier:
    """Return a classifier that has learned the four words."""
    model = RarityClassifier(checkpoint=tiny, learning_rate=3e-3, batch_size=16, max_epochs=8)
    return model.fit(*listings(400, seed=0))


def test_prune(tiny):
    """Pieces that occur stay, in order and with their own rows; characters stay; positions are cut."""
    whole = im.load_checkpoint(tiny)
    small = prune(whole, ["red knife", "old old box"], 12)
    kept = [p for p in whole.vocabulary if p in {*SPECIALS, "red", "knife", "old", "box"} or is_character(p)]
    assert list(small.vocabulary) == kept
    assert is_character("##й") and is_character("#") and not is_character("##ab") and not is_character("中")
    name = "embeddings.word_embeddings.weight"
    rows = [whole.vocabulary.index(piece) for piece in kept]
    assert torch.equal(small.weights[name], whole.weights[name][rows])
    assert small.weights["embeddings.position_embeddings.weight"].shape == (12, 32)
    assert small.config["vocab_size"] == len(kept) and small.config["max_position_embeddings"] == 12
    assert len(whole.vocabulary) == len(whole.weights[name]) > len(kept)


def test_length_batches():
    """Every row is in one batch, neighbours are of similar length, and a generator mixes them."""
    lengths = [5, 3, 9, 3, 7, 3, 5, 9, 3, 1]
    batches = length_batches(lengths, 4)
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert [lengths[row] for batch in batches for row in batch] == sorted(lengths)
    lengths = [2] * 50 + [8] * 50
    mixed = [length_batches(lengths, 10, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert mixed[0] == mixed[1] != mixed[2]
    assert sorted(row for batch in mixed[0] for row in batch) == list(range(100))
    assert all(len({lengths[row] for row in batch}) == 1 for batch in mixed[0])
    assert any(batch != sorted(batch) for batch in mixed[0])
    assert [lengths[batch[0]] for batch in mixed[0]] != sorted(lengths[batch[0]] for batch in mixed[0])


def test_pad():
    """Short rows end in zeros that the mask leaves out."""
    ids, mask = pad([[7, 8, 9], [6]])
    assert ids.tolist() == [[7, 8, 9], [6, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert ids.dtype == mask.dtype == torch.int64


@pytest.mark.parametrize(
    ("titles", "labels", "word"),
    [
        ([], None, "empty"),
        (["AK-47", " "], None, "text"),
        (["AK-47", None], None, "text"),
        (["AK-47"], ["Rare", "Rare"], "length"),
        (["AK-47"], ["rare"], "label"),
    ],
)
def test_check_titles(titles, labels, word):
    """Each kind of bad input raises a ValueError with its word; good input passes."""
    with pytest.raises(ValueError, match=word):
        check_titles(titles, labels)
    check_titles(["AK-47"], ["Rare"])
    check_titles(["AK-47"])


def test_class_weights():
    """Rare classes weigh more, up to the same for all classes."""
    targets = np.array([0] * 8 + [1] * 2)
    np.testing.assert_allclose(class_weights(targets, 1.0), [10 / 32, 10 / 8, 10 / 4, 10 / 4])
    np.testing.assert_allclose(class_weights(targets), np.sqrt([10 / 32, 10 / 8, 10 / 4, 10 / 4]), rtol=1e-6)
    assert class_weights(targets, 0.0).tolist() == [1, 1, 1, 1]


def test_rate_factor():
    """The rate rises to 1, then falls, and is never 0."""
    factors = [rate_factor(step, 20) for step in range(20)]
    np.testing.assert_allclose(factors, [1 / 2, 1, *(n / 19 for n in range(18, 0, -1))])
    assert rate_factor(0, 3) == 1


def test_quantise():
    """Each row has its own scale, whole numbers use the whole range, and rounding costs half a scale."""
    weight = torch.tensor([[1.0, -2.0, 0.3], [0.01, 0.02, -0.005], [0.0, 0.0, 0.0]])
    numbers, scale = quantise(weight)
    assert numbers.dtype == torch.int8
    assert numbers.abs().amax(dim=1).tolist() == [127, 127, 0]
    torch.testing.assert_close(scale, torch.tensor([2 / 127, 0.02 / 127, 1.0]))
    assert ((dequantise(numbers, scale) - weight).abs() <= scale[:, None] / 2 + 1e-7).all()


def test_learning(fitted):
    """The words that matter are learned; the losses are kept, and the best epoch among them."""
    titles, labels = listings(200, seed=1)
    assert np.mean(np.array(fitted.predict(titles)) == labels) > 0.9
    assert fitted.best_epoch_ == np.argmin(fitted.validation_losses_)
    assert fitted.validation_losses_[fitted.best_epoch_] < 0.3


def test_best_weights_and_patience(tiny):
    """One title to learn from and one of another class to watch: the first epoch is the best, and comes back."""
    titles, labels = ["white box", "old red knife"], ["Common", "Legendary"]
    model = RarityClassifier(checkpoint=tiny, learning_rate=1e-2, max_epochs=9, patience=2)
    model.fit(titles, labels)
    losses = model.validation_losses_
    assert len(losses) == model.best_epoch_ + 3 < 9
    found = -np.log([model.predict_proba(titles)[row, column] for row, column in ((0, 0), (1, 3))])
    assert min(abs(found - losses[model.best_epoch_])) < 1e-4


@pytest.mark.parametrize("frozen", [0, 1, 3])
def test_frozen_parts_stay(tiny, frozen):
    """The embeddings and the lowest layers stay as they were, and the rest learns."""
    titles, labels = listings(24, seed=2)
    before = im.load_checkpoint(tiny).weights
    model = RarityClassifier(checkpoint=tiny, frozen=frozen, max_epochs=1, learning_rate=1e-2)
    model.fit(titles, labels)
    after = model.network_.distilbert.state_dict()
    for number, part in enumerate(["embeddings.LayerNorm", "transformer.layer.0", "transformer.layer.1"]):
        names = [name for name in before if name.startswith(part) and name.endswith("weight")]
        assert all(torch.equal(before[name], after[name]) == (number < frozen) for name in names)
    freeze(model.network_, 0)
    assert all(parameter.requires_grad for parameter in model.network_.parameters())


def test_predictions(fitted):
    """Probabilities are in order, sum to 1, and are the same alone, together and once more."""
    titles, _ = listings(150, seed=3)
    probabilities = fitted.predict_proba(titles)
    assert probabilities.shape == (150, 4)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    alone = np.concatenate([fitted.predict_proba([title]) for title in titles[:12]])
    np.testing.assert_allclose(alone, probabilities[:12], atol=1e-5)
    assert fitted.predict(titles) == [CLASSES[number] for number in probabilities.argmax(axis=1)]
    assert probabilities.max() > 0.95
    assert len(fitted.predict(["Нож чёрный " * 90, "★ 中 ™"])) == 2


def test_the_whole_title_is_read(fitted):
    """A word far behind still counts."""
    found = fitted.predict_proba(
        ["box old new case paper holo box old new case " + word for word in WORDS[:4]]
    )
    assert np.ptp(found, axis=0).max() > 0.2


def test_seed(tiny):
    """The same seed gives the same model, and another seed another."""
    titles, labels = listings(40, seed=4)
    models = [RarityClassifier(checkpoint=tiny, max_epochs=1, seed=s).fit(titles, labels) for s in (1, 1, 2)]
    one, same, other = (model.predict_proba(titles) for model in models)
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


def test_unfitted_and_too_few(tiny, tmp_path):
    """Nothing can be asked of a model that is not fitted, and one title is too few."""
    model = RarityClassifier(checkpoint=tiny)
    for method in (model.predict, model.predict_proba):
        with pytest.raises(NotFittedError):
            method(["AK-47"])
    with pytest.raises(NotFittedError):
        model.compress()
    with pytest.raises(NotFittedError):
        model.save(str(tmp_path / "model"))
    with pytest.raises(ValueError):
        model.fit(["AK-47"], ["Rare"])
    with pytest.raises(ValueError, match="label"):
        model.fit(["AK-47", "AWP"], ["Rare", "Red"])


def test_compress(fitted):
    """Every matrix becomes whole numbers times a scale; the original and the answers stay."""
    titles, _ = listings(50, seed=5)
    before = fitted.predict_proba(titles)
    small = fitted.compress()
    assert small.compressed and not fitted.compressed
    np.testing.assert_array_equal(fitted.predict_proba(titles), before)
    np.testing.assert_allclose(small.predict_proba(titles), before, atol=0.05)
    exact = fitted.network_.state_dict()
    for name, weight in small.network_.state_dict().items():
        if weight.ndim == 2:
            torch.testing.assert_close(weight, dequantise(*quantise(exact[name])))
        else:
            assert torch.equal(weight, exact[name])


@pytest.mark.parametrize("compressed", [False, True])
def test_save_and_load(fitted, tmp_path, compressed):
    """A loaded model gives the same probabilities, without its checkpoint; compressed it takes a third."""
    titles, _ = listings(30, seed=6)
    titles += ["Нож", "ak-47 red-line", "box " * 100]
    model = fitted.compress() if compressed else fitted
    model.save(str(tmp_path / "model"))
    loaded = RarityClassifier.load(str(tmp_path / "model"))
    np.testing.assert_array_equal(loaded.predict_proba(titles), model.predict_proba(titles))
    assert loaded.compressed == compressed
    (weights,) = (tmp_path / "model").glob("*.safetensors")
    numbers = sum(parameter.numel() for parameter in model.network_.parameters())
    assert weights.stat().st_size < (2 if compressed else 5) * numbers


def test_minutes_and_folder(tiny, tmp_path):
    """Training ends with its minutes, and one that has ended is taken up where it ended."""
    titles, labels = listings(60, seed=7)
    model = RarityClassifier(checkpoint=tiny, max_epochs=3, batch_size=8, max_minutes=0.0)
    model.fit(titles, labels, folder=str(tmp_path / "run"))
    assert len(model.validation_losses_) == 1
    again = RarityClassifier(checkpoint=tiny, max_epochs=3, batch_size=8, max_minutes=0.0)
    again.fit(titles, labels, folder=str(tmp_path / "run"))
    np.testing.assert_array_equal(again.predict_proba(titles), model.predict_proba(titles))
