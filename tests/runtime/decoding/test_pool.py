import os
import signal
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from processes import descendants

from geograph_types import TypeTagger
from geograph_types.decoding.pool import DecoderPool
from geograph_types.errors import DecoderError, PhotoError, PhotoFault
from geograph_types.photos.embed import embed_photos

DECODING = 70 << 20
"""Bytes of memory by which a process that decodes the huge photo is told."""


@pytest.fixture(scope="module")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A legal photo of 119 megapixels in 0.1 MB."""
    path = tmp_path_factory.mktemp("huge") / "huge.png"
    Image.new("L", (10_900, 10_900)).save(path)
    return path


@contextmanager
def pooled(**settings: Any) -> Iterator[DecoderPool]:
    pool = DecoderPool(jobs=1, **settings)
    try:
        yield pool
    finally:
        pool.close()


def decoders() -> dict[int, int]:
    """Resident bytes of the processes in which this one decodes, by process."""
    found = {}
    for pid in descendants(os.getpid()):
        with suppress(OSError):  # it may end meanwhile
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            if b"geograph_types.decoding.process" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found[pid] = pages * os.sysconf("SC_PAGE_SIZE")
    return found


def send_while_decoding(number: signal.Signals) -> threading.Thread:
    def watch() -> None:
        while True:
            for pid, resident in decoders().items():
                if resident > DECODING:
                    os.kill(pid, number)
                    return
            time.sleep(0.001)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("jobs", "number", "fault"),
    [
        (1, signal.SIGKILL, PhotoFault.DECODER_DIED),
        (2, signal.SIGKILL, PhotoFault.DECODER_DIED),
        (2, signal.SIGSTOP, PhotoFault.TOO_SLOW),
    ],
)
def test_a_decoder_that_dies_or_hangs_costs_its_own_photo(
    bundle: Path, scenes: Path, huge: Path, number: signal.Signals, fault: PhotoFault, jobs: int
) -> None:
    tagger = TypeTagger(bundle)
    good = sorted(scenes.glob("*.jpg"))[:6]
    paths = [*good[:3], huge, *good[3:]]
    thread = send_while_decoding(number)
    results = list(embed_photos(tagger, paths, jobs=jobs, time_limit=4.0))
    thread.join(1.0)
    assert not thread.is_alive()
    assert [result.path for result in results] == paths
    assert [result.error.fault for result in results if result.error] == [fault]
    assert str(huge) in str(results[3].error)
    vectors = [result.embedding for result in results if result.embedding is not None]
    assert np.abs(np.stack(vectors) - tagger.embed(good)).max() <= 1e-5
    assert not decoders()


def test_a_photo_over_the_time_limit_is_given_up(huge: Path) -> None:
    with pooled(time_limit=0.01) as pool, pytest.raises(PhotoError, match="too_slow: not decoded"):
        pool.submit(huge).result()


def test_a_photo_over_the_memory_limit_is_given_up(photo: Path, tmp_path: Path) -> None:
    """Floats: 480 MB as the file has them, as much when they are scaled, and 120 MB as grey."""
    width, height = 12_000, 9_999
    path = tmp_path / "floats.tif"
    tags = [(256, width), (257, height), (258, 32), (259, 1), (262, 1), (273, 200)]
    tags += [(277, 1), (278, height), (279, 4 * width * height), (339, 3)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    path.write_bytes(struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4))
    os.truncate(path, 200 + 4 * width * height)
    with pooled() as pool:
        with pytest.raises(PhotoError) as caught:
            pool.submit(path).result()
        assert caught.value.fault is PhotoFault.TOO_MUCH_MEMORY
        assert pool.submit(photo).result().pixels.shape == (224, 224, 3)


def test_a_run_that_is_given_up_leaves_no_process(bundle: Path, huge: Path, photo: Path) -> None:
    results = embed_photos(TypeTagger(bundle), [photo] * 8 + [huge] * 30, jobs=2)
    assert next(results).error is None
    assert decoders()
    results.close()  # type: ignore[attr-defined]
    assert not decoders()


def test_names_that_are_not_utf_8_reach_the_decoder(photo: Path, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg"))
    path.write_bytes(photo.read_bytes())
    missing = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg"))
    with pooled() as pool:
        assert not pool.submit(path).result().truncated
        with pytest.raises(PhotoError, match="not_found"):
            pool.submit(missing).result()


def test_a_truncated_photo_is_marked(bundle: Path, photo: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(photo.read_bytes()[:-20])
    whole, marked = embed_photos(TypeTagger(bundle), [photo, cut], jobs=1)
    assert (whole.truncated, marked.truncated) == (False, True)
    assert marked.embedding is not None


def test_what_is_printed_at_the_start_is_no_answer(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('hello ready for photos')")
    monkeypatch.syspath_prepend(tmp_path)
    with pooled() as pool:
        assert pool.submit(photo).result().pixels.shape == (224, 224, 3)


def test_no_decoder_ends_the_run(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for program, said in (("/bin/false", "exit status 1"), ("/no/such/python", "No such file")):
        monkeypatch.setattr(sys, "executable", program)
        with pooled() as pool, pytest.raises(DecoderError, match=said):
            pool.submit(photo).result()
