"""Lab 3 as it is graded: the committed artefact, the hidden titles, and what the criteria rest on."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import itemmarket as im
from autograder.labs.definition import load_lab
from autograder.labs.secret import hidden_seed
from benchmarks._common import lab_modules
from itemmarket.evaluation.timing import milliseconds_alone
from itemmarket.models.training_state import Training
from itemmarket.titles.checkpoints import write_tiny_checkpoint
from itemmarket.titles.split import training_titles
from labkit.train import scores

LAB = "lab3_rarity"


@pytest.fixture(scope="module")
def modules():
    """The lab's modules, imported by name as the judge does."""
    with lab_modules(LAB) as found:
        yield found


@pytest.fixture(scope="module")
def artefact(root) -> Path:
    return root / "solutions" / LAB / "artefact"


@pytest.fixture(scope="module")
def model(modules, artefact):
    return modules["rarity"].RarityClassifier.load(str(artefact))


@pytest.fixture(scope="module")
def thresholds(root):
    return load_lab(root / "solutions" / LAB).thresholds


@pytest.fixture(scope="module")
def hidden(modules):
    return modules["reference"].hidden_titles(hidden_seed(LAB))


def test_the_artefact_knows_unseen_listings(model, hidden, thresholds):
    """Strictly above the criterion: the students' 3 % for luck is not the reference's."""
    found = scores(model, hidden)
    assert found["accuracy"] > thresholds["accuracy"]
    assert found["macro_f1"] > thresholds["macro_f1"]


def test_the_artefact_is_small_and_fast(model, artefact, hidden, thresholds):
    megabytes = sum(file.stat().st_size for file in artefact.iterdir()) / 1e6
    assert megabytes < 30 < thresholds["megabytes"]
    assert model.compressed
    torch.set_num_threads(1)
    titles = hidden["title"].tolist()[:40]
    assert milliseconds_alone(model, titles) < thresholds["milliseconds"]


def test_the_manifest_says_what_it_scored(model, artefact):
    """Eight bits cost at most 0.3 points, and the figures are those of the split that the command names."""
    manifest = json.loads((artefact / "manifest.json").read_text(encoding="utf-8"))
    metrics = manifest["metrics"]
    assert metrics["uncompressed_accuracy"] - metrics["accuracy"] <= 0.003
    _, test = training_titles()
    sample = test.sample(600, random_state=0)
    found = scores(model, sample)["accuracy"]
    error = np.sqrt(metrics["accuracy"] * (1 - metrics["accuracy"]) / len(sample))
    assert abs(found - metrics["accuracy"]) < 4 * error + 1e-9


def test_hidden_titles_are_unseen_listings_of_known_items(modules, hidden):
    train, _ = training_titles()
    seen = {" ".join(title.casefold().split()) for title in train["title"]}
    assert len(hidden) > 500
    assert set(hidden["name"]) <= set(train["name"])
    assert not {" ".join(title.casefold().split()) for title in hidden["title"]} & seen
    assert set(hidden["rarity"].astype("str")) == set(im.CLASSES)
    other = modules["reference"].hidden_titles(hidden_seed(LAB) + 1)
    assert other["title"].tolist()[:50] != hidden["title"].tolist()[:50]


def test_the_product_is_asked_about_titles_that_neither_training_had(modules):
    reference, checks = modules["reference"], modules["visible_checks"]
    titles = reference.hidden_product_titles(hidden_seed(LAB))
    assert len(titles) > 300
    for train in (training_titles()[0], checks.budget_titles()[0]):
        assert set(titles["name"]) <= set(training_titles()[0]["name"])
        assert not set(titles["title"]) & set(train["title"])


def test_budget_titles_are_split_by_listing(modules):
    train, test = modules["visible_checks"].budget_titles()
    assert set(test["name"]) <= set(train["name"])
    assert not set(test["title"]) & set(train["title"])


def test_parameters_of_distilbert_are_those_of_the_library(modules):
    from transformers import DistilBertConfig, DistilBertModel

    base = modules["visible_checks"].DISTILBERT_BASE
    with torch.device("meta"):
        network = DistilBertModel(DistilBertConfig(**base))
    counted = modules["reference"].count_parameters(base)
    assert sum(counted.values()) == sum(parameter.numel() for parameter in network.parameters())
    assert counted["embeddings"] == sum(p.numel() for p in network.embeddings.parameters())
    # Quantising the layers alone leaves more than the limit of 100 MB; 32 bits take 265.
    assert 4 * sum(counted.values()) > 265e6
    assert 4 * counted["embeddings"] + counted["layers"] > 100e6 > sum(counted.values())


def test_a_training_of_titles_goes_on_where_it_was(modules, tmp_path, monkeypatch):
    """Interrupted in the middle of an epoch, the classifier ends with the same probabilities."""
    rarity, checks = modules["rarity"], modules["visible_checks"]
    tiny = str(write_tiny_checkpoint(tmp_path / "tiny", checks.WORDS))
    titles, labels = checks.listings(60, seed=0)

    def classifier():
        return rarity.RarityClassifier(checkpoint=tiny, batch_size=8, max_epochs=3, learning_rate=1e-2)

    whole = classifier().fit(titles, labels)
    save, count = Training.save, Training.count_step

    def dying(run):
        count(run)
        save(run)
        if (run.epoch, run.step) == (1, 3):
            raise KeyboardInterrupt

    monkeypatch.setattr(Training, "count_step", dying)
    with pytest.raises(KeyboardInterrupt):
        classifier().fit(titles, labels, folder=str(tmp_path / "run"))
    monkeypatch.undo()
    taken_up = classifier().fit(titles, labels, folder=str(tmp_path / "run"))
    np.testing.assert_array_equal(taken_up.predict_proba(titles), whole.predict_proba(titles))
    assert taken_up.validation_losses_ == whole.validation_losses_


def test_nothing_of_the_artefact_reaches_students(root):
    assert not (root / "labs" / LAB / "artefact").exists()


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_reference_keeps_its_criteria(modules, hidden, thresholds, seed):
    """Trained anew, twenty minutes at most, with three seeds."""
    train, _ = training_titles()
    torch.set_num_threads(2)
    model = modules["rarity"].RarityClassifier(seed=seed, max_minutes=20.0)
    model.fit(train["title"].tolist(), train["rarity"].astype("str").tolist())
    found, small = scores(model, hidden), scores(model.compress(), hidden)
    assert small["accuracy"] > thresholds["accuracy"]
    assert small["macro_f1"] > thresholds["macro_f1"]
    assert found["accuracy"] - small["accuracy"] <= 0.003


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_minute_is_enough_for_the_graded_training(modules, thresholds, seed):
    checks, reference = modules["visible_checks"], modules["reference"]
    train, _ = checks.budget_titles()
    torch.set_num_threads(1)
    model = modules["rarity"].RarityClassifier(**checks.BUDGET | {"seed": seed})
    began = time.process_time()
    model.fit(train["title"].tolist(), checks.answers_of(train).tolist())
    assert time.process_time() - began < 60
    titles = reference.hidden_budget_titles(hidden_seed(LAB))
    assert reference.measure("accuracy", titles, model) > thresholds["budget_accuracy"]
    assert reference.measure("macro-F1", titles, model) > thresholds["budget_macro_f1"]
