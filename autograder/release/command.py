"""``course.py release``: brings derived files up to date, checks them, or writes the student bundle.

Derived are ``lectures/NN_topic.ipynb`` from ``lectures/source/NN_topic.py``, everything in ``labs/LAB``
from ``solutions/LAB``, and the submissions in ``examples/class`` by ``examples/making``. Nobody edits them:
what the sources do not give is replaced or removed. Links to the repository follow its address in ``pyproject.toml``.
"""

import argparse
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path

from autograder.release.bundle import bundle_files, write_bundle
from autograder.release.derive import LECTURES, derive, load_labs
from autograder.release.links import linked_files
from itemmarket.atomic import write_bytes
from itemmarket.paths import ROOT

_DERIVED = (
    f"lectures/{LECTURES}.ipynb",
    *(f"labs/[!.]*/{name}" for name in ("*.ipynb", "*.py", "lab.toml")),
    *(f"examples/class/*/*/{name}" for name in ("*.ipynb", "*.py", ".gitkeep", "artefact/*")),
)


def example_class(root: Path, released: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files of the example class, derived from the released labs.

    Parameters
    ----------
    root : pathlib.Path
        The repository; one without ``examples/making`` has no example class.
    released : dict of str to bytes
        What :func:`autograder.release.derive.derive` returned.

    Returns
    -------
    dict of str to bytes
        Content by path below ``root``.

    Raises
    ------
    ValueError
        If a submission can no longer be derived, because the solution has changed.
    """
    path = root / "examples" / "making" / "__init__.py"
    if not path.is_file():
        return {}
    spec = importlib.util.spec_from_file_location("course_examples", path)
    assert spec is not None and spec.loader is not None  # it ends in .py
    package = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = package  # where its modules look for each other
    spec.loader.exec_module(package)
    return package.make_class(root, released)


def compare(root: Path, files: Mapping[str, bytes]) -> dict[str, str]:
    """Compare derived files on disk with what they should be, byte for byte.

    Parameters
    ----------
    root : pathlib.Path
        The repository.
    files : mapping of str to bytes
        What :func:`autograder.release.derive.derive` returned.

    Returns
    -------
    dict of str to str
        ``"missing"``, ``"differs"`` or ``"stale"`` (its source is gone) by path; what is right is left out.
    """
    verdicts = {}
    for name, content in files.items():
        path = root / name
        if not path.is_file():
            verdicts[name] = "missing"
        elif path.read_bytes() != content:
            verdicts[name] = "differs"
    present = {path.relative_to(root).as_posix() for pattern in _DERIVED for path in root.glob(pattern)}
    return verdicts | dict.fromkeys(sorted(present - files.keys()), "stale")


def update(root: Path, files: Mapping[str, bytes]) -> dict[str, str]:
    """Write what is missing or differs, remove what is stale, touch nothing else.

    Each file is replaced whole or not at all, after all of them have been derived.

    Parameters
    ----------
    root : pathlib.Path
        The repository.
    files : mapping of str to bytes
        What :func:`autograder.release.derive.derive` returned.

    Returns
    -------
    dict of str to str
        What :func:`compare` had found.
    """
    verdicts = compare(root, files)
    for name, verdict in verdicts.items():
        path = root / name
        if verdict != "stale":
            write_bytes(path, files[name])
            continue
        path.unlink()
        if path.parent != root / "lectures" and not any(path.parent.iterdir()):
            path.parent.rmdir()
    return verdicts


def main(argv: list[str]) -> int:
    """Run the verb.

    Parameters
    ----------
    argv : list of str
        What follows ``course.py release``.

    Returns
    -------
    int
        0, or 1 if a derived file is not as it should be or something cannot be released.
    """
    parser = argparse.ArgumentParser(
        prog="course.py release", description="Derive notebooks and labs from their sources."
    )
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--check", action="store_true", help="write nothing; fail if a derived file differs")
    target.add_argument("--to", metavar="DIR", type=Path, help="write the student bundle into DIR instead")
    options = parser.parse_args(argv)
    try:
        labs = load_labs(ROOT)
        files = derive(ROOT, labs)
        if options.to:
            bundle = bundle_files(ROOT, files, labs)
            folder = write_bundle(bundle, options.to)
            print(f"The student bundle, {len(bundle)} files without solutions, is in {folder}")
            return 0
        files |= example_class(ROOT, files) | linked_files(ROOT)
        verdicts = compare(ROOT, files) if options.check else update(ROOT, files)
    except (ValueError, OSError) as error:  # LabError and BundleError are ValueErrors
        print(f"release: {error}", file=sys.stderr)
        return 1
    if options.check and verdicts:
        for name, verdict in verdicts.items():
            print(f"{verdict:8} {name}", file=sys.stderr)
        print("release: derived files are not up to date: run course.py release", file=sys.stderr)
        return 1
    for name, verdict in verdicts.items():
        print(f"{'removed' if verdict == 'stale' else 'written'}  {name}")
    print(
        f"{len(files)} derived files in lectures/, labs/ and examples/class/, and those with links, are up to date."
    )
    return 0
