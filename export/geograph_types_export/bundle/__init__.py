"""Make a bundle, add to it, and check it again."""
