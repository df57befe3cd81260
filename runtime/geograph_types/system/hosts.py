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
    place = rest.rpartition("@")[2] if _holds_user(scheme, rest) else rest
    return f"{scheme}://{re.split('[?#]', place)[0]}"


def without_secrets(text: str, address: str) -> str:
    """Return a message about an address without what `shown_address` leaves out of it."""
    _, _, rest = address.partition("://")
    user = rest.rpartition("@")[0]
    options = re.split("[?#]", rest, maxsplit=1)[1:]
    named = [part.partition("=") for option in options for part in re.split("[&#]", option)]
    values = [value for name, _, value in named if name not in ("region", "scheme")]
    for secret in sorted({user, *user.split(":", 1), *values}, key=len, reverse=True):
        for form in filter(None, (secret, unquote(secret))):
            text = text.replace(form, "...")
    return text


def _holds_user(scheme: str, rest: str) -> bool:
    """Return whether there is a user before an "@", even with "/" or "?" in the password."""
    authority = re.split("[/?#]", rest)[0]
    port = authority.rpartition(":")[2]
    is_port = port.isdecimal() and scheme.strip().casefold().startswith("http")
    return "@" in rest and ("@" in authority or (":" in authority and not is_port))
