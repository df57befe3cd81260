"""Hours in small: photos of many sizes, bad requests, clients that leave, and nothing that grows.

A short run; `make acceptance` sets GEOGRAPH_TYPES_SOAK_SECONDS.
"""

import base64
import io
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

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


class Sample(NamedTuple):
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


def ask_once(session: requests.Session, url: str, photo: bytes, chance: float) -> int:
    """Ask in one of the ways that there are, and give the status, or 0 for a client that left."""
    if chance < 0.05:
        embeddings = np.zeros((200, 512), np.float32).tolist()
        asked = {"embeddings": embeddings, "distances": [5] * 200}
        return session.post(f"{url}/score", json=asked, timeout=30).status_code
    if chance < 0.1:
        try:
            return requests.post(f"{url}/tag", files={"photo": photo}, timeout=0.01).status_code
        except requests.RequestException:
            return 0
    if chance < 0.2:
        asked = {"image": base64.b64encode(photo).decode(), "model": "clip"}
        return session.post(f"{url}/image", json=asked, timeout=30).status_code
    return session.post(f"{url}/tag", files={"photo": photo}, timeout=30).status_code


def soak(service: Any, seconds: float, warm_up: float) -> tuple[list[Sample], Counter[int]]:
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
                answers[ask_once(session, service.url, photo, chance.random())] += 1

    samples = []
    with ThreadPoolExecutor(CLIENTS) as threads:
        clients = [threads.submit(ask, client) for client in range(CLIENTS)]
        time.sleep(warm_up)
        while time.monotonic() < end:
            memory, running = service.resident_bytes(), service.threads()
            samples.append(Sample(memory, running, service.descriptors()))
            time.sleep(min(1.0, seconds / 100))
        for client in clients:
            client.result()
    return samples, answers


def growth(samples: list[Sample]) -> Sample:
    """Compare the most of the last third with the most of the first: single photos are peaks."""
    third = len(samples) // 3
    first, last = (np.max(some, axis=0) for some in (samples[:third], samples[-third:]))
    return Sample(*(last - first).tolist())


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


def test_leaks_show(start_service: Callable[..., Any], tiny_bundle: Path, tmp_path: Path) -> None:
    program = tmp_path / "leaking.py"
    program.write_text(LEAK)
    service = start_service(tiny_bundle, program=[sys.executable, str(program)])
    samples, _ = soak(service, 15, 5)
    grown = growth(samples)
    print(f"with the leak: {grown}")
    assert grown.memory > GROWTH
