import io
import math
from dataclasses import astuple
from typing import Any

import pytest
from PIL import Image, TiffImagePlugin

from geograph_types.distance.exif import GPS_IFD, GPS_METRES, ExifPlaces, read_exif_places
from geograph_types.distance.sources import NOWHERE, Places

Rational = TiffImagePlugin.IFDRational

CAMERA = {1: "N", 2: (51.0, 30.0, 29.16), 3: "W", 4: (0.0, 7.0, 41.16)}
SUBJECT = {0x13: "N", 0x14: (51.0, 30.0, 0.0), 0x15: "W", 0x16: (0.0, 7.5, 0.0)}


def reread(gps: dict[int, Any]) -> Image.Exif:
    """Write a JPEG with a GPS directory, and give the EXIF that Pillow reads of it."""
    exif = Image.Exif()
    exif.get_ifd(GPS_IFD).update(gps)
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", exif=exif)
    return Image.open(file).getexif()


def read(gps: dict[int, Any]) -> ExifPlaces:
    return read_exif_places(reread(gps))


def test_camera_subject_and_distance_are_read_from_a_file() -> None:
    found = read(CAMERA | SUBJECT | {0x19: "K", 0x1A: 1.5})
    assert found.problems == ()
    assert found.places.metres == pytest.approx(1500)
    camera, subject = found.places.camera, found.places.subject
    assert camera.latitude == pytest.approx(51.5081, abs=1e-6)
    assert camera.longitude == pytest.approx(-0.1281, abs=1e-6)
    assert (subject.latitude, subject.longitude) == pytest.approx((51.5, -0.125))
    assert camera.accuracy_metres == subject.accuracy_metres == GPS_METRES


@pytest.mark.parametrize("gps", [{}, {1: "N", 2: (0.0,) * 3, 3: "E", 4: (0.0,) * 3}])
def test_without_gps_or_a_fix_no_place_is_known(gps: dict[int, Any]) -> None:
    assert read(gps) == ExifPlaces()
    assert read_exif_places(Image.new("RGB", (8, 8)).getexif()).places == NOWHERE


@pytest.mark.parametrize(
    ("unit", "metres"),
    [("K", 2500), ("M", 4023.36), ("N", 4630), ("k", 2500), ("K\0", 2500), (None, 2500)],
)
def test_units_of_the_distance(unit: str | None, metres: float) -> None:
    gps = {0x1A: 2.5} | ({0x19: unit} if unit else {})
    assert read(gps).places == Places(metres=pytest.approx(metres))


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({1: None}, "latitude has no direction (N or S)"),
        ({3: None}, "longitude has no direction (E or W)"),
        ({3: "N"}, "longitude has no direction (E or W)"),
        ({2: None}, "latitude is not degrees, minutes and seconds"),
        ({4: (0.0, 7.0)}, "longitude is not degrees, minutes and seconds"),
        ({2: (91.0, 0.0, 0.0)}, "latitude is out of range (91, 0, 0)"),
        ({4: (180.0, 0.0, 1.0)}, "longitude is out of range (180, 0, 1)"),
        ({2: (51.0, 61.0, 0.0)}, "latitude is out of range (51, 61, 0)"),
        ({2: (Rational(51, 0), 30.0, 0.0)}, "latitude is out of range (nan, 30, 0)"),
        ({2: (51.0, 30.0, Rational(0, 0))}, "latitude is out of range (51, 30, nan)"),
        ({0x19: "F", 0x1A: 2.5, 1: None}, "has the unit 'F', not K, M or N"),
        ({0x19: "K", 0x1A: Rational(1, 0), 1: None}, "dest distance is out of range (nan m)"),
    ],
)
def test_a_damaged_place_is_said_and_missing(changed: dict[int, Any], problem: str) -> None:
    gps = {tag: value for tag, value in (CAMERA | changed).items() if value is not None}
    found = read(gps | SUBJECT)
    assert (found.places.camera, found.places.metres) == (None, None)
    assert found.places.subject is not None
    assert [problem in line for line in found.problems].count(True) == 1


class Odd(Image.Exif):
    def __init__(self, gps: dict[int, Any] | Exception) -> None:
        super().__init__()
        self.gps = gps

    def get_ifd(self, tag: int) -> dict[int, Any]:
        if isinstance(self.gps, Exception):
            raise self.gps
        return self.gps


@pytest.mark.parametrize(
    "value", [-1.0, math.inf, "12", b"\x01", None, (1.0,), [[1.0], 2, 3], ("a", "b", "c"), 10**400]
)
def test_values_of_odd_kinds_never_raise(value: Any) -> None:
    gps = CAMERA | {2: value, 0x14: value, 0x1A: value, 0x1F: value}
    found = read_exif_places(Odd(gps))
    assert found.places.camera is None
    assert found.places.subject is None


def test_a_directory_that_cannot_be_read_is_said() -> None:
    found = read_exif_places(Odd(SyntaxError("not a TIFF file")))
    assert found.problems == ("EXIF's GPS directory cannot be read (not a TIFF file)",)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({0x1F: 4.0}, (51.5081, -0.1281, GPS_METRES)),
        ({0x1F: 65.0}, (51.5081, -0.1281, 65.0)),
        ({1: "S", 3: "West"}, (-51.5081, -0.1281, GPS_METRES)),
        ({3: b"e\0"}, (51.5081, 0.1281, GPS_METRES)),
        ({2: (51.0, 29.0, 60.0)}, (51.5, -0.1281, GPS_METRES)),
    ],
)
def test_errors_directions_and_sixty_seconds(changed: dict[int, Any], expected: object) -> None:
    camera = read(CAMERA | changed).places.camera
    assert astuple(camera) == pytest.approx(expected)


def test_bytes_that_are_damaged_anywhere_never_raise() -> None:
    exif = reread(CAMERA | SUBJECT | {0x19: "K", 0x1A: 1.5}).tobytes()
    for place in range(6, len(exif)):
        for value in (0x00, 0xFF, exif[place] ^ 0x10):
            damaged = Image.Exif()
            try:
                damaged.load(exif[:place] + bytes([value]) + exif[place + 1 :])
            except (SyntaxError, ValueError, OSError):
                continue
            read_exif_places(damaged)
