"""What the hidden checks compare a submission with; computed once per grading process."""

import dataclasses
import functools

import numpy as np

import itemmarket as im

import visible_checks


@functools.cache
def hidden_windows(seed: int) -> im.Windows:
    """Return windows of a market that is simulated from a seed only the grader knows.

    Windows of one item lie three times further apart than length and horizon together: no window holds another's
    answer, and none begins so soon after another that its first price hints at that answer. Every third is cut
    to its last days, at least nine, as if the item were new. Items that are really new would be fewer, and some
    of them so wild that luck with one of them decided a grade.
    """
    prices = im.simulate_market(n_items=1000, start="2022-01-01", end="2024-12-31", seed=seed)
    gap = visible_checks.GAP
    windows = im.price_windows(prices, visible_checks.LENGTH, step=gap, min_volume=visible_checks.MIN_VOLUME)
    windows = windows.take(im.spaced_rows(windows.names, windows.dates, 3 * gap - 1))
    known = np.full(len(windows), visible_checks.LENGTH)
    known[::3] = np.random.default_rng(seed).integers(
        visible_checks.MIN_LENGTH, visible_checks.LENGTH, len(known[::3])
    )
    unknown = np.arange(visible_checks.LENGTH) < (visible_checks.LENGTH - known)[:, None]
    X, volumes = (np.where(unknown, np.float32(np.nan), series) for series in (windows.X, windows.volumes))
    return dataclasses.replace(windows, X=X, volumes=volumes)
