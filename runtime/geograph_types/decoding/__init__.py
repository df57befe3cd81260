"""One file to an upright image, in a process of its own; no model is loaded here."""
