"""The checks of lab 0 that only the grader has."""

import numpy as np
import pytest
import reference
from visible_checks import points


@pytest.mark.question("fitting", hint="Compare len(x) with 2.", weight=1)
def test_too_few(student):
    """Fewer than two points are refused.

    `fit` was called with a single point.
    """
    with student.raises(ValueError, match="two"):
        student.SlopePredictor().fit(np.zeros(1), np.zeros(1))


@pytest.mark.question("prediction", hint="Least squares, not the line through two points.")
def test_noisy_line(student, margin, lab):
    """Noise averages out.

    A model was fitted on points that scatter around a line, and its forecasts were compared with the line
    itself.
    """
    x, y = points(400, noise=2.0, seed=reference.secret_seed())
    model = student.SlopePredictor()
    model.fit(x, y)
    error = float(np.sqrt(np.mean((np.asarray(model.predict(x)) - 3 * x + 1) ** 2)))
    margin("distance from the true line", error, at_most=lab.thresholds["rmse"])


@pytest.mark.question("report", hint="Round, do not cut.")
def test_report_rounds(student):
    """`report` rounds.

    `report` was called with a slope that has more than two digits.
    """
    assert student.notebook.report(2.718) == "slope 2.72"
