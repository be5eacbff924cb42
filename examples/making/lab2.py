"""The example class in lab 2."""

from .material import Files, Material
from .six import six


def submissions(lab: Material) -> dict[str, Files]:
    """Return each student's files."""
    return six(
        lab,
        variant="own_loop",
        epoch="        for epoch in range(self.max_epochs):\n",
        mistake=("        self.network.eval()\n", ""),  # dropout stays on while forecasting
    )
