"""The example class in lab 3."""

from .material import Files, Material
from .six import six


def submissions(lab: Material) -> dict[str, Files]:
    """Return each student's files."""
    kept = {name: content for name, content in lab.solution.items() if not name.startswith("artefact/")}
    return six(
        lab,
        variant="torch_only",
        epoch="        while run.epoch < self.max_epochs and not self._is_over(run):\n",
        mistaken=kept,  # no artefact: the one that the grader trains in a minute stands in for it
    )
