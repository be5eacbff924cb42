"""A mean that is updated one value at a time."""


class RunningMean:
    """The mean of all values so far."""

    def __init__(self):
        self.count, self.mean = 0, 0.0

    def update(self, value):
        """Take one value in and return the mean."""
        ### BEGIN SOLUTION
        if value != value:
            raise ValueError("NaN has no place in a mean")
        self.count += 1
        self.mean += (value - self.mean) / self.count
        return self.mean
        ### END SOLUTION
