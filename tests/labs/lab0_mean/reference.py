"""Hidden values, drawn from the instructor's secret."""

import os
import random

SECRET_VARIABLE = "LAB0_SECRET_NAME"
DEFAULT = "open sesame, lab nought"


def hidden_values():
    """Return 50 numbers that nobody has seen."""
    generator = random.Random(os.environ.get(SECRET_VARIABLE, DEFAULT))
    return [generator.random() for _ in range(50)]
