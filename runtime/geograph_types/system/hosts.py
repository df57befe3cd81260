"""Which hosts are this machine, and what of an address may be shown."""

import ipaddress
import re
from urllib.parse import unquote


def is_loopback(host: str) -> bool:
    """Return whether a name or address, in brackets or not, is that of this machine alone."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def shown_address(address: str) -> str:
    """Return an address without what may be secret in it: user, password, options, fragment."""
    scheme, is_address, rest = address.partition("://")
    if not is_address:
        return address
    place = rest.removeprefix(_user(scheme, rest))
    return f"{scheme}://{re.split('[?#]', place)[0].removeprefix('@')}"


def without_secrets(text: str, address: str) -> str:
    """Return a message about an address without what `shown_address` leaves out of it."""
    scheme, _, rest = address.partition("://")
    user = _user(scheme, rest)
    options = re.split("[?#]", rest.removeprefix(user), maxsplit=1)[1:]
    named = [part.partition("=") for option in options for part in re.split("[&#]", option)]
    values = [value for name, _, value in named if name not in ("region", "scheme")]
    for secret in sorted({user, *user.split(":", 1), *values}, key=len, reverse=True):
        for form in filter(None, (secret, unquote(secret))):
            text = text.replace(form, "...")
    return text


def _user(scheme: str, rest: str) -> str:
    """Return the user and password of an address, even if these contain "/" or lack an "@"."""
    authority = re.split("[/?#]", rest)[0]
    port = re.sub(r"^\[[^]]*\]", "", authority).rpartition(":")[2]  # after an IPv6 address, too
    is_port = not port.strip("0123456789") and scheme.strip().casefold().startswith("http")
    if "@" in authority:
        return authority.rpartition("@")[0]
    if ":" in authority and not is_port:
        return rest.rpartition("@")[0] or authority
    return ""
