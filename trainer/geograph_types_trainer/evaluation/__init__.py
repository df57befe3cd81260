"""Evaluation of heads: scores, calibration, and how they are shown."""
