"""Rarity from titles: the regex, TF-IDF, a probe and a fine-tuned DistilBERT, on four questions.

Unseen listings of known items; unseen items, by kind; few labelled items; titles in Russian and with typos for models
trained on English. The network is trained twice, from MiniLM's weights and from random ones: the difference is what
transfer pays. Every cell of the table is kept in build/bench/rarity-cells, and a training is kept while it runs, so
that an interrupted benchmark goes on where it was. The second table is of layers that are frozen: what they save and
what they cost. The third is of the network's artefact: bytes, milliseconds and accuracy as it is pruned and rounded to
8 bits, by the lab's own code and by torchao and ONNX Runtime (installed into ``build/rarity-packages``).
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from sklearn.metrics import accuracy_score, f1_score

import itemmarket as im
from benchmarks._common import BUILD, ROOT, lab_modules, record
from itemmarket.atomic import atomic_folder, write_json, write_text
from itemmarket.evaluation.timing import milliseconds_alone
from itemmarket.market.catalogue import CLASSES
from itemmarket.models.artefacts import load_artefact
from itemmarket.titles.checkpoints import MINILM, load_checkpoint, make_classifier, with_whole_vocabulary

LAB = "lab3_rarity"
CELLS = BUILD / "bench" / "rarity-cells"
DRAWS = {100: 3, 500: 1, 2000: 1}  # by number of labelled items: the fewer, the more it matters which
MANY, FEWER, QUICK = 20_000, 10_000, 900  # titles: for unseen listings, for the other questions, for --quick
EPOCHS = {"few labels, 100": 10, "few labels, 500": 6}
USUAL_EPOCHS = 5
KEPT = "unseen listings"  # the question whose network is compressed in the end
WORLD = 8000  # items that are asked about when items are held out, or few are labelled
FROZEN = (1, 2)  # parts of the network, counted from its embeddings
SINGLE = 200  # predictions of one title that are timed
RESAMPLES = 2000
RUNTIMES = (  # what torchao and ONNX Runtime need beside the course's own pins
    *("torchao==0.18.0", "onnxruntime==1.32.0", "onnx==1.23.2", "onnxscript==0.7.2", "onnx-ir==1.1.0"),
    *("ml_dtypes==0.6.0", "protobuf==7.36.2", "flatbuffers==25.12.19"),
)


class Question(NamedTuple):
    """What to train on, and what to ask."""

    name: str
    train: pd.DataFrame
    tests: dict[str, pd.DataFrame]


def main(argv: list[str]) -> int:
    """Fill the cells that are missing, print the tables and keep them in build/bench/rarity.json."""
    parser = argparse.ArgumentParser(prog="course.py bench rarity", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="few titles and one epoch: a minute or two, no figures to quote"
    )
    parser.add_argument(
        "--afresh", action="store_true", help="forget what earlier runs left: needed when code has changed"
    )
    options = parser.parse_args(argv)
    if options.afresh and CELLS.is_dir():
        shutil.rmtree(CELLS)
    torch.set_num_threads(2)
    with lab_modules(LAB) as modules:
        rows = []
        models = opponents(modules["rarity"], options.quick)
        for question in questions(options.quick):
            for name, make in models.items():
                found = cell(name, make, question)
                rows += found
                for row in found:
                    print(
                        f"  {row['question']:24} {row['test']:24} {name:18} {row['accuracy']:.3f}", flush=True
                    )
        frozen = freezing(modules["rarity"], options.quick)
        artefact = compression(modules["rarity"], options.quick)
    print("range: 95 % over items; of few labels, the least and the most of several draws")
    print(layout(pd.DataFrame(rows)).to_string())
    print(layout(pd.DataFrame(frozen)).to_string())
    shown = pd.DataFrame(artefact).rename(columns={"milliseconds": "ms, one thread"})
    print(shown.set_index("form").round(4).to_string())
    result = {"rows": rows, "frozen": frozen, "artefact": artefact}
    print(f"The figures are in {record('rarity-quick' if options.quick else 'rarity', result)}")
    return 0


# ---------------------------------------------------------------- questions and opponents


def questions(quick: bool) -> Iterator[Question]:
    """Yield the four questions; the third comes once for each number of labels and draw."""
    train, test = im.split_titles(im.rarity_titles(QUICK if quick else MANY, seed=0))
    yield Question(KEPT, train, {"unseen listings": test})

    n_titles = QUICK if quick else FEWER
    titles = im.rarity_titles(n_titles, seed=0, items=im.title_items(WORLD))
    train, test = im.split_titles(titles, "item")
    kinds = test["kind"].astype("str")
    parts = {
        "stickers": kinds.eq("sticker"),
        "weapon finishes": kinds.eq("skin"),
        "the rest": ~kinds.isin(["sticker", "skin"]),
    }
    yield Question(
        "unseen items", train, {"all kinds": test} | {name: test[rows] for name, rows in parts.items()}
    )

    for labelled, draws in DRAWS.items():
        for draw in range(draws):
            if not quick or labelled < train["name"].nunique():
                few = _listings_of(labelled, train, draw)
                yield Question(f"few labels, {labelled}", few, {f"draw {draw}": test})

    english = im.rarity_titles(n_titles, seed=0, spelling="english")
    train, test = im.split_titles(english)
    foreign = {
        name: im.rarity_titles(n_titles // 5, seed=1, spelling=spelling)
        for name, spelling in (("typos", "typos"), ("Russian", "russian"))
    }
    known = {
        name: table[table["name"].isin(train["name"]) & ~table["title"].isin(train["title"])]
        for name, table in foreign.items()
    }
    yield Question("trained on English", train, {"English": test} | known)


def _listings_of(n_items: int, train: pd.DataFrame, draw: int) -> pd.DataFrame:
    """Return the listings of so many items, which are drawn as often as they are listed."""
    names = train["name"].sample(frac=1, random_state=draw).unique()[:n_items]
    return train[train["name"].isin(names)].reset_index(drop=True)


def opponents(rarity: Any, quick: bool) -> dict[str, Callable[[Question], Any]]:
    """Return how each opponent is made for a question."""
    return {
        "regex": lambda question: im.TitleRegex(),
        "TF-IDF": lambda question: im.TitleTfidf(),
        "MiniLM, probe": lambda question: im.TitleProbe(),
        "DistilBERT, MiniLM": network(rarity, quick, MINILM),
        "DistilBERT, random": network(rarity, quick, str(random_checkpoint())),
    }


def network(rarity: Any, quick: bool, checkpoint: str, frozen: int = 0) -> Callable[[Question], Any]:
    """Return how the network of lab 3 is made for a question, with a number of epochs that fits it."""
    return lambda question: rarity.RarityClassifier(
        checkpoint=checkpoint,
        frozen=frozen,
        batch_size=16 if question.name in EPOCHS else 64,
        max_epochs=1 if quick else EPOCHS.get(question.name, USUAL_EPOCHS),
    )


def freezing(rarity: Any, quick: bool) -> list[dict[str, Any]]:
    """Return the figures of networks of which the lowest parts stay as they were pretrained."""
    question = next(questions(quick))
    models = {"DistilBERT, MiniLM": network(rarity, quick, MINILM)}
    models |= {f"the lowest {n} frozen": network(rarity, quick, MINILM, n) for n in FROZEN}
    return [row for name, make in models.items() for row in cell(name, make, question)]


def random_checkpoint(seed: int = 0) -> Path:
    """Write MiniLM's architecture and vocabulary with random weights as a checkpoint, once; return the folder."""
    folder = CELLS / "random-weights"
    if (folder / "config.json").is_file():
        return folder
    pretrained = load_checkpoint(MINILM)
    torch.manual_seed(seed)
    weights = make_classifier(pretrained.config, CLASSES).distilbert.state_dict()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(folder) as temporary:
        write_json(temporary / "config.json", pretrained.config | {"model_type": "distilbert"})
        write_json(temporary / "tokenizer_config.json", {"do_lower_case": pretrained.lower_case})
        write_text(temporary / "vocab.txt", "\n".join(pretrained.vocabulary) + "\n")
        save_file(
            {f"distilbert.{name}": tensor for name, tensor in weights.items()},
            temporary / "model.safetensors",
        )
    return folder


