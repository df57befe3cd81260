"""The dataset of embeddings: read, convert, sample, count."""
