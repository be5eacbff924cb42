"""How long a model needs for one forecast, which is what a user waits for."""

import time
from typing import Any

import numpy as np


def milliseconds_alone(model: Any, titles: list[str]) -> float:
    """Return the median time that a classifier needs for one title, in milliseconds."""
    seconds = []
    for title in titles:
        began = time.perf_counter()
        model.predict([title])
        seconds.append(time.perf_counter() - began)
    return 1000 * float(np.median(seconds))
