"""Which servers are for practice, and which addresses an image may have."""

import pytest

from geograph_types.worker.address import image_address, is_practice, redirected
from geograph_types.worker.faults import FetchError


def test_servers_for_practice_are_on_this_machine() -> None:
    practice = "http://127.0.0.1:8000/ http://[::1]/x https://localhost/ http://LOCALHOST/"
    assert all(map(is_practice, practice.split()))
    assert not any(map(is_practice, ("http://10.0.0.1/", "http://localhost.evil.org/")))


def test_addresses_of_images() -> None:
    server = "https://www.example.org/labeler.php?model=types"
    for prefix, address in (
        ("https://s0.example.org", "https://s0.example.org/photos/1.jpg"),
        ("HTTPS://S0.Example.ORG:443", "HTTPS://S0.Example.ORG:443/photos/1.jpg"),
        ("", "https://www.example.org/photos/1.jpg"),
    ):
        assert image_address(prefix, "/photos/1.jpg", server) == address
    assert redirected("http://a.org/x", "https://a.org/y") == "https://a.org/y"
    for prefix, path in (
        ("", "//evil.org/x.jpg"),
        ("", "https://evil.org/x.jpg"),
        ("https://s0.example.org", "\\@evil.org/x.jpg"),
        ("https://s0.example.org", ":80@evil.org/x.jpg"),
        ("https://s0.example.org", ":444/x.jpg"),
        ("https://user@s0.example.org", "/x.jpg"),
    ):
        with pytest.raises(FetchError, match="bad_address"):
            image_address(prefix, path, server)
    for location in ("http://a.org/", "https://b.org/", "//b.org/", "https://a.org:8443/"):
        with pytest.raises(FetchError, match="bad_address"):
            redirected("https://a.org/x", location)
