"""Rows and windows to learn from, and honest splits of them."""
