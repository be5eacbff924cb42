"""What benchmarks share: labs, where the real market lies, and a result kept with the machine it was measured on."""

import contextlib
import importlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from itemmarket.atomic import write_json

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"

_LIBRARIES = ("numpy", "pandas", "pyarrow", "scipy", "scikit-learn", "torch")


def real_market() -> Path | None:
    """Return the parquet file of the real market history, or None where there is none.

    It is looked for in the folder that the environment variable ``COURSE_REAL_MARKET`` names, by default beside
    the repository.
    """
    folder = Path(os.environ.get("COURSE_REAL_MARKET", ROOT.parent / "shared" / "real_market"))
    file = folder / "steam_daily.parquet"
    return file if file.is_file() else None


@contextlib.contextmanager
def lab_modules(lab: str) -> Iterator[dict[str, ModuleType]]:
    """Import a lab's files by their bare names, as a notebook and the judge do, and forget them afterwards.

    Each lab has a ``reference`` and ``visible_checks`` of its own: a process that meets two labs must not
    mistake one's for the other's.

    Parameters
    ----------
    lab : str
        Name of a folder in ``solutions/``.

    Yields
    ------
    dict of str to module
        The files that stand beside the lab's notebook and can be imported anywhere: no checks of pytest's own.
    """
    folder = ROOT / "solutions" / lab
    names = [file.stem for file in folder.glob("*.py") if file.stem not in (lab, "hidden_checks")]
    others = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    sys.path.insert(0, str(folder))
    try:
        yield {name: importlib.import_module(name) for name in names if not name.startswith("test_")}
    finally:
        sys.path.remove(str(folder))
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(others)


def record(name: str, result: dict[str, Any]) -> Path:
    """Write a benchmark's result to ``build/bench/NAME.json``, with commit, machine and library versions.

    Parameters
    ----------
    name : str
        The benchmark's name.
    result : dict
        Plain values only (JSON): no NaN, no infinity.

    Returns
    -------
    Path
        The file, written whole or not at all.
    """
    file = BUILD / "bench" / f"{name}.json"
    write_json(
        file,
        {
            "benchmark": name,
            "commit": _git("rev-parse", "HEAD"),
            "uncommitted_changes": bool(_git("status", "--porcelain", "--untracked-files=no")),
            "machine": {
                "system": platform.platform(),
                "processor": _processor(),
                "cores": os.cpu_count(),
                "load_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
            },
            "python": sys.version.split()[0],
            "libraries": {library: version(library) for library in _LIBRARIES},
            "result": result,
        },
    )
    return file


def _git(*arguments: str) -> str | None:
    """Return what git says, or None in a copy without history."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    """Return the processor's name as far as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
