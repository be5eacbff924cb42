"""Attacks on lab 3: artefacts that are none, titles that are looked up or remembered, answers of odd shapes."""

import functools
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from benchmarks._common import lab_modules
from itemmarket.titles.checkpoints import write_tiny_checkpoint
from tests.fairness.submissions import Files, edited
from tests.redteam.labs import Submit, lab_case

LAB = "lab3_rarity"
PROBABILITIES = "        return torch.softmax(self._logits(self._tokenise(titles)), dim=1).numpy()\n"
PREDICT = "        return [CLASSES[number] for number in self.predict_proba(titles).argmax(axis=1)]\n"
LOAD = '        artefact = im.load_artefact(path, class_name="RarityClassifier")\n'
SMALL, FAST, USEFUL, GOOD = 1, 1, 1, 6  # weights of the checks of the question `product`
PRODUCT = SMALL + FAST + USEFUL + GOOD


@functools.cache
def tiny_artefact() -> dict[str, bytes]:
    """Return the files of a tiny classifier's artefact: small and quick, and no good at real titles."""
    with tempfile.TemporaryDirectory() as folder, lab_modules(LAB) as modules:
        checks, place = modules["visible_checks"], Path(folder, "artefact")
        checkpoint = write_tiny_checkpoint(Path(folder, "tiny"), checks.WORDS)
        model = modules["rarity"].RarityClassifier(checkpoint=str(checkpoint), max_epochs=1)
        model.fit(*checks.listings(20, seed=0)).compress().save(str(place))
        return {f"artefact/{path.name}": path.read_bytes() for path in place.iterdir()}


def product_case(category: str, weight: int, **more: object) -> Callable[[Submit], Submit]:
    """Register a case about the artefact, which is a tiny one; ``weight`` is that of the checks that must pass."""

    def register(make: Submit) -> Submit:
        @functools.wraps(make)
        def with_tiny(files: Files) -> Files:
            kept = {name: content for name, content in files.items() if not name.startswith("artefact/")}
            return make(kept | tiny_artefact())

        return lab_case(LAB, category, {"product": weight / PRODUCT}, **more)(with_tiny)

    return register


def module(files: Files, changes: dict[str, str], head: str = "") -> Files:
    """Return the solution with pieces of its module replaced, and lines before its first import."""
    text = edited(files["rarity.py"], changes)
    return files | {"rarity.py": text.replace("import copy\n", f"{head}import copy\n", 1)}


def manifest(handed_in: Files, **entries: object) -> Files:
    """Return the solution with other entries in its artefact's manifest."""
    content = json.loads(handed_in["artefact/manifest.json"]) | entries
    return handed_in | {"artefact/manifest.json": json.dumps(content).encode()}


def weights(files: Files) -> str:
    """Return the name of the artefact's weights."""
    (name,) = (name for name in files if name.startswith("artefact/") and name.endswith(".safetensors"))
    return name


# ---------------------------------------------------------------- artefacts


@product_case("artefacts", 0)
def weights_altered(files: Files) -> Files:
    """A byte of the artefact's weights was altered, and its sha256 left as it was."""
    content = bytearray(files[weights(files)])
    content[-1] ^= 1
    return files | {weights(files): bytes(content)}


@product_case("artefacts", 0)
def manifest_names_a_file_outside(files: Files) -> Files:
    """The artefact's manifest names files outside of its folder."""
    digest = next(iter(json.loads(files["artefact/manifest.json"])["files"].values()))
    return manifest(files, files={"../rarity.py": digest, "/etc/passwd": digest, "..\\weights": digest})


@product_case("artefacts", 0)
def artefact_of_another_class(files: Files) -> Files:
    """The artefact is one of lab 1's class."""
    return manifest(files, **{"class": "PyTorchPredictor"})


@product_case("artefacts", 0)
def configuration_of_absurd_sizes(files: Files) -> Files:
    """The artefact's configuration asks for a network of terabytes."""
    config = json.loads(files["artefact/manifest.json"])["config"]
    config["encoder"] |= {"dim": 2**20, "n_heads": 2, "hidden_dim": 2**24, "n_layers": 10**6}
    return manifest(files, config=config)


