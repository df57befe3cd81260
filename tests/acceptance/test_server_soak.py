"""Hours in small: photos of many sizes and bad requests, and nothing that grows.

A short run; `make acceptance` sets GEOGRAPH_TYPES_SOAK_SECONDS.
"""

import io
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import requests
from PIL import Image

SECONDS: Final = int(os.environ.get("GEOGRAPH_TYPES_SOAK_SECONDS", "30"))
WARM_UP: Final = SECONDS / 10 if SECONDS >= 600 else SECONDS / 3
CLIENTS: Final = 4
GROWTH: Final = 20 << 20
SIZES: Final = ((640, 480), (640, 427), (1024, 768), (3000, 2000), (4000, 3000))

LEAK: Final = """
import sys
from geograph_types.cli.main import run
from geograph_types.serve.decoding import Decoder
kept = []
decode = Decoder.decode
def leaking(self, data, deadline):
    kept.append(bytearray(data) * 4)
    return decode(self, data, deadline)
Decoder.decode = leaking
run()
"""


@dataclass(frozen=True)
class Sample:
    """What the service holds at one time."""

    memory: int
    threads: int
    descriptors: int


def photos() -> list[bytes]:
    rng = np.random.default_rng(4)
    drawn = []
    for number, size in enumerate(SIZES * 2):
        file = io.BytesIO()
        pixels = rng.integers(0, 256, (30, 40, 3), np.uint8)
        kind = "JPEG" if number % 5 != 1 else "WEBP"
        Image.fromarray(pixels).resize(size).save(file, kind, quality=85)
        drawn.append(file.getvalue())
    return drawn


def soak(service: Any, seconds: float, warm_up: float) -> tuple[list[Sample], Counter[int]]:
    """Ask without a pause, and take samples after the first part."""
    drawn = photos()
    end = time.monotonic() + seconds
    answers: Counter[int] = Counter()

    def ask(client: int) -> None:
        chance = random.Random(client)
        with requests.Session() as session:
            while time.monotonic() < end:
                photo = chance.choice(drawn)
                if chance.random() < 0.1:
                    photo = photo[: chance.randrange(len(photo) // 2)]
                sent = session.post(f"{service.url}/tag", files={"photo": photo}, timeout=30)
                answers[sent.status_code] += 1

    samples = []
    with ThreadPoolExecutor(CLIENTS) as threads:
        for client in range(CLIENTS):
            threads.submit(ask, client)
        time.sleep(warm_up)
        while time.monotonic() < end:
            memory, running = service.resident_bytes(), service.threads()
            samples.append(Sample(memory, running, service.descriptors()))
            time.sleep(min(1.0, seconds / 100))
    return samples, answers


def growth(samples: list[Sample]) -> Sample:
    """Compare the most of the last third with the most of the first: single photos are peaks."""
    third = len(samples) // 3
    first, last = samples[:third], samples[-third:]
    return Sample(
        max(s.memory for s in last) - max(s.memory for s in first),
        max(s.threads for s in last) - max(s.threads for s in first),
        max(s.descriptors for s in last) - max(s.descriptors for s in first),
    )


def test_nothing_grows(start_service: Callable[..., Any], int8_bundle: Path) -> None:
    service = start_service(int8_bundle)
    samples, answers = soak(service, SECONDS, WARM_UP)
    grown = growth(samples)
    print(f"{dict(answers)}, most {max(s.memory for s in samples) / 1e6:.0f} MB, grown {grown}")
    assert answers[200] > 10 * SECONDS / 3
    assert any(400 <= status < 500 for status in answers)
    assert not any(status == 500 for status in answers)
    assert grown.memory <= GROWTH
    assert grown.threads <= 0
    assert grown.descriptors <= CLIENTS


def test_a_planted_leak_is_found(
    start_service: Callable[..., Any], tiny_bundle: Path, tmp_path: Path
) -> None:
    program = tmp_path / "leaking.py"
    program.write_text(LEAK)
    service = start_service(tiny_bundle, program=[sys.executable, str(program)])
    samples, _ = soak(service, 15, 5)
    grown = growth(samples)
    print(f"with the leak: {grown}")
    assert grown.memory > GROWTH
