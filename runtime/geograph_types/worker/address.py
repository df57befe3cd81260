"""Which addresses the worker may contact: the user's own, and images where the server says.

A server, or whoever speaks in its name, must not turn the worker against other machines. An image's
address has to be http or https, on the host that `prefix` names, whatever `fullpath` or a redirect
holds. That host has to be the server itself, or have public addresses only: not this machine, not
its local network, and not the metadata service of a cloud.
"""

import ipaddress
import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from geograph_types.errors import InputError
from geograph_types.system.hosts import is_loopback
from geograph_types.worker.faults import FetchError, FetchFault

PORTS: Final = {"http": 80, "https": 443}
DEFAULT_MODEL: Final = "types"
SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request goes."""

    scheme: str  # "http" or "https"
    host: str  # in lower case
    port: int

    @classmethod
    def of(cls, url: str) -> "Origin":
        """Read it from an address."""
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

    def secured(self) -> "Origin":
        """The same host over https at the usual port, or itself if the port is a special one."""
        if self == Origin("http", self.host, PORTS["http"]):
            return Origin("https", self.host, PORTS["https"])
        return self


def server_url(url: str) -> str:
    """Check the server's address, and add the parameter `model` if it has none."""
    try:
        Origin.of(url)
    except ValueError as error:
        raise InputError(
            f"--url {url[:SHOWN]!r} cannot be used ({error}): give the address of the server's "
            "script, for instance https://example.org/labeler.json.php"
        ) from None
    parts = urlsplit(url)
    parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
    parameters.setdefault("model", DEFAULT_MODEL)
    return with_parameters(parts, parameters)


def with_parameters(parts: SplitResult, parameters: dict[str, str]) -> str:
    """Write an address with these parameters, and without a fragment."""
    return urlunsplit(parts._replace(query=urlencode(parameters), fragment=""))


def image_address(prefix: str, fullpath: str, server: str) -> str:
    """Return an image's address."""
    try:
        origin = Origin.of(prefix or server)
        url = prefix + fullpath if prefix else urljoin(server, fullpath)
        if Origin.of(url) != origin:
            raise ValueError("it leads to a host other than its prefix")
    except ValueError as error:
        shown = f"{prefix}{fullpath}"[:SHOWN]
        raise FetchError(FetchFault.BAD_ADDRESS, f"{shown!r}: {error}") from None
    return url


def redirected(url: str, location: str) -> str:
    """Return where a redirect leads, which may be https but no other host."""
    target = urljoin(url, location)
    try:
        origin = Origin.of(url)
        if Origin.of(target) not in (origin, origin.secured()):
            raise ValueError("it leads to another host")
    except ValueError as error:
        detail = f"redirected to {location[:SHOWN]!r}: {error}"
        raise FetchError(FetchFault.BAD_ADDRESS, detail) from None
    return target


def is_public(address: str) -> bool:
    """Return whether an IP address is on the internet, not on this machine or its network."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        # Addresses of version 4 in those of version 6: mapped, 6to4, and NAT64.
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def is_practice(url: str) -> bool:
    """Return whether a server is on this machine, and so is for practice: it keeps no archive."""
    return is_loopback(Origin.of(url).host)


def resolves_to_public(origin: Origin) -> bool:
    """Return whether all addresses of a host are public; an unknown name is let through.

    Asking for it then fails by itself, or a proxy knows it.
    """
    try:
        found = socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return True
    return all(is_public(str(address[4][0])) for address in found)
