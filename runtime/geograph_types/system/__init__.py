"""The machine: processors, memory, signals, threads, hosts."""
