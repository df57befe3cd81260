"""Many photos: find, embed, tag, and keep the results."""
