"""Where the course keeps its data."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds the packages: of the repository, of a student's bundle, or where they were installed."""


def data_dir() -> Path:
    """Return the folder with the catalogue and the bundled market.

    It is ``data/`` beside the package, or what the environment variable ``ITEMMARKET_DATA`` names. Where only
    the package was installed, there is no such folder, and the variable has to name the one of a copy of the course.
    """
    override = os.environ.get("ITEMMARKET_DATA")
    return Path(override) if override else ROOT / "data"
