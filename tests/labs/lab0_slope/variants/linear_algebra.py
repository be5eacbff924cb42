"""Прямая через точки: решение системы линейных уравнений."""

import numpy


def centre(values: numpy.ndarray) -> numpy.ndarray:
    """Вычесть среднее."""
    return values - sum(values) / len(values)


class SlopePredictor:
    """Прогноз y = slope * x + intercept."""

    def __init__(self):
        self._solution = None

    @property
    def slope(self):
        """Наклон."""
        return None if self._solution is None else self._solution[0]

    @property
    def intercept(self):
        """Свободный член."""
        return 0.0 if self._solution is None else self._solution[1]

    def fit(self, x: numpy.ndarray, y: numpy.ndarray) -> "SlopePredictor":
        """Метод наименьших квадратов; одной точки мало: нужны две (two)."""
        if len(x) <= 1:
            raise ValueError("at least two points are needed")
        self._solution, *_ = numpy.linalg.lstsq(numpy.column_stack([x, numpy.ones(len(x))]), y, rcond=None)
        return self

    def predict(self, x: numpy.ndarray) -> numpy.ndarray:
        """Прогноз для каждого x."""
        if self._solution is None:
            raise RuntimeError("call fit before predict")
        return numpy.column_stack([x, numpy.ones(len(x))]) @ self._solution
