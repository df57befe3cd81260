"""What the service makes of requests that follow its description, or do not, and of bad photos.

A short run; `make acceptance` sets GEOGRAPH_TYPES_FUZZ_SECONDS and GEOGRAPH_TYPES_FUZZ_PHOTOS.
"""

import io
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import requests
from PIL import Image

from geograph_types.errors import PhotoFault

SECONDS: Final = int(os.environ.get("GEOGRAPH_TYPES_FUZZ_SECONDS", "20"))
PHOTOS: Final = int(os.environ.get("GEOGRAPH_TYPES_FUZZ_PHOTOS", "200"))
KINDS: Final = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")

NOT_CHECKED: Final = "positive_data_acceptance"
"""No description says which base64 texts are photos, so most that fit it are refused."""


@pytest.fixture(scope="module")
def service(start_service: Callable[..., Any], tiny_bundle: Path) -> Any:
    return start_service(tiny_bundle)


def test_every_answer_is_as_described(service: Any, tmp_path: Path) -> None:
    command = [Path(sys.executable).parent / "schemathesis", "run", f"{service.url}/openapi.json"]
    command += ["--max-time", str(SECONDS), "--exclude-checks", NOT_CHECKED, "--no-color"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    summary = done.stdout.partition("== SUMMARY ==")[2]
    print(summary)
    assert done.returncode == 0, done.stdout[:4000] + summary
    assert service.process.poll() is None
    assert "geograph_types_requests_total" in requests.get(f"{service.url}/metrics").text


def damaged(seed: int) -> bytes:
    """Cut a photo off, change bits of it, or put noise behind its head."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (30, 40, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((400, 300)).save(file, KINDS[seed % len(KINDS)])
    data = bytearray(file.getvalue())
    match seed // len(KINDS) % 3:
        case 0:
            return bytes(data[: int(len(data) * rng.uniform(0.001, 0.6))])
        case 1:
            head = int(rng.integers(4, 40))
            return bytes(data[:head]) + rng.bytes(len(data) - head)
        case _:
            # Most damage is to headers, since the rest of many formats is data like any other.
            for place in rng.integers(0, min(600, len(data)), 60):
                data[place] = rng.integers(256)
            return bytes(data[: len(data) * 2 // 3])


def test_each_damaged_photo_is_refused_with_a_reason(service: Any) -> None:
    def refusal(seed: int) -> tuple[int, str]:
        photo = damaged(seed)
        response = requests.post(f"{service.url}/tag", files={"photo": photo}, timeout=30)
        # A TIFF or JPEG file may be whole enough to be used.
        return response.status_code, response.json().get("reason", "used")

    with ThreadPoolExecutor(2) as threads:
        answers = Counter(threads.map(refusal, range(PHOTOS)))
    print(sorted(answers.items()))
    assert sum(answers.values()) == PHOTOS
    assert all(status == 200 or 400 <= status < 500 for status, _ in answers)
    assert {reason for _, reason in answers} <= {*PhotoFault, "used", "empty_image"}
    used = sum(count for (status, _), count in answers.items() if status == 200)
    assert used < PHOTOS / 10
    assert service.process.poll() is None
