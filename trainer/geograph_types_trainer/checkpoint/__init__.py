"""Read and write trained heads as files."""
