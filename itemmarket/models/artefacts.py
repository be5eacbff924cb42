"""Saved models: a folder with ``manifest.json`` and weights in safetensors, never a pickle.

The manifest names the weights file by its sha256, so replacing the manifest (one atomic rename) is what
commits a save: a reader sees the old model or the new one, never a mixture. A hash in the same folder
proves integrity, not origin.

Format of the weights: https://huggingface.co/docs/safetensors.
"""

import hashlib
import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from itemmarket.atomic import write_bytes
from itemmarket.errors import ArtefactError

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
_WEIGHTS = re.compile(r"weights-[0-9a-f]{16}\.safetensors")
_LIBRARIES = ("itemmarket", "numpy", "torch", "scikit-learn", "safetensors")


@dataclass(frozen=True)
class Artefact:
    """A model that was read back and verified.

    Attributes
    ----------
    class_name : str
        The class that saved it.
    config : dict
        What the class needs to build itself again (plain JSON values).
    arrays : dict of str to numpy.ndarray
        Weights and scaling constants, by name.
    manifest : dict
        The whole manifest: format version, library versions, features, training window, metrics, files.
    """

    class_name: str
    config: dict[str, Any]
    arrays: dict[str, np.ndarray] = field(repr=False)
    manifest: dict[str, Any] = field(repr=False)


def save_artefact(
    path: str | os.PathLike[str],
    *,
    class_name: str,
    config: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    features: Sequence[str] = (),
    training_window: tuple[str, str] | None = None,
    metrics: Mapping[str, float] | None = None,
) -> Path:
    """Write a model into the folder ``path``, replacing an earlier one atomically.

    Parameters
    ----------
    path : path-like
        The folder; made if it is not there.
    class_name : str
        Name of the class that can load it; :func:`load_artefact` insists on it.
    config : mapping
        Constructor arguments and other plain JSON values.
    arrays : mapping of str to array
        Weights by name; torch tensors are accepted and stored as numpy arrays.
    features : sequence of str, optional
        Names of the input columns, in order.
    training_window : (str, str), optional
        First and last date of the training rows (ISO 8601).
    metrics : mapping of str to float, optional
        What the model scored, e.g. ``{"rmse": 0.031}``.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    ArtefactError
        If ``config`` or ``metrics`` hold anything that JSON cannot.
    """
    from safetensors.numpy import save

    folder = Path(path)
    weights = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    digest = hashlib.sha256(weights).hexdigest()
    file_name = f"weights-{digest[:16]}.safetensors"
    manifest = {
        "format_version": FORMAT_VERSION,
        "class": class_name,
        "config": dict(config),
        "features": list(features),
        "training_window": list(training_window) if training_window else None,
        "metrics": dict(metrics or {}),
        "libraries": {"python": platform.python_version(), **_library_versions()},
        "files": {file_name: digest},
    }
    try:
        text = json.dumps(manifest, indent=2, allow_nan=False, sort_keys=True) + "\n"
    except (TypeError, ValueError) as error:
        raise ArtefactError(
            f"cannot save {class_name}: config and metrics must be plain JSON: {error}"
        ) from None
    write_bytes(folder / file_name, weights)
    write_bytes(folder / MANIFEST, text.encode())
    for stale in folder.iterdir():
        if _WEIGHTS.fullmatch(stale.name) and stale.name != file_name:
            stale.unlink()
    return folder


def load_artefact(path: str | os.PathLike[str], *, class_name: str) -> Artefact:
    """Read a model back; the manifest is checked before any weight is.

    Parameters
    ----------
    path : path-like
        The folder that :func:`save_artefact` wrote.
    class_name : str
        The class that is loading; a model of another class is refused.

    Returns
    -------
    Artefact
        The verified content.

    Raises
    ------
    ArtefactError
        If the folder is no artefact, is of another format or class, or if a file is missing or altered.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    folder = Path(path)
    manifest = _read_manifest(folder)
    if manifest["format_version"] != FORMAT_VERSION:
        raise ArtefactError(
            f"{folder} has artefact format {manifest['format_version']!r}, this version reads {FORMAT_VERSION}: "
            "save the model again with this version"
        )
    if manifest["class"] != class_name:
        raise ArtefactError(
            f"{folder} holds a {manifest['class']}, not a {class_name}: load it with that class"
        )
    arrays: dict[str, np.ndarray] = {}
    for file_name, digest in manifest["files"].items():
        if not _WEIGHTS.fullmatch(file_name):
            raise ArtefactError(f"{folder / MANIFEST} names a file that is no weights file: {file_name!r}")
        try:
            content = (folder / file_name).read_bytes()
        except OSError:
            raise ArtefactError(
                f"{folder / file_name} is missing or unreadable: save the model again"
            ) from None
        if hashlib.sha256(content).hexdigest() != digest:
            raise ArtefactError(f"{folder / file_name} was altered after it was saved (sha256 differs)")
        try:
            arrays |= load(content)
        except SafetensorError as error:
            raise ArtefactError(f"{folder / file_name} is no safetensors file: {error}") from None
    return Artefact(class_name, manifest["config"], arrays, manifest)


def _read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of ``folder`` with its required entries present and of the right types."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except OSError:
        raise ArtefactError(f"{folder} is no saved model: it has no readable {MANIFEST}") from None
    except ValueError as error:
        raise ArtefactError(f"{folder / MANIFEST} is no JSON: {error}") from None
    expected = {"format_version": int, "class": str, "config": dict, "files": dict}
    for key, kind in expected.items():
        if not isinstance(manifest, dict) or not isinstance(manifest.get(key), kind):
            raise ArtefactError(
                f"{folder / MANIFEST} has no valid {key!r} entry: it was not written by save_artefact"
            )
    return manifest


def _library_versions() -> dict[str, str]:
    """Return the installed versions of the libraries that a saved model depends on."""
    versions = {}
    for library in _LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    return versions
