"""The export's commands, one module each."""
