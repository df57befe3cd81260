"""Which addresses are public, which are for practice, and which an image may have."""

import pytest

from geograph_types.worker.address import (
    Origin,
    image_address,
    is_practice,
    redirected,
)
from geograph_types.worker.faults import FetchError
from geograph_types.worker.public import is_public


def test_addresses_of_this_machine_and_its_network_are_not_public() -> None:
    private = (
        "127.0.0.1 10.0.0.1 192.168.1.1 172.16.0.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 "
        "::1 :: fe80::1%eth0 fd00::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 2002:7f00:1:: "
        "64:ff9b::7f00:1 ff02::1 banana"
    )
    assert not [address for address in private.split() if is_public(address)]
    assert all(map(is_public, ["193.62.22.1", "2a00:1450:4009::1", "::ffff:8.8.8.8"]))


def test_servers_for_practice_are_on_this_machine() -> None:
    practice = (
        "http://127.0.0.1:8000/",
        "http://[::1]/x",
        "https://localhost/",
        "http://LOCALHOST/",
    )
    assert all(map(is_practice, practice))
    assert not any(map(is_practice, ("http://10.0.0.1/", "http://localhost.evil.org/")))


def test_addresses_of_images() -> None:
    server = "https://www.example.org/labeler.php?model=types"
    whole = image_address("https://s0.example.org", "/photos/1.jpg", server)
    assert whole == "https://s0.example.org/photos/1.jpg"
    assert image_address("", "/photos/1.jpg", server) == "https://www.example.org/photos/1.jpg"
    assert Origin.of("HTTPS://S0.Example.ORG/x") == Origin("https", "s0.example.org", 443)
    assert redirected("http://a.org/x", "https://a.org/y") == "https://a.org/y"
    for prefix, path in [
        ("", "//evil.org/x.jpg"),
        ("", "https://evil.org/x.jpg"),
        ("https://s0.example.org", "\\@evil.org/x.jpg"),
        ("https://s0.example.org", ":80@evil.org/x.jpg"),
        ("https://s0.example.org", ":444/x.jpg"),
        ("https://user@s0.example.org", "/x.jpg"),
    ]:
        with pytest.raises(FetchError, match="bad_address"):
            image_address(prefix, path, server)
    for location in ("http://a.org/", "https://b.org/", "//b.org/", "https://a.org:8443/"):
        with pytest.raises(FetchError, match="bad_address"):
            redirected("https://a.org/x", location)
