"""Damaged, hostile and odd files among good photos: each costs itself, with a reason.

A short series runs here; `make acceptance` sets GEOGRAPH_TYPES_HOSTILE for a long one.
"""

import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
from pictures import chunk, encoded
from PIL import Image
from processes import proportional_bytes

from geograph_types.cli.main import main
from geograph_types.errors import PhotoFault
from geograph_types_trainer.scenes import draw_scenes

HOSTILE = int(os.environ.get("GEOGRAPH_TYPES_HOSTILE", "33"))
LONG = HOSTILE >= 1000
MEMORY_LIMIT = 500 << 20
HEIC = Path(__file__).parent / "data" / "scene.heic"

Maker = Callable[[Path, np.random.Generator], Path]
Change = Callable[[bytearray, np.random.Generator], None]


def content(data: bytes | Callable[[np.random.Generator], bytes], suffix: str = ".jpg") -> Maker:
    def make(path: Path, rng: np.random.Generator) -> Path:
        path = path.with_suffix(suffix)
        path.write_bytes(data(rng) if callable(data) else data)
        return path

    return make


def damaged(kind: str, change: Change) -> Maker:
    def data(rng: np.random.Generator) -> bytes:
        photo = drawn(kind, rng)
        change(photo, rng)
        return photo

    return content(data)


def png_bomb(rng: np.random.Generator) -> bytes:
    return encoded(Image.new("1", (11_000 + int(rng.integers(9000)), 11_000)), "PNG")


def drawn(kind: str, rng: np.random.Generator) -> bytearray:
    pixels = rng.integers(0, 256, (40, 60, 3)).astype(np.uint8)
    image = Image.fromarray(pixels).resize((240, 160), Image.Resampling.BICUBIC)
    options = {"progressive": rng.random() < 0.3} if kind == "JPEG" else {}
    return bytearray(encoded(image, kind, **options))


def truncated(kind: str) -> Maker:
    def change(data: bytearray, rng: np.random.Generator) -> None:
        del data[int(len(data) * rng.uniform(0.01, 0.99)) :]

    return damaged(kind, change)


def flipped(kind: str) -> Maker:
    def change(data: bytearray, rng: np.random.Generator) -> None:
        for place in rng.integers(0, len(data), int(rng.integers(1, 30))):
            data[place] ^= 1 << int(rng.integers(8))

    return damaged(kind, change)


def png_text_bomb(data: bytearray, rng: np.random.Generator) -> None:
    data[33:33] = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(80 << 20)))


def webp_bomb() -> bytes:
    data = bytearray(encoded(Image.new("RGB", (16, 16), "red"), "WEBP", lossless=True))
    size = 16_382 | 16_382 << 14  # width and height less 1, 14 bits each
    data[21:25] = struct.pack("<I", size | struct.unpack("<I", data[21:25])[0] & 0xF << 28)
    return bytes(data)


def tiff_bomb(data: bytearray, rng: np.random.Generator) -> None:
    for tag, side in ((256, 200_000), (257, 150_000)):
        place = data.index(struct.pack("<H", tag))
        data[place : place + 12] = struct.pack("<HHII", tag, 4, 1, side)


def jpeg_bomb(data: bytearray, rng: np.random.Generator) -> None:
    frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    data[frame + 5 : frame + 9] = struct.pack(">HH", 65_500, 65_500)


def folder(path: Path, rng: np.random.Generator) -> Path:
    path.mkdir()
    return path


def pipe(path: Path, rng: np.random.Generator) -> Path:
    os.mkfifo(path)
    return path


def link(target: str) -> Maker:
    def make(path: Path, rng: np.random.Generator) -> Path:
        path.symlink_to(target.format(name=path.name))
        return path

    return make


def latin_1(maker: Maker) -> Maker:
    def make(path: Path, rng: np.random.Generator) -> Path:
        made = maker(path, rng)
        return made.rename(os.fsdecode(os.fsencode(made).replace(b"odd", b"\xe9t\xe9")))

    return make


