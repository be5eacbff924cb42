"""The checks of lab 0 that only the judge has."""

import pytest
import reference


@pytest.mark.question("update", hint="The count grows by one each time.", weight=2)
def test_long_run(student, margin, lab):
    """The mean of many values is right."""
    mean = student.RunningMean()
    values = reference.hidden_values()
    for value in values:
        result = mean.update(value)
    margin("error of the mean", abs(result - sum(values) / len(values)), at_most=lab.thresholds["error"])
