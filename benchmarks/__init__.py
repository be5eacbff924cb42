"""Measurements: `course.py bench NAME` runs `benchmarks/NAME.py`."""
