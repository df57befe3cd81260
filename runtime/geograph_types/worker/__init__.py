"""Geograph's worker: it labels rows that a server hands out, and sends the labels back."""
