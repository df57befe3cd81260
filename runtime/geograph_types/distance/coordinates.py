"""Places in latitude and longitude, as from receivers and maps on the web (WGS84)."""

import math
import re
from dataclasses import dataclass
from typing import Final

from geograph_types.errors import GridError

DEGREE_METRES: Final = 111_320
"""Length of a degree of latitude, about; one of longitude is shorter."""

SIGNS: Final = str.maketrans(
    {"\u2212": "-", "\u2013": "-", **dict.fromkeys("°º˚'\"\u2032\u2033\u2019\u201d:", " ")}
)
"""Minus signs of word processors, and the marks of degrees, minutes and seconds."""

ANGLE: Final = re.compile(
    r"([+-]?)([0-9]{1,3}(?:[.,][0-9]{0,20})?)(?: +([0-9]{1,2}(?:[.,][0-9]{0,20})?))?"
    r"(?: +([0-9]{1,2}(?:[.,][0-9]{0,20})?))?"
)
"""Degrees, minutes and seconds; only the last that is written may have decimals."""

SPLITS: Final = (
    re.compile(r"([^A-Z]+[NSEW])[\s,;]*([^A-Z]+[NSEW])"),
    re.compile(r"([NSEW][^A-Z]+?)[\s,;]*([NSEW][^A-Z]+)"),
    re.compile(r"([^;]+);([^;]+)"),
    re.compile(r"([^,]+),([^,]+)"),
    re.compile(r"([^,]+,[^,]+),([^,]+,[^,]+)"),
    re.compile(r"([+-]?[0-9]+[.,][0-9]+) +([+-]?[0-9]+[.,][0-9]+)"),
)
"""How a latitude and a longitude may be separated, the surest first."""

EXAMPLE: Final = "give decimal degrees, for example 51.5081, -0.1281"


@dataclass(frozen=True, slots=True)
class Coordinates:
    """A place in WGS84."""

    latitude: float  # degrees, north positive, -90 to 90
    longitude: float  # degrees, east positive, -180 to 180
    accuracy_metres: float = 0.0  # how far away the true place may be

    def __post_init__(self) -> None:
        if not (abs(self.latitude) <= 90 and abs(self.longitude) <= 180):
            raise GridError(
                f"the place is not on Earth (latitude {self.latitude}, longitude "
                f"{self.longitude}): give degrees, latitude first"
            )
        if not (math.isfinite(self.accuracy_metres) and self.accuracy_metres >= 0):
            raise GridError(f"an accuracy is 0 m or more, not {self.accuracy_metres}")

    @classmethod
    def parse(cls, latitude: str, longitude: str) -> "Coordinates":
        """Read two angles, for instance "51.5081" and "-0.1281", or "51 30 29 N" and "0 7 41 W".

        The place is taken to be known to half of the last figure that is written, of the two
        angles the one with more, since spreadsheets drop zeros at the end: 56 m for three
        decimals, 6 m for four.
        """
        north, east = _angle(latitude, "NS"), _angle(longitude, "EW")
        if north is None or east is None:
            raise GridError(f"'{latitude}, {longitude}' is not a latitude and longitude: {EXAMPLE}")
        accuracy = DEGREE_METRES * min(north[1], east[1]) / 2
        return cls(north[0], east[0], accuracy)

    @classmethod
    def parse_pair(cls, text: str) -> "Coordinates":
        """Read latitude and longitude in one text, separated in any way that leaves no doubt."""
        plain = " ".join(text.translate(SIGNS).upper().split())
        pairs = (match.groups() for split in SPLITS if (match := split.fullmatch(plain)))
        for first, second in pairs:
            if first[:1] in "EW" or first[-1:] in "EW":
                first, second = second, first
            return cls.parse(first.strip(), second.strip())
        raise GridError(f"{text!r} is not a latitude and longitude: {EXAMPLE}")


def is_pair_of_angles(text: str) -> bool:
    """Check whether a text has the letters of two directions or none, unlike a grid reference."""
    plain = text.strip().upper()
    letters = any(split.fullmatch(plain) for split in SPLITS[:2])
    return letters or not any(character.isalpha() for character in plain)


def _angle(text: str, directions: str) -> tuple[float, float] | None:
    """Read an angle: its degrees, and of how many degrees its last figure is one."""
    plain = " ".join(text.translate(SIGNS).upper().split())
    letters = [letter for letter in (plain[:1], plain[-1:]) if letter.isalpha()]
    match = ANGLE.fullmatch(plain.strip("NSEW "))
    if not match or len(letters) > 1 or not set(letters) <= set(directions):
        return None
    sign, *parts = match.groups()
    written = [part.replace(",", ".") for part in parts if part]
    if (sign and letters) or any("." in part for part in written[:-1]):
        return None
    if any(float(part) >= 60 for part in written[1:]):
        return None
    degrees = sum(float(part) / 60**place for place, part in enumerate(written))
    decimals = len(written[-1].partition(".")[2])
    negative = sign == "-" or letters == [directions[1]]
    return -degrees if negative else degrees, 10.0**-decimals / 60 ** (len(written) - 1)
