"""Lecture 1 says what its cells show: each claim of the prose and the exercises, on the bundled market."""

import re

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import r2_score

import itemmarket as im
from tests.pictures import numbers_in, scatter_plots
from tests.sharing import names_of_lecture


@pytest.fixture(scope="module")
def lecture(root, tmp_path_factory):
    """The names that the lecture's cells leave behind."""
    return names_of_lecture(root, tmp_path_factory, 1)


def test_the_shuffled_score_is_outstanding_and_the_temporal_one_worse_than_the_mean(lecture):
    assert lecture["r2_shuffled"] > 0.75
    assert lecture["r2_temporal"] < 0


def test_the_leak_is_next_door(lecture):
    assert lecture["neighbour"] > 0.9
    assert lecture["overlap"] > 0.8


def test_a_month_ahead_the_forest_does_harm(lecture):
    rows, (_, test) = lecture["rows"], lecture["temporal"]
    assert im.rmse_ratio(rows["target"].to_numpy()[test], lecture["honest"]) > 1


def test_a_day_ahead_something_remains(lecture):
    result = lecture["result"]
    assert result.loc["forest", "high"] < 1
    assert result.loc["forest", "rmse_ratio"] < result.loc["7-day mean", "rmse_ratio"]
    assert lecture["reversal"] < -0.1
    assert lecture["large"] < 0.05


def shuffled_r2(lecture, features, target, train, test):
    X = lecture["rows"][features].to_numpy()
    forest = RandomForestRegressor(n_estimators=30, n_jobs=2, random_state=0).fit(X[train], target[train])
    return r2_score(target[test], forest.predict(X[test]))


def test_exercise_1_without_the_day(lecture):
    features = [name for name in lecture["features"] if name != "day"]
    r2 = shuffled_r2(lecture, features, lecture["y"], *lecture["shuffled"])
    assert 0.3 < r2 < 0.8 * lecture["r2_shuffled"]


def test_exercise_2_by_item(lecture):
    train, test = im.split_by_item(lecture["item"], 0.3)
    assert len(np.unique(lecture["item"][test])) in (7, 8)
    r2 = shuffled_r2(lecture, lecture["features"], lecture["y"], train, test)
    assert lecture["r2_temporal"] < r2 < lecture["r2_shuffled"]


def test_exercise_3_a_day_ahead_shuffled(lecture):
    rows = lecture["rows"]
    market = lecture["market"].sort_values(["name", "date"])
    tomorrow = np.log(market.groupby("name", observed=True)["price"].shift(-1) / market["price"])
    target = rows.merge(market[["name", "date"]].assign(tomorrow=tomorrow), on=["name", "date"], how="left")[
        "tomorrow"
    ].to_numpy()
    assert np.isfinite(target).all()
    r2 = shuffled_r2(lecture, lecture["features"], target, *lecture["shuffled"])
    assert r2 < 0.5 * lecture["r2_shuffled"]


def test_the_readme_shows_these_plots(root, lecture):
    """Rows exactly; R² to two hundredths, since the last bits of exp and log differ between processors."""
    text = (root / "README.md").read_text(encoding="utf-8")
    for name, (_, alt) in scatter_plots(lecture).items():
        shown = re.search(rf'<img src="docs/{name}"[^>]* alt="([^"]+)"', text)[1]
        (rows, r2), (new_rows, new_r2) = numbers_in(shown), numbers_in(alt)
        assert (rows, r2) == (new_rows, pytest.approx(new_r2, abs=0.02))