# What each must end as; `None` where it depends on what was hit.
KINDS: list[tuple[Maker, PhotoFault | None]] = [
    *((truncated(kind), None) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "JPEG")),
    *((flipped(kind), None) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "JPEG")),
    (content(png_bomb, ".png"), PhotoFault.TOO_MANY_PIXELS),
    (damaged("PNG", png_text_bomb), None),
    (content(webp_bomb()), PhotoFault.TOO_MANY_PIXELS),
    (damaged("TIFF", tiff_bomb), PhotoFault.TOO_MANY_PIXELS),
    (damaged("JPEG", jpeg_bomb), PhotoFault.TOO_MANY_PIXELS),
    (content(b""), PhotoFault.EMPTY),
    (content(b"", ".heic"), PhotoFault.EMPTY),
    (content(b"just text"), PhotoFault.NOT_AN_IMAGE),
    (content(b"GIF89a" + bytes(200), ".png"), PhotoFault.DAMAGED),
    (content(b"%PDF-1.7\n" * 20, ".webp"), PhotoFault.NOT_AN_IMAGE),
    (content(b"\x1f\x8b" + bytes(99), ".tif"), PhotoFault.NOT_AN_IMAGE),
    (content(HEIC.read_bytes()[:700], ".heic"), PhotoFault.DAMAGED),
    (content(b"II*\0" + bytes(50), ".nef"), PhotoFault.UNSUPPORTED),
    (folder, PhotoFault.NOT_A_FILE),
    (pipe, PhotoFault.NOT_A_FILE),
    (link("nowhere"), PhotoFault.NOT_FOUND),
    (link("{name}"), PhotoFault.UNREADABLE),
    (link("."), PhotoFault.NOT_A_FILE),
    (content(encoded(Image.new("L", (9000, 3)), "PNG")), PhotoFault.TOO_ELONGATED),
    (latin_1(truncated("PNG")), None),
    (latin_1(content(b"")), PhotoFault.EMPTY),
]


@pytest.fixture(scope="module")
def small_bundle(bundle: Path, head_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For the long series the int8 encoder, which is what runs where memory is short."""
    if not LONG:
        return bundle
    folder = Path(shutil.copytree(head_bundle, tmp_path_factory.mktemp("small") / "bundle"))
    command = ["export", "encoder", "--weights", "random:0", "--precision", "int8"]
    assert main([*command, "--bundle", str(folder)]) == 0
    return folder


def fill(folder: Path) -> tuple[set[str], dict[str, PhotoFault | None]]:
    """Make good photos and others; a link to a folder is no loop that is entered."""
    good: set[str] = set()
    for number, scene in enumerate(draw_scenes(HOSTILE, 8)):
        name = b"good%04d\xe9.jpg" % number if number % 7 == 0 else b"good%04d.jpg" % number
        path = folder / os.fsdecode(name)
        scene.resize((320, 240)).save(path, "JPEG", progressive=number % 5 == 0)
        good.add(written(path))
    odd: dict[str, PhotoFault | None] = {}
    for number in range(HOSTILE):
        maker, fault = KINDS[number % len(KINDS)]
        rng = np.random.default_rng(number)
        odd[written(maker(folder / f"odd{number:04}.jpg", rng))] = fault
    return good, odd


def written(path: Path) -> str:
    """A name as the results have it: bytes that are not UTF-8 are escaped."""
    return str(path).encode(errors="surrogateescape").decode(errors="backslashreplace")


def test_each_costs_itself_and_the_good_are_tagged(small_bundle: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    good, odd = fill(photos)
    out = tmp_path / "tags.jsonl"
    command = [sys.executable, "-m", "geograph_types.cli", "tag", str(photos)]
    command += ["--bundle", str(small_bundle), "--out", str(out)]
    done, peak = Event(), 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:

        def watch() -> None:
            nonlocal peak
            while not done.wait(0.05):
                peak = max(peak, proportional_bytes(process.pid))

        watcher = Thread(target=watch)
        watcher.start()
        _, said = process.communicate()
        done.set()
        watcher.join()
    assert process.returncode == 1, said.decode(errors="replace")
    assert b"Traceback" not in said
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    by_photo = {row["photo"]: row for row in rows}
    assert len(rows) == len(by_photo) == 2 * HOSTILE
    assert by_photo.keys() == good | odd.keys()
    assert {name for name in good if by_photo[name]["status"] != "ok"} == set()
    assert all("warning" not in by_photo[name] for name in good)
    for name, fault in odd.items():
        row = by_photo[name]
        assert row["status"] == "ok" or PhotoFault(row["reason"])
        assert fault is None or row.get("reason") == fault, row
    reasons = Counter(by_photo[name].get("reason", "used") for name in odd)
    warned = sum("warning" in row for row in rows)
    print(f"\n{len(rows)} files: {len(good)} good tagged; {dict(reasons)}, {warned} truncated")
    print(f"peak memory of all processes {peak / 2**20:.0f} MiB")
    assert not LONG or peak <= MEMORY_LIMIT
