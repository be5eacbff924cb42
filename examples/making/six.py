"""Six students who hand in every later lab; what makes each of them differ is the same everywhere."""

from .material import Files, Material, replaced

NOISE = """\
            import sys, warnings
            warnings.warn("an epoch begins", stacklevel=1)
            print("an epoch begins")
            print("50%|#####     |", file=sys.stderr)
"""
"""A warning, a print and a progress bar, as lines of a loop over epochs."""


def six(lab: Material, *, variant: str, epoch: str, mistaken: Files) -> dict[str, Files]:
    """Return the files of six students; the comments say what the grader must make of them.

    Parameters
    ----------
    lab : Material
        What the submissions are made of.
    variant : str
        The other correct module that somebody hands in.
    epoch : str
        The first line of the reference's loop over epochs; the lines of the loop are indented by 12 blanks.
    mistaken : dict
        The files of somebody who made a typical mistake.

    Returns
    -------
    dict of str to Files
        By student.
    """
    noisy = replaced(lab.solution[lab.module], (epoch, epoch + NOISE))
    return {
        "ada": lab.solution,  # full marks
        "bela": dict(lab.stub),  # untouched: 0
        "chidi": lab.solution | {lab.module: lab.variants[variant]},  # another correct module: full marks
        "dora": lab.solution | {lab.module: noisy},  # noise costs nothing
        "emil": mistaken,  # loses what the mistake costs
        "hana": {".gitkeep": ""},  # an empty folder (git keeps none without a file)
        "ivan": dict(lab.stub) | {lab.notebook: lab.stub[lab.notebook][:5000]},  # torn and untouched: 0
    }
