"""The service: photos and stored embeddings over HTTP, on a small server."""
