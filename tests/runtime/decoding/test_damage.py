import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pictures import chunk, encoded, tiff
from PIL import Image

from geograph_types.decoding.open import decode_photo, decoding_memory, open_photo
from geograph_types.errors import PhotoError, PhotoFault

HEIC = Path(__file__).parent / "data" / "scene.heic"
END = b"\xff\xd9"


def picture(size: tuple[int, int] = (320, 240)) -> Image.Image:
    coarse = np.random.default_rng(3).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def refusal(data: bytes) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        open_photo(data)
    return caught.value


def early_end(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * share)] + END


def lost_part(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * 0.4)] + data[int(len(data) * (1.4 - share)) :]


def zeros(data: bytes, share: float) -> bytes:
    start, end = (int(len(data) * part) // 512 * 512 for part in (0.4, 1.4 - share))
    return data[:start] + bytes(end - start) + data[end:]


@pytest.mark.parametrize("damage", [early_end, lost_part, zeros])
@pytest.mark.parametrize("restarts", [0, 1])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_with_its_end_marker_and_without_all_rows(
    damage: Callable[[bytes, float], bytes], restarts: int, mode: str
) -> None:
    data = encoded(picture().convert(mode), restart_marker_rows=restarts)
    assert not decode_photo(data).truncated
    assert decode_photo(damage(data, 0.85)).truncated
    if damage is early_end or (damage is lost_part and not restarts):
        error = refusal(damage(data, 0.45))
        assert error.fault is PhotoFault.DAMAGED
        assert "of the rows are missing" in error.detail


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("box", [(0, 100, 320, 240), (0, 80, 320, 160), (0, 0, 320, 240)])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_picture_that_is_grey_itself_is_whole(
    options: dict[str, object], box: tuple[int, int, int, int], mode: str
) -> None:
    image = picture()
    image.paste((128, 128, 128), box)
    assert not decode_photo(encoded(image.convert(mode), **options)).truncated


@pytest.mark.parametrize("level", range(0, 256, 51))
def test_a_flat_picture_has_no_hole(level: int) -> None:
    data = encoded(Image.new("L", (1600, 1200), level), optimize=True)
    assert not decode_photo(data).truncated


def test_a_thumbnail_within_a_photo_is_not_taken_for_it() -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0" + encoded(picture((64, 48)))
    data = encoded(picture(), exif=exif, restart_marker_rows=1)
    assert not decode_photo(data).truncated
    assert decode_photo(early_end(data, 0.9)).truncated


LONG_TEXT = b"Comment\0" + b"x" * (3 << 20)
EXTRAS = {
    "text": chunk(b"tEXt", LONG_TEXT),
    "compressed text": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(LONG_TEXT)),
    "profile": chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(5 << 20))),
    "wrong checksum": chunk(b"tEXt", b"Comment\0text", checksum=1),
    "wrong checksum of the time": chunk(b"tIME", bytes(7), checksum=1),
    "unknown with a wrong checksum": chunk(b"abCd", b"...", checksum=7),
    "damaged profile": chunk(b"iCCP", b"profile\0\0not compressed"),
    "damaged resolution": chunk(b"pHYs", b"?"),
}


@pytest.mark.parametrize("name", EXTRAS)
@pytest.mark.parametrize("mode", ["RGB", "P", "RGBA"])
def test_a_png_with_damage_beside_its_pixels(name: str, mode: str) -> None:
    options = {"transparency": 3} if mode == "P" else {}
    image = picture().quantize(8) if mode == "P" else picture().convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 3
    data = encoded(image, "PNG", exif=exif, **options)
    place = data.index(b"PLTE" if mode == "P" else b"IDAT") - 4
    expected = open_photo(data)
    for damaged in (
        data[:place] + EXTRAS[name] + data[place:],
        data[:-12] + EXTRAS[name] + data[-12:],
    ):
        found = open_photo(damaged)
        assert (found.mode, found.tobytes()) == (expected.mode, expected.tobytes())
        assert found.convert("RGBA").tobytes() == expected.convert("RGBA").tobytes()
        assert decoding_memory(damaged) == decoding_memory(data)


def test_a_png_with_damaged_pixels_stays_refused() -> None:
    data = encoded(picture(), "PNG")
    for damaged in (data[:2000], data[:33] + data[40:], data.replace(b"IHDR", b"IHDX")):
        error = refusal(damaged)
        assert (error.fault, error.detail[:5]) == (PhotoFault.DAMAGED, "PNG: ")


def cut(kind: str, length: int = 300) -> bytes:
    return encoded(picture(), kind)[:length]


REFUSED = {
    "float RGB": (tiff(np.zeros((8, 8, 3), "f4")), PhotoFault.UNSUPPORTED, "TIFF"),
    "half": (tiff(np.zeros((8, 8), "f2")), PhotoFault.UNSUPPORTED, "TIFF"),
    "LAB 16": (tiff(np.zeros((8, 8, 3), "u2"), photometric=8), PhotoFault.UNSUPPORTED, "TIFF"),
    "double": (tiff(np.zeros((8, 8), "f8")), PhotoFault.UNSUPPORTED, "TIFF"),
    "PSD": (b"8BPS" + bytes(99), PhotoFault.UNSUPPORTED, "Photoshop"),
    "JXL": (b"\xff\x0a" + bytes(99), PhotoFault.UNSUPPORTED, "JPEG XL"),
    "CR3": (b"\0\0\0\x18ftypcrx " + bytes(99), PhotoFault.UNSUPPORTED, "RAW"),
    "cut HEIC": (HEIC.read_bytes()[:300], PhotoFault.DAMAGED, "HEIC"),
    "cut AVIF": (cut("AVIF"), PhotoFault.DAMAGED, "AVIF"),
    "cut WebP": (cut("WEBP"), PhotoFault.DAMAGED, "WebP"),
    "cut TIFF": (cut("TIFF"), PhotoFault.DAMAGED, "TIFF"),
    "cut GIF": (cut("GIF", 20), PhotoFault.DAMAGED, "GIF"),
    "cut BMP": (cut("BMP"), PhotoFault.DAMAGED, "BMP"),
    "cut JPEG 2000": (cut("JPEG2000"), PhotoFault.DAMAGED, "JPEG 2000"),
    "cut JPEG": (cut("JPEG"), PhotoFault.DAMAGED, "JPEG"),
    "PDF": (b"%PDF-1.7", PhotoFault.NOT_AN_IMAGE, "one of the formats"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_first_bytes_name_what_is_refused(name: str) -> None:
    data, fault, word = REFUSED[name]
    error = refusal(data)
    assert error.fault is fault
    assert word in error.detail and "<" not in error.detail


def test_large_jpegs_are_read_at_a_fraction_and_others_are_not() -> None:
    size = 16_000, 12_500
    data = encoded(Image.new("L", size, 90))
    assert open_photo(data).size == (2000, 1563)
    progressive = bytearray(encoded(picture(), progressive=True))
    frame = progressive.index(b"\xff\xc2")
    progressive[frame + 5 : frame + 9] = struct.pack(">HH", *size[::-1])
    for refused in (bytes(progressive), encoded(Image.new("1", size), "PNG")):
        assert refusal(refused).fault is PhotoFault.TOO_MANY_PIXELS
    with pytest.raises(PhotoError, match="16000x12500 is over the limit of 120 megapixels"):
        open_photo(data, exact=True)
