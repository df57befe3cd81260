"""Which of 32 workers this machine is, so that two of them are seldom given the same rows."""

import hashlib
import socket
from pathlib import Path
from typing import Final

__all__ = ["host_identity", "unique_number"]

MACHINE_ID: Final = Path("/etc/machine-id")
"""Differs between installations. Source: `machine-id(5)`."""

NUMBERS: Final = 32


def host_identity(machine_id: Path = MACHINE_ID) -> str:
    """Name this machine: its host name, which containers have of their own, and its machine id."""
    try:
        machine = machine_id.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        machine = ""
    return f"{socket.gethostname()} {machine}"


def unique_number(identity: str) -> int:
    """Give the same number from 0 to 31 for the same identity, always."""
    return int.from_bytes(hashlib.sha256(identity.encode()).digest()) % NUMBERS
