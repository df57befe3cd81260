"""Figures as tables, charts and files."""
