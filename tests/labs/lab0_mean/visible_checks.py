"""The checks of lab 0 that you can read."""

import pytest


@pytest.mark.question("update", hint="Add the difference, divided by the count.")
def test_first_value(student):
    """The mean of one value is that value."""
    assert student.RunningMean().update(4.0) == 4.0


@pytest.mark.question("spread", hint="max and min.")
def test_spread(student):
    """The spread of 1, 2 and 5 is 4."""
    assert student.notebook.spread([1, 2, 5]) == 4