# ---------------------------------------------------------------- one cell of the table


def cell(name: str, make: Callable[[Question], Any], question: Question) -> list[dict[str, Any]]:
    """Return one model's figures on one question, from an earlier run if nothing has changed since."""
    model = make(question)
    file = CELLS / f"{_digest(name, model, question)}.json"
    if file.is_file():
        return json.loads(file.read_text(encoding="utf-8"))
    training = file.with_suffix("")
    fitted, seconds = fit(model, question, training)
    alone = milliseconds_alone(fitted, next(iter(question.tests.values()))["title"].tolist()[:SINGLE])
    rows = [
        {
            "question": question.name,
            "test": test,
            "model": name,
            "train_titles": len(question.train),
            "test_titles": len(titles),
            "fit_seconds": seconds,
            "milliseconds": alone,
        }
        | scores(titles, fitted.predict(titles["title"].tolist()))
        for test, titles in question.tests.items()
        if len(titles)
    ]
    write_json(file, rows)
    if training.is_dir() and question.name != KEPT:
        shutil.rmtree(training)  # 200 MB each
    return rows


def fit(model: Any, question: Question, folder: Path) -> tuple[Any, float]:
    """Fit a model and return it with the seconds it took; a network's training is kept in the folder."""
    titles, labels = question.train["title"].tolist(), question.train["rarity"].astype("str").tolist()
    if hasattr(model, "max_epochs"):
        fitted = model.fit(titles, labels, folder=str(folder))
        return fitted, load_artefact(folder, class_name="Training").config["position"]["seconds"]
    started = time.perf_counter()
    return model.fit(titles, labels), time.perf_counter() - started


