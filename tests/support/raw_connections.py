"""Requests to a service that is under test: as they should be, and byte for byte."""

import re
import socket
from typing import Any

import requests

FORM = "multipart/form-data; boundary=b"
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


def tag(service: Any, photo: bytes, headers: Any = None, **fields: str) -> requests.Response:
    """Have a photo tagged."""
    files = {"photo": photo}
    return requests.post(f"{service.url}/tag", files=files, data=fields, headers=headers)


def form(**parts: bytes) -> bytes:
    """Write a form by hand."""
    head = b'--b\r\nContent-Disposition: form-data; name="%s"; filename="p"\r\n\r\n'
    return (
        b"".join(head % name.encode() + part + b"\r\n" for name, part in parts.items()) + b"--b--"
    )


def post(path: str, body: bytes, kind: str = "application/json", more: str = "") -> bytes:
    """Write a request by hand."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n{more}"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


def connect(service: Any, sent: bytes) -> socket.socket:
    """Open one, and send what may be no request."""
    opened = socket.create_connection(("127.0.0.1", service.port), timeout=10)
    opened.sendall(sent)
    return opened


def everything(opened: socket.socket) -> bytes:
    """Read until the other side closes."""
    with opened:
        parts = iter(lambda: opened.recv(1 << 16), b"")
        return b"".join(parts)


def figure(service: Any, name: str) -> float:
    """One of the service's figures; 0 where it has not been counted yet."""
    text = requests.get(f"{service.url}/metrics").text
    found = re.search(rf"^geograph_types_{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0
