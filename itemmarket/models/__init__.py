"""Baselines, what a fitted model is kept as, and trainings that can be interrupted."""
