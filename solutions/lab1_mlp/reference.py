"""What the hidden checks compare a submission with; computed once per grading process."""

import functools

import numpy as np
from sklearn.ensemble import RandomForestRegressor

import itemmarket as im

import visible_checks


@functools.cache
def hidden_rows(seed: int) -> im.Supervised:
    """Return rows of a market that is simulated from a seed only the grader knows.

    Rows of one item lie further apart than look-back and horizon together, so that no row's inputs hold
    another row's answer.
    """
    prices = im.simulate_market(n_items=500, start="2022-01-01", end="2024-12-31", seed=seed)
    extractor = im.FeatureExtractor.basic()
    table = im.supervised(prices, extractor, min_weekly_volume=visible_checks.MIN_WEEKLY_VOLUME)
    return table.take(im.spaced_rows(table.names, table.dates, gap=extractor.lookback + 1))


@functools.cache
def rmse_of(opponent: str, seed: int) -> float:
    """Return the RMSE of ``persistence`` or of the random ``forest`` on the hidden rows."""
    rows = hidden_rows(seed)
    if opponent == "persistence":
        return im.rmse(rows.y, np.zeros(len(rows)))
    return im.rmse(rows.y, forest().predict(rows.X.to_numpy()))


@functools.cache
def forest() -> RandomForestRegressor:
    """Return the random forest that the lab competes with, trained on the same rows as the student's model."""
    table, split = visible_checks.market_rows()
    train = table.take(split.train)
    return visible_checks.make_forest().fit(train.X.to_numpy(), train.y)
