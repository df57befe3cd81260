"""Addresses that a server may name: its own, and those of images.

A server, or whoever speaks in its name, must not turn the worker against other machines: an image's
address has to be http or https, on the host that `prefix` names, whatever `fullpath` or a redirect
holds. That this host is on the internet is checked where it is contacted, in `transport`.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus, urljoin, urlsplit

from geograph_types.errors import InputError
from geograph_types.system.hosts import is_loopback, shown_address
from geograph_types.worker.faults import FetchError, FetchFault

PORTS: Final = {"http": 80, "https": 443}
SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class Origin:
    scheme: str  # "http" or "https"
    host: str  # in lower case
    port: int

    @classmethod
    def of(cls, url: str) -> "Origin":
        """Read it from an address; a `ValueError` says what is wrong with that."""
        if any(ord(character) <= 32 or ord(character) == 127 for character in url):
            raise ValueError("it contains spaces or control characters")
        if "\\" in url:
            raise ValueError("it contains a backslash")
        parts = urlsplit(url)
        if parts.scheme not in PORTS:
            raise ValueError("it starts with neither http:// nor https://")
        if parts.username is not None or parts.password is not None:
            raise ValueError("it contains a user name")
        if not parts.hostname:
            raise ValueError("it has no host")
        return cls(parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme])


def server_url(url: str) -> str:
    """Check the server's address, and add the parameter `model` if it has none."""
    try:
        Origin.of(url)
    except ValueError as error:
        raise InputError(
            f"--url {shown_address(url)[:SHOWN]!r} cannot be used ({error}): give the address of "
            "the server's script, for instance https://example.org/labeler.json.php"
        ) from None
    names = [_name(pair) for pair in urlsplit(url).query.split("&")]
    return with_parameters(url, {} if "model" in names else {"model": "types"})


def with_parameters(url: str, parameters: dict[str, str]) -> str:
    """Set parameters of an address; the others stay as they are written, and a fragment goes."""
    parts = urlsplit(url)
    kept = [pair for pair in parts.query.split("&") if pair and _name(pair) not in parameters]
    query = "&".join([*kept, *(f"{name}={value}" for name, value in parameters.items())])
    return parts._replace(query=query, fragment="").geturl()


def _name(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])


def image_address(prefix: str, fullpath: str, server: str) -> str:
    """Return an image's address; without a prefix it is relative to the server's script."""
    try:
        url = prefix + fullpath if prefix else urljoin(server, fullpath)
        if Origin.of(url) != Origin.of(prefix or server):
            raise ValueError("it leads to a host other than its prefix")
    except ValueError as error:
        shown = shown_address(f"{prefix}{fullpath}")[:SHOWN]
        raise FetchError(FetchFault.BAD_ADDRESS, f"{shown!r}: {error}") from None
    return url


def redirected(url: str, location: str) -> str:
    """Return where a redirect leads: no other host or port, but https at the usual ports."""
    try:
        target = urljoin(url, location)
        origin = Origin.of(url)
        allowed = [origin]
        if (origin.scheme, origin.port) == ("http", 80):
            allowed.append(Origin("https", origin.host, 443))
        if Origin.of(target) not in allowed:
            raise ValueError("it leads to another host")
    except ValueError as error:
        detail = f"redirected to {shown_address(location)[:SHOWN]!r}: {error}"
        raise FetchError(FetchFault.BAD_ADDRESS, detail) from None
    return target


def is_practice(url: str) -> bool:
    """Return whether a server is on this machine, and so is for practice: it keeps no archive."""
    return is_loopback(Origin.of(url).host)
