"""Tests of ``mean.py``."""

import pytest
from mean import RunningMean


def test_two_values():
    """The mean of 1 and 3 is 2."""
    ### BEGIN SOLUTION
    mean = RunningMean()
    mean.update(1.0)
    assert mean.update(3.0) == 2.0
    ### END SOLUTION


def test_nan():
    """NaN is refused."""
    ### BEGIN SOLUTION
    with pytest.raises(ValueError, match="no place in a mean"):
        RunningMean().update(float("nan"))
    ### END SOLUTION
