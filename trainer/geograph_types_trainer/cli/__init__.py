"""The trainer's commands, one module each."""
