"""Stored embeddings scored over HTTP, and rows that cannot be."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from geograph_types import CLASSES, TypeTagger
from geograph_types.serve.payloads import score_payload


def test_an_embedding_that_was_given_is_scored_alike(service: Any, photo: Path) -> None:
    sent = {"files": {"photo": photo.read_bytes()}, "data": {"distance": "300"}}
    tagged = requests.post(f"{service.url}/tag?embedding=true", **sent).json()
    rows = {"embeddings": [tagged["embedding"]] * 3, "distances": [300, None, 0]}
    scored = requests.post(f"{service.url}/score", json=rows).json()
    assert scored["classes"] == list(CLASSES)
    assert scored["probabilities"][0] == pytest.approx(list(tagged["probabilities"].values()))
    assert scored["probabilities"][1] != scored["probabilities"][2]
    assert scored["tags"][0] == tagged["tags"]
    assert len(scored["low_confidence"]) == 3


def test_ten_thousand_rows_are_scored_in_one_request(service: Any, tiny_bundle: Path) -> None:
    rng = np.random.default_rng(1)
    embeddings = rng.normal(0, 0.5, (10_000, 512)).astype("<f4")
    metres = [None, *rng.uniform(0, 10_000, 9_999).round(1).tolist()]
    sent = {"embeddings": embeddings.tobytes(), "distances": json.dumps(metres)}
    response = requests.post(f"{service.url}/score", files=sent)
    assert response.status_code == 200
    expected = TypeTagger(tiny_bundle).score(embeddings, metres)
    assert np.allclose(response.json()["probabilities"], expected, atol=1e-6)


VECTOR = [0.5] * 512


@pytest.mark.parametrize(
    ("rows", "status", "reason"),
    [
        ({}, 400, "bad_request"),
        ({"embeddings": [], "distances": [1]}, 400, "bad_request"),
        ({"embeddings": [], "distances": []}, 400, "bad_request"),
        ({"embeddings": 3, "distances": []}, 400, "bad_embedding"),
        ({"embeddings": "[[1]]", "distances": []}, 400, "bad_embedding"),
        ({"embeddings": [1.0] * 512, "distances": [1]}, 400, "bad_embedding"),
        ({"embeddings": [VECTOR[1:]], "distances": [1]}, 400, "bad_embedding"),
        ({"embeddings": [VECTOR, 5, VECTOR], "distances": [1, 1, 1]}, 400, "bad_embedding"),
        ({"embeddings": [[*VECTOR[1:], "]"]], "distances": [1]}, 400, "bad_json"),
        ({"embeddings": [[*VECTOR[1:], None]], "distances": [1]}, 400, "bad_request"),
        ({"embeddings": [VECTOR], "distances": ["far"]}, 400, "bad_request"),
        ({"embeddings": [VECTOR], "distances": [-1]}, 422, "bad_distance"),
        ({"embeddings": [[0.0] * 512], "distances": [1]}, 422, "bad_embedding"),
        ({"embeddings": [[*VECTOR[1:], 1e39]], "distances": [1]}, 422, "bad_embedding"),
        ({"embeddings": [[1 / 512**0.5] * 512], "distances": [1]}, 422, "bad_embedding"),
        ({"embeddings": [[]] * 10_001, "distances": []}, 422, "too_many_rows"),
        ({"embeddings": [VECTOR], "distances": [0] * 500_000}, 422, "too_many_rows"),
    ],
)
def test_rows_that_cannot_be_scored(
    service: Any, rows: dict[str, Any], status: int, reason: str
) -> None:
    response = requests.post(f"{service.url}/score", json=rows)
    assert (response.status_code, response.json()["reason"]) == (status, reason)


def test_the_row_that_cannot_be_scored_is_named(service: Any) -> None:
    for rows, detail in (
        ({"embeddings": [VECTOR] * 3, "distances": [1, None, -2]}, "distance 2: -2.0 is not a"),
        ({"embeddings": [VECTOR, [1e39] * 512], "distances": [1, 1]}, "embedding 1 is refused"),
    ):
        problem = requests.post(f"{service.url}/score", json=rows).json()
        assert problem["detail"].startswith(detail)


def test_a_number_beyond_float32_is_read_without_a_warning() -> None:
    body = json.dumps({"embeddings": [[*VECTOR[1:], -1e39]], "distances": [None]}).encode()
    embeddings, _ = score_payload(body, "application/json")
    assert embeddings[0, -1] == -np.inf
