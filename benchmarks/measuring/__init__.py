"""What is measured, and how: rounds, spread, memory, child processes, the machine."""
