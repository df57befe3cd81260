"""The machine: processors, memory, signals, threads, hosts."""

import importlib
from typing import Any


def optional_module(name: str) -> Any:
    """Import a module that some systems lack; `None` there."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
