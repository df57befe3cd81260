"""Where camera and subject stood, from a photo's own EXIF.

EXIF 2.3 and later: `GPSLatitude` and `GPSLongitude` are the camera's, `GPSDestLatitude` and
`GPSDestLongitude` those of "the destination point", which is the subject, and `GPSDestDistance` is
the way to it. All are unsigned rationals, with their direction or unit in a `Ref` beside them.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from PIL import Image

from geograph_types.distance.coordinates import Coordinates
from geograph_types.distance.sources import Places

GPS_IFD: Final = 0x8825
EXIF_IFD: Final = 0x8769
SUBJECT_DISTANCE: Final = 0x9206
"""Metres at which the camera focused."""

DAMAGE: Final = (OSError, ValueError, TypeError, KeyError, SyntaxError, struct.error)
"""What Pillow raises for damaged EXIF."""

NO_FOCUS: Final = frozenset({0.0, 65.535, 655.35, 6553.5, 65535.0})
"""What cameras write as unknown and as infinite, the latter 16 bits with all of them set."""

GPS_METRES: Final = 10.0
"""How far off a camera or telephone is taken to be if it does not say."""

UNIT_METRES: Final = {"K": 1000.0, "M": 1609.344, "N": 1852.0}
"""Units of `GPSDestDistanceRef`: kilometres, miles, nautical miles; K if there is none."""


FOCUS_LIMIT: Final = 10_000.0
"""Metres: no lens focuses beyond, so that more, as 2^32 - 1, is infinity."""


class GpsTag(IntEnum):
    """Numbers of the fields in the GPS directory."""

    LATITUDE_REF = 0x01
    LATITUDE = 0x02
    LONGITUDE_REF = 0x03
    LONGITUDE = 0x04
    DEST_LATITUDE_REF = 0x13
    DEST_LATITUDE = 0x14
    DEST_LONGITUDE_REF = 0x15
    DEST_LONGITUDE = 0x16
    DEST_DISTANCE_REF = 0x19
    DEST_DISTANCE = 0x1A
    H_POSITIONING_ERROR = 0x1F


@dataclass(frozen=True, slots=True)
class ExifPlaces:
    """What EXIF says, and what of it cannot be used."""

    camera: Coordinates | None = None
    subject: Coordinates | None = None
    metres: float | None = None
    focus_metres: float | None = None
    problems: tuple[str, ...] = ()  # a line for each field that cannot be used

    @property
    def places(self) -> Places:
        """All that can be used."""
        return Places(self.camera, self.subject, self.metres, self.focus_metres)


NO_EXIF: Final = ExifPlaces()
"""Of a photo without positions."""


def read_exif_places(exif: Image.Exif) -> ExifPlaces:
    """Read the positions and distances in `image.getexif()`.

    Damaged fields never raise: they count as missing and are listed. A place at exactly 0, 0, which
    devices without a fix write, counts as missing too.
    """
    focus = None
    with suppress(*DAMAGE):
        focus = _focus_metres(exif.get_ifd(EXIF_IFD).get(SUBJECT_DISTANCE))
    try:
        gps = exif.get_ifd(GPS_IFD)
    except DAMAGE as error:
        problem = f"EXIF's GPS directory cannot be read ({error})"
        return ExifPlaces(focus_metres=focus, problems=(problem,))
    problems: list[str] = []

    def place(latitude: GpsTag, longitude: GpsTag, accuracy: float) -> Coordinates | None:
        if latitude not in gps and longitude not in gps:
            return None
        try:
            degrees = _degrees(gps, latitude, "NS", 90), _degrees(gps, longitude, "EW", 180)
        except ValueError as error:
            problems.append(f"EXIF {error}")
            return None
        return None if degrees == (0.0, 0.0) else Coordinates(*degrees, accuracy)

    accuracy = _number(gps.get(GpsTag.H_POSITIONING_ERROR, GPS_METRES))
    accuracy = max(accuracy, GPS_METRES) if math.isfinite(accuracy) else GPS_METRES
    camera = place(GpsTag.LATITUDE, GpsTag.LONGITUDE, accuracy)
    subject = place(GpsTag.DEST_LATITUDE, GpsTag.DEST_LONGITUDE, GPS_METRES)
    metres = None
    if GpsTag.DEST_DISTANCE in gps:
        try:
            metres = _metres(gps)
        except ValueError as error:
            problems.append(f"EXIF {error}")
    return ExifPlaces(camera, subject, metres, focus, tuple(problems))


def _degrees(gps: Mapping[int, Any], tag: GpsTag, directions: str, limit: int) -> float:
    """Read degrees, minutes and seconds with their direction."""
    name = f"GPS {tag.name.lower().replace('_', ' ')}"
    direction = _letter(gps.get(tag - 1))
    if not direction or direction not in directions:
        raise ValueError(f"{name} has no direction ({' or '.join(directions)})")
    value = gps.get(tag)
    if not isinstance(value, Sequence) or isinstance(value, str | bytes) or len(value) != 3:
        raise ValueError(f"{name} is not degrees, minutes and seconds")
    degrees, minutes, seconds = (_number(part) for part in value)
    total = degrees + minutes / 60 + seconds / 3600
    # Comparisons with NaN, which a zero denominator gives, are false.
    if not (degrees >= 0 and 0 <= minutes <= 60 and 0 <= seconds <= 60 and total <= limit):
        raise ValueError(f"{name} is out of range ({degrees:g}, {minutes:g}, {seconds:g})")
    return total if direction in "NE" else -total


def _metres(gps: Mapping[int, Any]) -> float:
    """Read the distance to the subject."""
    unit = _letter(gps.get(GpsTag.DEST_DISTANCE_REF, "K"))
    if unit not in UNIT_METRES:
        raise ValueError(f"GPS dest distance has the unit {unit!r}, not K, M or N")
    metres = _number(gps[GpsTag.DEST_DISTANCE]) * UNIT_METRES[unit]
    if not (math.isfinite(metres) and metres >= 0):
        raise ValueError(f"GPS dest distance is out of range ({metres:g} m)")
    return metres


def _focus_metres(value: object) -> float | None:
    metres = round(_number(value), 3)
    return metres if 0 < metres < FOCUS_LIMIT and metres not in NO_FOCUS else None


def _letter(value: object) -> str:
    """First letter of a reference, which some writers pad, write small, or leave as bytes."""
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    return text.strip(" \0").upper()[:1] if isinstance(text, str) else ""


def _number(value: object) -> float:
    """One rational, or NaN: Pillow gives NaN where a denominator is 0."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return math.nan
