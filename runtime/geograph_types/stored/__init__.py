"""Many stored embeddings: read, score, compare."""
