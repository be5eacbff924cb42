"""The files that come with the course, not with the package."""

from pathlib import Path

from itemmarket.errors import MarketDataError
from itemmarket.paths import data_dir


def bundled_file(name: str) -> Path:
    """Return the path of a file in the data folder; the file itself may be missing.

    Parameters
    ----------
    name : str
        Its name in :func:`itemmarket.data_dir`.

    Returns
    -------
    pathlib.Path
        The path.

    Raises
    ------
    MarketDataError
        If there is no data folder. So it is where only the package was installed: a wheel holds no data.
    """
    folder = data_dir()
    if not folder.is_dir():
        raise MarketDataError(
            f"there is no data folder at {folder}: set the environment variable ITEMMARKET_DATA to the folder "
            "data/ of a copy of the course"
        )
    return folder / name
