"""Training a head on a dataset."""
