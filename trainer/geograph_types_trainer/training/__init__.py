"""Fit a head to a dataset."""
