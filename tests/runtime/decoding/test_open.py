import os
from pathlib import Path

import numpy as np
import pytest
from pictures import ORIENTATION_TAG, STORED, encoded
from PIL import Image

from geograph_types.decoding.open import decode_photo, decoding_memory, open_photo
from geograph_types.errors import PhotoError, PhotoFault


def scene(size: tuple[int, int] = (64, 48)) -> Image.Image:
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]]
    channels = [rows * 255 // size[1], columns * 255 // size[0], (rows + columns) % 256]
    return Image.fromarray(np.stack(channels, 2).astype(np.uint8))


def noisy_scene(size: tuple[int, int]) -> Image.Image:
    """A scene whose rows take about as many bytes each."""
    noise = np.random.default_rng(1).integers(0, 60, (size[1], size[0], 3))
    return Image.fromarray((np.asarray(scene(size)) // 2 + noise).astype(np.uint8))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "GIF", "BMP", "JPEG2000"])
def test_known_formats_open_from_bytes_and_files(kind: str, tmp_path: Path) -> None:
    data = encoded(scene(), kind)
    path = tmp_path / "photo.bin"
    path.write_bytes(data)
    assert open_photo(data).size == (64, 48)
    assert np.array_equal(np.asarray(open_photo(path)), np.asarray(open_photo(data)))


@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation_is_applied(orientation: int) -> None:
    transpose = STORED[orientation]
    stored = scene() if transpose is None else scene().transpose(transpose)
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    upright = open_photo(encoded(stored, "PNG", exif=exif))
    assert np.array_equal(np.asarray(upright), np.asarray(scene()))


def fault_of(photo: str | Path | bytes) -> PhotoFault:
    with pytest.raises(PhotoError) as caught:
        open_photo(photo)
    assert "\n" not in str(caught.value)
    return caught.value.fault


def test_what_is_no_photo_is_refused_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("not a photo")
    os.mkfifo(tmp_path / "pipe.jpg")
    assert fault_of(tmp_path / "missing.jpg") is PhotoFault.NOT_FOUND
    assert fault_of(tmp_path) is PhotoFault.NOT_A_FILE
    assert fault_of(tmp_path / "pipe.jpg") is PhotoFault.NOT_A_FILE
    assert fault_of(tmp_path / "empty.jpg") is PhotoFault.EMPTY
    assert fault_of(b"") is PhotoFault.EMPTY
    assert fault_of(tmp_path / "text.jpg") is PhotoFault.NOT_AN_IMAGE
    assert fault_of("a\0b.jpg") is PhotoFault.UNREADABLE
    for kind in ("PPM", "ICO", "PCX", "SGI"):  # formats that are not listed are not even tried
        assert fault_of(encoded(scene(), kind)) is PhotoFault.NOT_AN_IMAGE


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_slightly_truncated_jpeg_is_used_and_marked(mode: str, exact: bool) -> None:
    whole = noisy_scene((1800, 1350)).convert(mode)
    data = encoded(whole, "JPEG", quality=85)
    cut = decode_photo(data[: int(len(data) * 0.9)], exact)
    full = decode_photo(data, exact)
    assert (cut.truncated, full.truncated) == (True, False)
    assert cut.image.size == full.image.size == ((1800, 1350) if exact else (900, 675))
    upper = (0, 0, full.image.width, int(full.image.height * 0.8))
    assert cut.image.crop(upper).tobytes() == full.image.crop(upper).tobytes()


def test_a_jpeg_that_only_lacks_its_last_bytes_is_whole_but_marked() -> None:
    data = encoded(noisy_scene((320, 240)), "JPEG")
    cut = decode_photo(data[:-2])
    assert cut.truncated
    assert cut.image.tobytes() == open_photo(data).tobytes()


def test_a_jpeg_without_its_lower_half_says_how_much_is_missing() -> None:
    data = encoded(noisy_scene((320, 240)), "JPEG")
    with pytest.raises(PhotoError, match=r"the file is cut off: [4-6]\d% of the rows"):
        open_photo(data[: len(data) // 2])


def test_a_progressive_jpeg_may_be_cut_within_the_header_of_a_scan() -> None:
    data = encoded(noisy_scene((320, 240)), "JPEG", progressive=True)
    scan = data.rindex(b"\xff\xda")
    cut = decode_photo(data[: scan + 5])
    assert cut.truncated
    assert cut.image.tobytes() == open_photo(data[:scan]).tobytes()


def test_a_progressive_jpeg_takes_memory_for_its_coefficients() -> None:
    """Two bytes for each, three for two pixels with colours at half the size."""
    files = [encoded(scene(), progressive=kind, subsampling="4:2:0") for kind in (False, True)]
    plain, progressive = map(decoding_memory, files)
    assert progressive - plain == 64 * 48 * 3


def test_a_progressive_jpeg_loses_detail_wherever_it_is_cut() -> None:
    data = encoded(noisy_scene((320, 240)), "JPEG", progressive=True)
    whole = np.asarray(open_photo(data), float)
    for length in range(int(len(data) * 0.6), len(data), 41):
        cut = decode_photo(data[:length])
        assert cut.truncated
        assert np.abs(np.asarray(cut.image, float) - whole).mean() < 20


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((4000, 3000), (1000, 750)),
        ((4000, 900), (2000, 450)),
        ((890, 4000), (890, 4000)),
        ((640, 480), (640, 480)),
        ((3600, 3600), (450, 450)),
    ],
)
def test_large_jpegs_are_decoded_small(size: tuple[int, int], expected: tuple[int, int]) -> None:
    data = encoded(scene(size), "JPEG")
    assert open_photo(data).size == expected
    assert open_photo(data, exact=True).size == size


def test_of_several_pictures_the_first_is_taken() -> None:
    other = Image.new("RGB", (64, 48), "red")
    for kind, mode in [("WEBP", "RGB"), ("PNG", "RGB"), ("TIFF", "RGB"), ("MPO", "RGB")]:
        lossless = {"lossless": True} if kind == "WEBP" else {}
        data = encoded(scene(), kind, save_all=True, append_images=[other], **lossless)
        got = np.asarray(open_photo(data).convert(mode), int)
        assert np.abs(got - np.asarray(scene(), int)).mean() < 8, kind


def test_raw_files_are_named_as_such_although_they_pass_for_tiff(tmp_path: Path) -> None:
    path = tmp_path / "DSC_0001.NEF"
    path.write_bytes(encoded(scene(), "TIFF"))
    with pytest.raises(PhotoError, match="unsupported_format: a RAW file: export it as JPEG"):
        open_photo(path)


def test_flipped_bits_never_raise_anything_else() -> None:
    rng = np.random.default_rng(1)
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        data = bytearray(encoded(scene((160, 120)), kind))
        for _ in range(60):
            damaged = bytearray(data)
            for place in rng.integers(0, len(data), 4):
                damaged[place] ^= 1 << int(rng.integers(8))
            try:
                assert min(open_photo(bytes(damaged)).size) > 0
            except PhotoError as error:
                assert error.fault in PhotoFault


def test_damaged_exif_does_not_cost_the_photo() -> None:
    data = encoded(scene(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff")
    assert open_photo(data).size == (64, 48)
