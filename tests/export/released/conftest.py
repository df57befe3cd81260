"""A server for each test, and none of the settings of whoever runs it."""

import socket
from collections.abc import Iterator

import pytest
from head_server import Server, running_server, source_at

from geograph_types_export.released import Source


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GEOGRAPH_TYPES_CACHE", "GEOGRAPH_TYPES_MIRROR", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def source(server: Server) -> Source:
    return source_at(server.address)


@pytest.fixture
def closed_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
