"""``course.py train``: what takes longer to train than a notebook may, made once and kept as an artefact.

The one target so far is ``rarity``, lab 3's classifier on all its training titles. It may be interrupted at any time:
started again with the same arguments it goes on where it was.
"""

import argparse
import hashlib
import importlib.util
import shutil
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from .errors import ArtefactError
from .titles import rarity_titles, split_titles

ROOT = Path(__file__).resolve().parent.parent
N_TITLES = 25_000
SINGLE = 50  # titles that are timed one by one


def main(argv: list[str]) -> int:
    """Train a lab's model on all its data and write it as an artefact."""
    parser = argparse.ArgumentParser(prog="course.py train", description=main.__doc__)
    parser.add_argument("target", choices=["rarity"], help="what to train: lab 3's classifier")
    parser.add_argument(
        "--checkpoint", default="minilm", help='"minilm", a folder in the hub\'s format, or a name on the hub'
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--minutes", type=float, default=20.0, help="training ends after so many at the latest"
    )
    parser.add_argument(
        "--bfloat16",
        action="store_true",
        help="compute in 16 bits: faster on processors that can (AMX, AVX-512)",
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "train" / "rarity", metavar="DIR")
    options = parser.parse_args(argv)
    if options.out.exists() and not options.out.is_dir():
        parser.error(f"{options.out} is a file: --out names the folder of the artefact")
    model = load_module(rarity_module()).RarityClassifier(
        checkpoint=options.checkpoint,
        seed=options.seed,
        max_minutes=options.minutes,
        bfloat16=options.bfloat16,
    )
    train, test = training_titles()
    # Beside `build/train`, not in the artefact: it may be ten times as large, and goes when training has ended.
    state = ROOT / "build" / "train" / f"state-of-rarity-{_key(options)}"
    print(f"{len(train):,} titles; an interrupted training goes on from {state}", flush=True)
    cpu = time.process_time()
    try:
        model.fit(train["title"].tolist(), train["rarity"].astype("str").tolist(), folder=str(state))
    except ArtefactError as error:
        print(f"course.py train: {error}", file=sys.stderr)
        return 1
    metrics = {"training_cpu_minutes": (time.process_time() - cpu) / 60}  # of this sitting
    small = model.compress()
    for name, form in (("uncompressed_", model), ("", small)):
        metrics |= {f"{name}{key}": value for key, value in scores(form, test).items()}
    metrics["milliseconds"] = milliseconds_alone(small, test["title"].tolist()[:SINGLE])
    small.save(str(options.out), metrics=metrics)
    shutil.rmtree(state, ignore_errors=True)
    for name, value in metrics.items():
        print(f"{name:24} {value:.4f}")
    print(f"The artefact is in {options.out}")
    return 0


def rarity_module() -> Path:
    """Return lab 3's module: the reference, or where there is none the student's own."""
    reference = ROOT / "solutions" / "lab3_rarity" / "rarity.py"
    return reference if reference.is_file() else ROOT / "labs" / "lab3_rarity" / "rarity.py"


def load_module(path: Path) -> ModuleType:
    """Import a file by its path."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for their own module
    spec.loader.exec_module(module)
    return module


def _key(options: argparse.Namespace) -> str:
    """Identify a training: by its settings, and by the code, since weights that a bug has spoilt are no start."""
    settings = (options.checkpoint, options.seed, options.minutes, options.bfloat16)
    return hashlib.sha256(repr(settings).encode() + rarity_module().read_bytes()).hexdigest()[:12]


def training_titles() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return all of lab 3's training titles, and unseen listings of the same items."""
    return split_titles(rarity_titles(N_TITLES, seed=0))


def scores(model: Any, titles: pd.DataFrame) -> dict[str, float]:
    """Return accuracy and macro-F1 of a classifier on titles with their ``rarity``."""
    from sklearn.metrics import accuracy_score, f1_score

    truth = titles["rarity"].astype("str").tolist()
    found = list(model.predict(titles["title"].tolist()))
    return {"accuracy": accuracy_score(truth, found), "macro_f1": f1_score(truth, found, average="macro")}


def milliseconds_alone(model: Any, titles: list[str]) -> float:
    """Return the median time that a classifier needs for one title, in milliseconds."""
    seconds = []
    for title in titles:
        began = time.perf_counter()
        model.predict([title])
        seconds.append(time.perf_counter() - began)
    return 1000 * float(np.median(seconds))
