"""The example class in lab 3."""

from .material import Files, Material
from .six import six


def submissions(lab: Material) -> dict[str, Files]:
    """Return each student's files."""
    return six(
        lab,
        variant="own_loop",
        epoch="",
        mistake=("", ""),
    )
