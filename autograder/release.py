"""``course.py release``: brings derived files up to date, checks them, or writes the student bundle.

Derived are ``lectures/NN_topic.ipynb`` from ``lectures/source/NN_topic.py`` and everything in ``labs/LAB``
from ``solutions/LAB``. Nobody edits them: what the sources do not give is replaced or removed.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from autograder.bundle import BundleError, bundle_files, write_bundle
from autograder.derive import LECTURES, derive, load_labs
from autograder.lab import LabError
from itemmarket.atomic import write_bytes

ROOT = Path(__file__).resolve().parent.parent
_DERIVED = (f"lectures/{LECTURES}.ipynb", *(f"labs/[!.]*/{name}" for name in ("*.ipynb", "*.py", "lab.toml")))


def compare(root: Path, files: Mapping[str, bytes]) -> dict[str, str]:
    """Compare derived files on disk with what they should be, byte for byte.

    Parameters
    ----------
    root : pathlib.Path
        The repository.
    files : mapping of str to bytes
        What :func:`autograder.derive.derive` returned.

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
        What :func:`autograder.derive.derive` returned.

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
        verdicts = compare(ROOT, files) if options.check else update(ROOT, files)
    except (LabError, BundleError, OSError) as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    if options.check and verdicts:
        for name, verdict in verdicts.items():
            print(f"{verdict:8} {name}", file=sys.stderr)
        print("release: derived files are not up to date: run course.py release", file=sys.stderr)
        return 1
    for name, verdict in verdicts.items():
        print(f"{'removed' if verdict == 'stale' else 'written'}  {name}")
    print(f"{len(files)} derived files in labs/ and lectures/ are up to date.")
    return 0