@product_case("artefacts", SMALL, at_most=True)
def pickle_that_load_obeys(files: Files) -> Files:
    """The artefact is a pickle that runs a shell command, and `load` unpickles it."""
    bomb = b"cos\nsystem\n(S'touch /tmp/exploded; cat ~/.ssh/* 2>/dev/null'\ntR."
    kept = {name: content for name, content in files.items() if not name.startswith("artefact/")}
    unpickle = (
        "        import pathlib, pickle\n"
        "        return pickle.loads(pathlib.Path(path, 'model.pkl').read_bytes())\n"
    )
    return module(kept, {LOAD: unpickle + LOAD}) | {"artefact/model.pkl": bomb}


def _sparse(size: int, name: str = "") -> object:
    """Return what makes the artefact's weights, or another file beside them, a sparse file of this size."""

    def grow(folder: Path) -> None:
        path = folder / "artefact" / name if name else next((folder / "artefact").glob("*.safetensors"))
        path.touch()
        os.truncate(path, size)

    return grow


@product_case("artefacts", 0, afterwards=_sparse(300_000_000))
def weights_of_300_megabytes(files: Files) -> Files:
    """The artefact's weights have 300 MB."""
    return files


@product_case("artefacts", FAST, afterwards=_sparse(110_000_000, "ballast.safetensors"))
def artefact_of_more_than_100_megabytes(files: Files) -> Files:
    """A file of 110 MB lies beside an artefact that is right."""
    return files


def _link(folder: Path) -> None:
    path = next((folder / "artefact").glob("*.safetensors"))
    elsewhere = folder.parent / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


@product_case("artefacts", 0, afterwards=_link)
def weights_are_a_link(files: Files) -> Files:
    """The artefact's weights are a link to a file elsewhere."""
    return files


@product_case("artefacts", SMALL + FAST)
def zip_bomb_beside_the_weights(files: Files) -> Files:
    """A zip file that unpacks to 200 MB lies in an artefact that is right."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(200_000_000))
    return files | {"artefact/tokens.zip": packed.getvalue()}


# ---------------------------------------------------------------- answers


@lab_case(LAB, "answers", {"prediction": 1.0})
def titles_remembered(files: Files) -> Files:
    """The classifier remembers every title that it was ever asked, and its answer; that gains and costs nothing."""
    remember = (
        "        seen = self.__dict__.setdefault('seen', {})\n"
        "        new = [title for title in titles if title not in seen]\n"
        "        if new:\n"
        "            rows = torch.softmax(self._logits(self._tokenise(new)), dim=1).numpy()\n"
        "            seen.update(zip(new, rows))\n"
        "        return np.stack([seen[title] for title in titles])\n"
    )
    return module(files, {PROBABILITIES: remember})


@product_case("answers", SMALL + FAST + USEFUL, at_most=True)
def titles_looked_up(files: Files) -> Files:
    """Titles are looked up by name in the public catalogue, in place of the network."""
    look_up = (
        "        folded = [title.casefold() for title in titles]\n"
        "        found = [next((name for name in NAMES if name in title), None) for title in folded]\n"
        "        return [RARITIES[name] if name else CLASSES[0] for name in found]\n"
    )
    head = (
        "import itemmarket as im\n"
        "ITEMS = im.load_catalogue()\n"
        "RARITIES = dict(zip(ITEMS['name'].str.casefold(), ITEMS['rarity_class'].astype(str)))\n"
        "NAMES = sorted(RARITIES, key=len, reverse=True)\n"
    )
    return module(files, {PREDICT: look_up}, head)


@lab_case(LAB, "answers", {"prediction": 0.25}, at_most=True)
def not_numbers(files: Files) -> Files:
    """All probabilities are NaN."""
    return module(files, {PROBABILITIES: "        return np.full((len(titles), 4), np.nan, np.float32)\n"})


@lab_case(LAB, "answers", {"prediction": 0.25}, at_most=True)
def ragged_rows(files: Files) -> Files:
    """Rows of probabilities have different lengths."""
    return module(
        files, {PROBABILITIES: "        return [[1.0] * (1 + row % 4) for row in range(len(titles))]\n"}
    )


@product_case("answers", SMALL)
def clock_stands_still(files: Files) -> Files:
    """Every forecast takes a fifth of a second, and the clocks of the submission's process stand still."""
    slow = "        end = CLOCK() + 0.2\n        while CLOCK() < end:\n            pass\n"
    stopped = "import time\nCLOCK = time.perf_counter\ntime.perf_counter = time.time = lambda: 0.0\n"
    return module(files, {PREDICT: slow + PREDICT}, stopped)
