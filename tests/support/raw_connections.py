"""Connections to a service that is under test, byte for byte."""

import socket
from typing import Any


def connect(service: Any, sent: bytes) -> socket.socket:
    """Open one, and send what may be no request."""
    opened = socket.create_connection(("127.0.0.1", service.port), timeout=10)
    opened.sendall(sent)
    return opened


def everything(opened: socket.socket) -> bytes:
    """Read until the other side closes."""
    parts = []
    while part := opened.recv(1 << 16):
        parts.append(part)
    opened.close()
    return b"".join(parts)
