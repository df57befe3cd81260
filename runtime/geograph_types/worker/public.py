"""Which IP addresses are on the internet, by the registries of IANA.

The interpreter's own `is_global` differs between versions, and lets through what clouds use for
their metadata services.
"""

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Network, ip_address, ip_network
from typing import Final

# Source: IANA IPv4 Special-Purpose Address Registry, and 224.0.0.0/4 for multicast. Blocks for one
# service of the network itself, such as AS112, are left out as well: no image is there.
SPECIAL_V4: Final = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24
198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
"""
AZURE_V4: Final = "168.63.129.16/32"  # Azure's own services, within its virtual networks

# Source: IANA IPv6 Address Space: its one block of unicast addresses, and what of that is in the
# IANA IPv6 Special-Purpose Address Registry.
UNICAST_V6: Final = IPv6Network("2000::/3")
SPECIAL_V6: Final = "2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20"

NOT_PUBLIC: Final = tuple(map(ip_network, f"{SPECIAL_V4} {AZURE_V4} {SPECIAL_V6}".split()))

# IPv4 addresses in the last four bytes: mapped, and translated by NAT64 (RFC 6052).
EMBEDDED_V4: Final = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))


class PrivateAddressError(Exception):
    """A host whose addresses are not all on the internet."""


def is_public(address: str) -> bool:
    """Return whether an IP address is on the internet, not on this machine or its network."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if any(ip in network for network in EMBEDDED_V4):
        ip = IPv4Address(int(ip) & 0xFFFFFFFF)
    is_unicast = isinstance(ip, IPv4Address) or (ip in UNICAST_V6 and ip.scope_id is None)
    return is_unicast and not any(ip in network for network in NOT_PUBLIC)


async def public_addresses(host: str, port: int, numeric: bool = False) -> list[str]:
    """Look a host up, once, and return its addresses if all of them are public."""
    flags = socket.AI_NUMERICHOST if numeric else 0
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses or not all(map(is_public, addresses)):
        problem = f"host {host} is on this machine or its network, not on the internet"
        raise PrivateAddressError(problem)
    return addresses
