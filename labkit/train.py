"""``course.py train``: what takes longer to train than a notebook may, made once and kept as an artefact.

What can be trained stands in ``[train]`` of a lab's ``lab.toml``. A training may be interrupted at any time: started
again with the same arguments it goes on where it was.
"""

import argparse
import hashlib
import importlib.util
import shutil
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from itemmarket.errors import ArtefactError
from itemmarket.paths import ROOT

SINGLE = 50  # titles that are timed one by one


def main(argv: list[str]) -> int:
    """Train a lab's model on all its data and write it as an artefact."""
    parser = argparse.ArgumentParser(prog="course.py train", description=main.__doc__)
    targets = find_targets(ROOT)
    parser.add_argument("target", choices=sorted(targets), help="what to train; rarity: lab 3's classifier")
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
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: build/train/TARGET")
    options = parser.parse_args(argv)
    out = options.out or ROOT / "build" / "train" / options.target
    if out.exists() and not out.is_dir():
        parser.error(f"{out} is a file: --out names the folder of the artefact")
    target = targets[options.target]
    model = getattr(load_module(target.module), target.class_name)(
        checkpoint=options.checkpoint,
        seed=options.seed,
        max_minutes=options.minutes,
        bfloat16=options.bfloat16,
    )
    train, test = imported(target.titles)()
    # Beside `build/train`, not in the artefact: it may be ten times as large, and goes when training has ended.
    state = ROOT / "build" / "train" / f"state-of-{options.target}-{_key(options, target)}"
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
    metrics["milliseconds"] = imported(target.clock)(small, test["title"].tolist()[:SINGLE])
    small.save(str(out), metrics=metrics)
    shutil.rmtree(state, ignore_errors=True)
    for name, value in metrics.items():
        print(f"{name:24} {value:.4f}")
    print(f"The artefact is in {out}")
    return 0


@dataclass(frozen=True)
class Target:
    """What a lab lets ``course.py train`` do, from ``[train]`` of its ``lab.toml``.

    Attributes
    ----------
    module : Path
        The file with the model: the reference, or in a student's bundle the student's own.
    class_name : str
        The model's class there.
    titles, clock : str
        ``module:function``: what returns the training rows and unseen ones, with ``title`` and ``rarity``, and what
        times one answer of a model.
    """

    module: Path
    class_name: str
    titles: str
    clock: str


def find_targets(root: Path) -> dict[str, Target]:
    """Return what can be trained here by its name: of ``solutions/``, or where these are missing of ``labs/``."""
    targets: dict[str, Target] = {}
    for path in [*sorted(root.glob("labs/*/lab.toml")), *sorted(root.glob("solutions/*/lab.toml"))]:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
        if train := settings.get("train"):
            module = path.with_name(f"{settings['module']}.py")
            targets[train["target"]] = Target(module, settings["class"], train["titles"], train["clock"])
    return targets


def imported(path: str) -> Callable[..., Any]:
    """Return the function that ``module:function`` names."""
    module, _, function = path.partition(":")
    return getattr(importlib.import_module(module), function)


def load_module(path: Path) -> ModuleType:
    """Import a file by its path."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None  # it ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for their own module
    spec.loader.exec_module(module)
    return module


def _key(options: argparse.Namespace, target: Target) -> str:
    """Identify a training: by its settings, and by the code, since weights that a bug has spoilt are no start."""
    settings = (options.checkpoint, options.seed, options.minutes, options.bfloat16)
    return hashlib.sha256(repr(settings).encode() + target.module.read_bytes()).hexdigest()[:12]


def scores(model: Any, titles: pd.DataFrame) -> dict[str, float]:
    """Return accuracy and macro-F1 of a classifier on titles with their ``rarity``."""
    from sklearn.metrics import accuracy_score, f1_score

    truth = titles["rarity"].astype("str").tolist()
    found = list(model.predict(titles["title"].tolist()))
    return {"accuracy": accuracy_score(truth, found), "macro_f1": f1_score(truth, found, average="macro")}
