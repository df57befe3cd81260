"""CLIP's visual weights, by name or from a file."""
