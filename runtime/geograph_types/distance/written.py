"""Numbers and distances as people write them; what can be read in two ways is an error."""

import re
from typing import Final

from geograph_types.errors import InputError

GROUPED: Final = re.compile(
    r"([+-]?)([0-9]{1,3}(?:([ ,.'])[0-9]{3})(?:\3[0-9]{3})*)(?:([.,])([0-9]+))?"
)
"""A number with its thousands apart."""

PLAIN: Final = re.compile(r"([+-]?)([0-9]{1,12})(?:[.,]([0-9]{0,12}))?")

METRES: Final = re.compile(r"(.*?) ?(km|kilomet(?:re|er)s?|m|met(?:re|er)s?)?")


def parse_number(text: str) -> float:
    """Read a number with a point or comma before its decimals, and perhaps thousands apart."""
    plain = " ".join(text.replace("\u2212", "-").replace("\u2019", "'").split())
    if match := PLAIN.fullmatch(plain):
        sign, whole, decimals = match.groups()
        if "," in plain and len(decimals or "") == 3 and whole.strip("0") and len(whole) <= 3:
            raise InputError(
                f"{text!r} can be read as {whole}.{decimals} and as {whole}{decimals}: "
                "write it with a point, or without thousands apart"
            )
        return float(f"{sign}{whole}.{decimals or 0}")
    match = GROUPED.fullmatch(plain)
    if not match or match[3] == match[4]:
        raise InputError(f"{text!r} is not a number")
    digits = match[2].replace(match[3], "")
    return float(f"{match[1]}{digits}.{match[5] or 0}")


def parse_metres(text: str) -> float:
    """Read a distance in metres, or in km if it says so."""
    number, unit = METRES.fullmatch(text.strip().casefold()).groups()  # type: ignore[union-attr]
    return parse_number(number) * (1000 if unit and unit.startswith("k") else 1)
