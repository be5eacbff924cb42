"""A line by numpy's own polynomials."""

import numpy as np


def centre(values):
    """Return values less their mean."""
    return np.subtract(values, np.average(values))


class SlopePredictor:
    """Forecast y as slope * x + intercept."""

    slope = None
    intercept = 0.0

    def fit(self, x, y):
        """Find the line with the least squared error; refuse fewer than two points."""
        if np.size(x) < 2:
            raise ValueError(f"{np.size(x)} point is not enough, two are")
        self.slope, self.intercept = np.polyfit(x, y, 1)
        return self

    def predict(self, x):
        """Return one forecast for each x."""
        if self.slope is None:
            raise RuntimeError("fit first")
        return np.polyval([self.slope, self.intercept], x)
