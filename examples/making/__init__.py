"""The example class: submissions of every lab, derived from its solution by the slips that students make.

``course.py release`` writes them to ``examples/class`` and proves that they are up to date.
"""

from pathlib import Path

from . import lab1, lab2, lab3
from .material import Files, material

LABS = {
    "lab1_mlp": lab1.submissions,
    "lab2_lstm": lab2.submissions,
    "lab3_rarity": lab3.submissions,
}


def make_class(root: Path, released: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files of the example class by path.

    Parameters
    ----------
    root : pathlib.Path
        The repository.
    released : dict of str to bytes
        The released labs' files by path, as ``course.py release`` derives them.

    Returns
    -------
    dict of str to bytes
        ``examples/class/STUDENT/LAB/FILE`` and its content.

    Raises
    ------
    ValueError
        If a solution has changed so that a slip can no longer be made in it.
    """
    files: dict[str, bytes] = {}
    for lab, submissions in LABS.items():
        for student, submission in submissions(material(root / "solutions" / lab, released)).items():
            files |= {
                f"examples/class/{student}/{lab}/{name}": content
                if isinstance(content, bytes)
                else content.encode()
                for name, content in submission.items()
            }
    return files


__all__ = ["LABS", "Files", "make_class"]