def scores(titles: pd.DataFrame, predicted: list[str]) -> dict[str, float]:
    """Return accuracy with a 95 % interval over items, and macro-F1 over the classes that occur."""
    truth, predicted = titles["rarity"].astype("str").to_numpy(), np.asarray(predicted)
    right = pd.DataFrame({"right": truth == predicted, "name": titles["name"].to_numpy()})
    by_item = right.groupby("name")["right"].agg(["sum", "size"]).to_numpy()
    rng = np.random.default_rng(0)
    draws = rng.multinomial(len(by_item), np.full(len(by_item), 1 / len(by_item)), size=RESAMPLES) @ by_item
    low, high = np.quantile(draws[:, 0] / draws[:, 1], [0.025, 0.975])
    return {
        "accuracy": accuracy_score(truth, predicted),
        "low": low,
        "high": high,
        "macro_f1": f1_score(truth, predicted, average="macro", labels=np.unique(truth)),
    }


def _digest(name: str, model: Any, question: Question) -> str:
    """Identify a cell by its model, the model's settings, and the titles."""
    settings = {key: repr(value) for key, value in vars(model).items() if not key.startswith("_")}
    parts = [name, json.dumps(settings, sort_keys=True, default=str)]
    for titles in (question.train, *question.tests.values()):
        parts.append(titles[["title", "rarity"]].to_csv(index=False))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def layout(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table as it is printed: draws of few labels joined, accuracy with its range."""
    few = table["question"].str.startswith("few")
    table = table.assign(test=table["test"].where(~few, "unseen items"))
    groups = table.groupby(["question", "test", "model"], sort=False)
    shown = groups[["accuracy", "macro_f1", "fit_seconds", "milliseconds"]].mean()
    low, high = groups["low"].min(), groups["high"].max()
    several = groups.size() > 1  # then the range of the draws, else the interval over items
    low = low.where(~several, groups["accuracy"].min())
    high = high.where(~several, groups["accuracy"].max())
    shown.insert(1, "range", [f"{a:.3f} – {b:.3f}" for a, b in zip(low, high, strict=True)])
    shown = shown.round({"accuracy": 3, "macro_f1": 3, "fit_seconds": 1, "milliseconds": 2})
    return shown.rename(columns={"milliseconds": "ms, two threads"})


# ---------------------------------------------------------------- the artefact


def compression(rarity: Any, quick: bool) -> list[dict[str, Any]]:
    """Return size, latency on one thread and accuracy of the fine-tuned network in all its forms."""
    question = next(questions(quick))
    model = network(rarity, quick, MINILM)(question)
    folder = CELLS / _digest("DistilBERT, MiniLM", model, question)
    pruned = fit(model, question, folder)[0]  # kept at its end: loading it takes a moment
    (test,) = question.tests.values()
    titles = test["title"].tolist()
    torch.set_num_threads(1)
    forms = {
        "fp32, whole vocabulary": with_whole_vocabulary(pruned),
        "fp32, pruned": pruned,
        "int8 stored, fp32 computed": pruned.compress(),
    }
    measured = {
        name: {
            "megabytes": megabytes(form),
            "milliseconds": milliseconds_alone(form, titles[:SINGLE]),
            "predicted": form.predict(titles),
        }
        for name, form in forms.items()
    }
    rows = []
    for name, found in (measured | in_other_runtimes(pruned, titles)).items():
        right = scores(test, found.pop("predicted"))
        rows.append({"form": name} | found | {key: right[key] for key in ("accuracy", "macro_f1")})
    committed = ROOT / "solutions" / LAB / "artefact"
    if committed.is_dir():
        reference = rarity.RarityClassifier.load(str(committed))
        size = sum(file.stat().st_size for file in committed.rglob("*") if file.is_file()) / 1e6
        alone = milliseconds_alone(reference, titles[:SINGLE])
        # What it was trained on may hold these titles; the lab's own test measures its accuracy.
        rows.append({"form": "committed artefact", "megabytes": size, "milliseconds": alone})
    return rows


def in_other_runtimes(model: Any, titles: list[str]) -> dict[str, dict[str, Any]]:
    """Return what torchao and ONNX Runtime make of a model: megabytes, milliseconds and predictions by form."""
    packages = BUILD / "rarity-packages"
    with_packages = os.environ | {"PYTHONPATH": str(packages)}
    ready = [sys.executable, "-c", "import onnxruntime, onnxscript, torchao"]
    try:
        if subprocess.run(ready, env=with_packages, capture_output=True).returncode:
            print(f"Installing torchao and ONNX Runtime into {packages} ...", flush=True)
            shutil.rmtree(packages, ignore_errors=True)
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, "--no-deps", "--target", str(packages), *RUNTIMES], check=True)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            model.save(str(folder / "model"))
            write_json(folder / "titles.json", titles)
            script = [sys.executable, "-m", "benchmarks._runtimes", str(folder)]
            ran = subprocess.run(script, cwd=ROOT, env=with_packages, stderr=subprocess.PIPE, text=True)
            if ran.returncode:
                raise OSError(ran.stderr.strip().rpartition("\n")[2])
            return json.loads((folder / "forms.json").read_text(encoding="utf-8"))
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"torchao and ONNX Runtime were left out: they could not be installed or run ({error}).")
        return {}


def megabytes(model: Any) -> float:
    """Return the size of the artefact that a model saves."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "artefact"
        model.save(str(path))
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6
