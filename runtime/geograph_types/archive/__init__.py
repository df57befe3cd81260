"""Embedding and tagging a whole archive: shards of its input, made on one machine or on many."""
