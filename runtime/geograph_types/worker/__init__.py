"""Geograph's worker: rows come from a server, and their labels go back to it."""
