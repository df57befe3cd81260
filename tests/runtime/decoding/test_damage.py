"""Damage that costs pixels is noticed; damage that costs none is passed over, as viewers do."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geograph_types.decoding.open import decode_photo, decoding_memory, open_photo
from geograph_types.errors import PhotoError, PhotoFault

HEIC = Path(__file__).parent / "data" / "scene.heic"
END = b"\xff\xd9"


def picture(size: tuple[int, int] = (320, 240)) -> Image.Image:
    coarse = np.random.default_rng(3).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


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


def test_a_flat_picture_has_no_hole() -> None:
    for level in range(0, 256, 15):
        data = encoded(Image.new("L", (1600, 1200), level), optimize=True)
        assert not decode_photo(data).truncated


def test_a_thumbnail_within_a_photo_is_not_taken_for_it() -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0" + encoded(picture((64, 48)))
    data = encoded(picture(), exif=exif, restart_marker_rows=1)
    assert not decode_photo(data).truncated
    assert decode_photo(early_end(data, 0.9)).truncated


def chunk(name: bytes, body: bytes, checksum: int | None = None) -> bytes:
    """Write a chunk of PNG. Source: PNG specification, section 5.3."""
    right = zlib.crc32(name + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", right)


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
        assert (error.fault, error.detail[:6]) == (PhotoFault.DAMAGED, "a PNG ")


def layout(kind: str, bits: int, channels: int, photometric: int) -> bytes:
    """Write a TIFF file of 8x8 pixels. Source: TIFF 6.0, section 2."""
    data = np.zeros((8, 8, channels), f"{kind}{bits // 8}").tobytes()
    formats = {"u": 1, "i": 2, "f": 3}[kind]
    tags = [(256, 8), (257, 8), (258, bits), (259, 1), (262, photometric), (273, 8)]
    tags += [(277, channels), (278, 8), (279, len(data)), (339, formats)]
    entries = b"".join(
        struct.pack("<HHII", tag, 4, 1, value)
        if tag not in (258, 339) or channels == 1
        else struct.pack("<HHII", tag, 3, channels, 8 + len(data) + (6 if tag == 339 else 0))
        for tag, value in tags
    )
    extra = struct.pack("<6H", *[bits] * 3, *[formats] * 3)
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return struct.pack("<2sHI", b"II", 42, 8 + len(data) + len(extra)) + data + extra + directory


@pytest.mark.parametrize(
    ("data", "fault", "word"),
    [
        pytest.param(layout("f", 32, 3, 2), PhotoFault.UNSUPPORTED, "TIFF", id="float RGB"),
        pytest.param(layout("f", 16, 1, 1), PhotoFault.UNSUPPORTED, "TIFF", id="half"),
        pytest.param(layout("u", 16, 3, 8), PhotoFault.UNSUPPORTED, "TIFF", id="LAB 16"),
        pytest.param(layout("f", 64, 1, 1), PhotoFault.UNSUPPORTED, "TIFF", id="double"),
        pytest.param(b"8BPS" + bytes(99), PhotoFault.UNSUPPORTED, "Photoshop", id="PSD"),
        pytest.param(b"\xff\x0a" + bytes(99), PhotoFault.UNSUPPORTED, "JPEG XL", id="JXL"),
        pytest.param(b"\0\0\0\x18ftypcrx " + bytes(99), PhotoFault.UNSUPPORTED, "RAW", id="CR3"),
        pytest.param(HEIC.read_bytes()[:300], PhotoFault.DAMAGED, "HEIC", id="cut HEIC"),
        pytest.param(encoded(picture(), "AVIF")[:300], PhotoFault.DAMAGED, "AVIF", id="cut AVIF"),
        pytest.param(encoded(picture(), "WEBP")[:300], PhotoFault.DAMAGED, "WebP", id="cut WebP"),
        pytest.param(encoded(picture(), "TIFF")[:300], PhotoFault.DAMAGED, "TIFF", id="cut TIFF"),
        pytest.param(encoded(picture(), "GIF")[:20], PhotoFault.DAMAGED, "GIF", id="cut GIF"),
        pytest.param(encoded(picture(), "BMP")[:300], PhotoFault.DAMAGED, "BMP", id="cut BMP"),
        pytest.param(
            encoded(picture(), "JPEG2000")[:300],
            PhotoFault.DAMAGED,
            "JPEG 2000",
            id="cut JPEG 2000",
        ),
        pytest.param(encoded(picture())[:300], PhotoFault.DAMAGED, "JPEG", id="cut JPEG"),
        pytest.param(b"%PDF-1.7", PhotoFault.NOT_AN_IMAGE, "one of the formats", id="PDF"),
    ],
)
def test_what_first_bytes_tell_is_refused_by_name(
    data: bytes, fault: PhotoFault, word: str
) -> None:
    error = refusal(data)
    assert error.fault is fault
    assert word in error.detail


def test_large_jpegs_are_read_at_a_fraction_and_others_are_not(tmp_path: Path) -> None:
    image = Image.new("L", (16_000, 12_500), 90)
    data = encoded(image)
    assert open_photo(data).size == (2000, 1563)
    for refused in (encoded(image, progressive=True), encoded(image, "PNG")):
        assert refusal(refused).fault is PhotoFault.TOO_MANY_PIXELS
    with pytest.raises(PhotoError, match="16000x12500 is over the limit of 120 megapixels"):
        open_photo(data, exact=True)
