"""The checks of lab 0 that students have."""

import numpy as np
import pytest


def points(n: int, noise: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y = 3x - 1 plus noise, shape (n,)."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-5, 5, n)
    return x, 3 * x - 1 + noise * rng.normal(size=n)


@pytest.fixture(scope="module")
def fitted(student):
    """Return a model fitted on 100 points of a line."""
    model = student.SlopePredictor()
    model.fit(*points(100))
    return model


@pytest.mark.question("fitting", hint="Subtract the mean.", weight=1)
def test_centre(student):
    """Centred values have mean 0.

    `centre` was called with three numbers.
    """
    assert np.asarray(student.centre(np.array([1.0, 2.0, 6.0]))) == pytest.approx([-2, -1, 3])


@pytest.mark.question("fitting", hint="Divide the covariance by the variance of x.", weight=2)
def test_slope(fitted):
    """The slope of an exact line is found.

    A model was fitted on 100 points of an exact line.
    """
    assert fitted.slope == pytest.approx(3)


@pytest.mark.question("prediction", hint="slope * x + intercept")
def test_forecast(fitted):
    """Forecasts lie on the line.

    The fitted model was asked for two points.
    """
    assert np.asarray(fitted.predict(np.array([0.0, 1.0]))) == pytest.approx([-1, 2])


@pytest.mark.question("report", hint="An f-string.")
def test_report(student):
    """`report` names the slope with two digits.

    `report` was called with a slope.
    """
    assert student.notebook.report(1.5) == "slope 1.50"
