"""Which hosts are this machine."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Check whether a name or address, in brackets or not, is that of this machine alone."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
