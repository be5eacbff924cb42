"""The student bundle: the course as a folder of its own, without solutions, hidden checks and grading.

A manifest in the bundle tells an earlier bundle, which may be replaced, from a folder that somebody works in.
"""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path, PurePosixPath
from string import Template

from autograder.labs.definition import Lab
from autograder.release.leaks import find_leaks
from itemmarket.atomic import atomic_folder, write_bytes

MANIFEST = ".bundle.json"
TEMPLATES = Path(__file__).with_name("templates")
WORKFLOW = ".github/workflows/check.yml"

# What `course.py check` imports, and nothing else of the engine.
ENGINE = {
    "": ("__init__", "cli"),
    "labs": ("__init__", "definition", "schema", "planted_bugs", "notebooks", "preload"),
    "intake": ("__init__", "submission", "arrangement"),
    "worker": ("__init__", "codec", "serve", "lazy", "cells", "watch", "launch", "process"),
    "sandbox": (
        *(
            "__init__",
            "choose",
            "view",
            "bubblewrap",
            "kernel",
            "confine",
            "zygote",
            "forked",
            "warmed",
            "container",
        ),
    ),
    "judging": ("__init__", "judge", "verdict", "remote_workspace", "own_tests"),
    "results": ("__init__", "explain", "github"),
}
SOURCES = (
    *("course.py", "course_environment.py", "requirements.txt", "constraints.txt", "pyproject.toml"),
    *(".gitignore", ".gitattributes"),
    *("LICENSE*", "NOTICE", "itemmarket/**/*.py", "labkit/*.py", "itemmarket/*.pyi", "*/py.typed"),
    *("data/catalogue.*", "data/market.*", "data/checksums.txt"),
    *(Path("autograder", room, f"{name}.py").as_posix() for room, names in ENGINE.items() for name in names),
)
_BINARY = (".parquet",)


class BundleError(ValueError):
    """A bundle that cannot be written: where, why, and what to do."""


def bundle_files(root: Path, derived: Mapping[str, bytes], labs: Iterable[Lab]) -> dict[str, bytes]:
    """Collect the student bundle.

    Parameters
    ----------
    root : pathlib.Path
        The repository.
    derived : mapping of str to bytes
        Lectures and labs, from :func:`autograder.release.derive.derive`: never what lies in ``labs/``, which
        somebody may have worked on.
    labs : iterable of Lab
        The labs' sources: nothing of their solutions may be in the bundle.

    Returns
    -------
    dict of str to bytes
        Content by path, with forward slashes; text has line feeds.

    Raises
    ------
    BundleError
        If a file would give away a solution or a hidden check.
    """
    files = dict(derived)
    for pattern in SOURCES:
        for path in sorted(root.glob(pattern)):
            content = path.read_bytes()
            text = path.suffix not in _BINARY
            files[path.relative_to(root).as_posix()] = content.replace(b"\r\n", b"\n") if text else content
    labs = list(labs)
    files["README.md"] = _readme(derived, labs).encode()
    files[WORKFLOW] = _workflow(labs).encode()
    leaks = find_leaks(files, labs)
    if leaks:
        raise BundleError(
            "the bundle would give solutions away:\n  "
            + "\n  ".join(f"{path}: {text}" for path, text in leaks[:10])
            + "\nkeep these lines out of what students get, or outside the solution's markers"
        )
    return dict(sorted(files.items()))


def _readme(derived: Mapping[str, bytes], labs: Iterable[Lab]) -> str:
    """Return the students' README with this course's lectures and labs."""
    lectures = [f"- `{name}`" for name in sorted(derived) if name.startswith("lectures/")]
    rows = [
        f"- `labs/{lab.name}/{lab.files.notebook}`: {lab.title} ({lab.max_score:g} points)" for lab in labs
    ]
    template = Template((TEMPLATES / "bundle_readme.md").read_text(encoding="utf-8"))
    return template.substitute(
        lectures="\n".join(lectures),
        labs="\n".join(rows),
        lab=next((lab.name for lab in labs), "LAB"),
    )


def _workflow(labs: Iterable[Lab]) -> str:
    """Return the workflow that checks a student's repository on GitHub."""
    first = next((lab.name for lab in labs), "LAB")
    return (TEMPLATES / "check.yml").read_text(encoding="utf-8").replace("FIRST_LAB", first)


def write_bundle(files: Mapping[str, bytes], folder: Path) -> Path:
    """Write a bundle into a new or empty folder, or over an earlier bundle.

    A new bundle appears as a whole. An earlier one is updated file by file; what it does not know (an
    environment, a ``.git``, notes) stays.

    Parameters
    ----------
    files : mapping of str to bytes
        From :func:`bundle_files`.
    folder : pathlib.Path
        Where to.

    Returns
    -------
    pathlib.Path
        The folder, absolute.

    Raises
    ------
    BundleError
        If the folder is a file, holds something else, or somebody has changed the bundle in it.
    """
    folder = folder.expanduser().resolve()
    manifest = {"format": 1, "files": {name: sha256(content).hexdigest() for name, content in files.items()}}
    manifest_bytes = json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n"
    if folder.exists() and not folder.is_dir():
        raise BundleError(f"{folder} is a file: name a folder")
    if not folder.exists() or not any(folder.iterdir()):
        with atomic_folder(folder) as temporary:
            for name, content in {**files, MANIFEST: manifest_bytes}.items():
                (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                (temporary / name).write_bytes(content)
        return folder
    earlier = _read_manifest(folder)
    current = {name: (folder / name).read_bytes() for name in {*earlier, *files} if (folder / name).is_file()}
    for name, content in current.items():
        if content != files.get(name) and sha256(content).hexdigest() != earlier.get(name):
            raise BundleError(
                f"{folder / name} was changed since the bundle was made, perhaps by a student: "
                "name another folder, or move this file away"
            )
    for name, content in files.items():
        if current.get(name) != content:
            write_bytes(folder / name, content)
    for name in earlier.keys() - files.keys():
        (folder / name).unlink(missing_ok=True)
    write_bytes(folder / MANIFEST, manifest_bytes)
    return folder


def _read_manifest(folder: Path) -> dict[str, str]:
    """Return sha256 by path of the bundle that lies in a folder."""
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        paths = [PurePosixPath(name) for name, _ in files.items()]
    except FileNotFoundError as error:
        raise BundleError(
            f"{folder} is not empty and holds no earlier bundle: name an empty folder"
        ) from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise BundleError(f"{folder / MANIFEST} is damaged: name an empty folder") from error
    if any(path.is_absolute() or ".." in path.parts for path in paths):
        raise BundleError(f"{folder / MANIFEST} names files outside the bundle: name an empty folder")
    return files
