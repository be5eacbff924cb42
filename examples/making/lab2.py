"""The example class in lab 2."""

from .material import Files, Material, replaced
from .six import six


def submissions(lab: Material) -> dict[str, Files]:
    """Return each student's files."""
    forgotten = replaced(lab.solution[lab.module], ("        self.network.eval()\n", ""))
    return six(
        lab,
        variant=sorted(lab.variants)[0],
        epoch="        for epoch in range(self.max_epochs):\n",
        mistaken=lab.solution | {lab.module: forgotten},  # dropout stays on while forecasting
    )
