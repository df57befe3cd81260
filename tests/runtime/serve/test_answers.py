"""What the service answers to those who ask as they should, and to those who do not."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image
from placed_photos import placed_a_minute_apart
from raw_connections import FORM, figure, tag

from geograph_types import Distance, TypeTagger
from geograph_types.decoding.open import decoding_memory
from geograph_types.distance.grid import parse_grid_reference


@pytest.fixture(scope="module")
def tagger(tiny_bundle: Path) -> TypeTagger:
    return TypeTagger(tiny_bundle)


def test_a_client_of_the_former_service_works_unchanged(
    service: Any, tagger: TypeTagger, photo: Path
) -> None:
    image = base64.b64encode(photo.read_bytes()).decode()
    response = requests.post(f"{service.url}/image", json={"image": image, "model": "clip"})
    assert response.status_code == 200
    assert np.array_equal(np.array(response.json(), np.float32), tagger.embed([photo])[0])
    for bad in ({"image": "", "model": "clip"}, {"image": image, "model": "resnet"}):
        assert requests.post(f"{service.url}/image", json=bad).status_code == 400
    broken = base64.encodebytes(photo.read_bytes()).decode()
    assert requests.post(f"{service.url}/image", json={"image": broken}).json() == response.json()
    assert requests.get(f"{service.url}/health").json() == {"status": "ok"}


HERE, THERE = "TQ 2990 8040", "TQ 2990 8050"


@pytest.mark.parametrize(
    ("fields", "distance", "source"),
    [
        ({}, Distance.unknown(), "unknown"),
        ({"distance": ""}, Distance.unknown(), "unknown"),
        ({"distance": "Unknown"}, Distance.unknown(), "unknown"),
        ({"distance": "120"}, Distance.from_metres(120), "given"),
        (
            {"camera": HERE, "subject": THERE},
            Distance.between(parse_grid_reference(HERE), parse_grid_reference(THERE)),
            "given",
        ),
        ({"camera": HERE}, Distance.unknown(), "unknown"),
    ],
)
def test_a_photo_is_tagged_as_the_library_tags_it(
    service: Any,
    tagger: TypeTagger,
    photo: Path,
    fields: dict[str, str],
    distance: Distance,
    source: str,
) -> None:
    answer = tag(service, photo.read_bytes(), **fields).json()
    expected = tagger.tag(photo, distance)
    assert answer["tags"] == list(expected.tags)
    assert answer["low_confidence"] is expected.low_confidence
    assert answer["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)
    assert answer["distance"] == {
        "metres": distance.metres,
        "bucket": distance.bucket,
        "basis": distance.basis.value,
        "source": source,
        "cross_grid": distance.crossing.value,
    }
    assert (answer["model"], answer["stand_in"]) == (expected.model, True)
    assert "embedding" not in answer
    request = {"image": base64.b64encode(photo.read_bytes()).decode(), **fields}
    assert requests.post(f"{service.url}/tag", json=request).json() == answer


def test_positions_in_a_photo_decide_where_the_request_gives_none(
    service: Any, make_jpeg: Callable[..., bytes]
) -> None:
    placed = placed_a_minute_apart(Image.open(io.BytesIO(make_jpeg())))
    own = tag(service, placed).json()["distance"]
    assert own["metres"] == pytest.approx(1852, rel=0.01)
    assert (own["source"], own["basis"], own["cross_grid"]) == ("exif", "positions", "crossed")
    given = tag(service, placed, distance="5").json()["distance"]
    assert (given["metres"], given["source"]) == (5, "given")


def typed(body: bytes, kind: str) -> dict[str, Any]:
    return {"data": body, "headers": {"Content-Type": kind}}


@pytest.mark.parametrize(
    ("path", "sent", "status", "reason"),
    [
        ("/image", {"data": b""}, 415, "content_type"),
        ("/image", typed(b"{", "application/json"), 400, "bad_json"),
        ("/image", {"json": []}, 400, "bad_request"),
        ("/image", {"json": {"image": 5}}, 400, "bad_request"),
        ("/image", {"json": {"image": "\u00fc"}}, 400, "bad_base64"),
        ("/image", {"json": {"image": "AAAAA"}}, 400, "bad_base64"),
        ("/image", {"json": {"image": "aGVsbG8="}}, 415, "not_an_image"),
        ("/tag", {"data": {"photo": "x"}}, 415, "content_type"),
        ("/tag", {"files": {"other": b"x"}}, 400, "empty_image"),
        ("/tag", {"files": {"photo": b""}}, 400, "empty_image"),
        ("/tag", {"files": {"photo": b"%PDF-1.7"}}, 415, "not_an_image"),
        ("/tag", {"files": {"photo": b"x", "camera": b"y" * 2000}}, 400, "bad_request"),
        ("/tag", {"files": {"photo": b"x", "camera": b"\xff"}}, 400, "bad_request"),
        ("/tag", {"files": {f"n{i}": b"x" for i in range(30)}}, 400, "bad_multipart"),
        ("/tag", {"files": {"photo": b"x"}, "data": {"distance": "far"}}, 422, "bad_distance"),
        ("/tag", {"files": {"photo": b"x"}, "data": {"camera": "ZZ 1"}}, 422, "bad_position"),
        ("/tag", typed(b"--b\r\n", FORM), 400, "bad_multipart"),
        ("/tag", typed(b"--b\r\n", f"{FORM}{'b' * 300}"), 400, "bad_multipart"),
        ("/tag", typed(b"--b\r\n", "multipart/form-data"), 400, "bad_multipart"),
        ("/score", {"data": b"x"}, 415, "content_type"),
        ("/score", {"files": {"embeddings": bytes(2048)}}, 400, "bad_request"),
        (
            "/score",
            {"files": {"embeddings": bytes(2047)}, "data": {"distances": "[1]"}},
            400,
            "bad_embedding",
        ),
        (
            "/score",
            {"files": {"embeddings": bytes(2048 * 10_001)}, "data": {"distances": "[1]"}},
            422,
            "too_many_rows",
        ),
        ("/tag?embedding=perhaps", {"json": {"image": "aGVsbG8="}}, 400, "bad_request"),
        ("/nowhere", {"json": {}}, 404, "not_found"),
        ("/health", {"json": {}}, 405, "method_not_allowed"),
    ],
)
def test_what_cannot_be_answered_has_a_status_and_a_reason(
    service: Any, path: str, sent: dict[str, Any], status: int, reason: str
) -> None:
    response = requests.post(service.url + path, **sent)
    problem = response.json()
    assert (response.status_code, problem["reason"]) == (status, reason)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert set(problem) == {"type", "title", "status", "detail", "reason"}
    assert problem["status"] == status


def test_damaged_photos_are_refused_and_the_next_is_answered(
    service: Any, make_jpeg: Callable[..., bytes]
) -> None:
    whole = make_jpeg()
    rng = np.random.default_rng(2)
    for length in (2, 100, len(whole) // 3):
        assert tag(service, whole[:length]).status_code in (415, 422)
    for _ in range(40):
        damaged = bytearray(whole)
        for place in rng.integers(2, len(damaged), 30):
            damaged[place] = rng.integers(256)
        response = tag(service, bytes(damaged))
        assert response.status_code == 200 or response.json()["reason"]
        assert response.status_code < 500
    cut = tag(service, whole[:-20])
    assert (cut.status_code, cut.json()["warnings"]) == (200, ["the file is cut off"])
    assert tag(service, whole).json()["warnings"] == []


@pytest.mark.parametrize(
    ("kind", "size"), [("PNG", (9_000, 9_000)), ("WEBP", (4_000, 3_000)), ("AVIF", (5_000, 3_000))]
)
def test_memory_is_known_before_a_photo_is_decoded(
    service: Any, kind: str, size: tuple[int, int]
) -> None:
    """One that would take too much is refused, and another takes no more than was expected."""
    large, small = io.BytesIO(), io.BytesIO()
    Image.new("RGB", size).save(large, kind)
    before = service.resident_bytes()
    response = tag(service, large.getvalue())
    assert (response.status_code, response.json()["reason"]) == (413, "too_many_pixels")
    assert service.resident_bytes() - before < 50 << 20
    Image.new("RGB", (3_600, 2_500), (9, 99, 200)).save(small, kind)
    photo = small.getvalue()
    service.forget_peak()
    before = service.resident_bytes()
    assert tag(service, photo).status_code == 200
    assert service.peak_bytes() - before < decoding_memory(photo) + 2 * len(photo) + (24 << 20)


def test_a_photo_that_takes_long_to_decode_is_answered(start: Callable[..., Any]) -> None:
    file = io.BytesIO()
    Image.new("RGB", (10_000, 10_000), (9, 99, 200)).save(file, "PNG")
    service = start("--memory-limit", "2000")
    assert tag(service, file.getvalue()).status_code == 200
    assert figure(service, 'stage_seconds_sum{stage="decode"}') > 0.9


def test_head_is_answered_as_get_without_a_body(service: Any) -> None:
    for path in ("/", "/health", "/ready", "/docs", "/nowhere", "/tag"):
        whole, head = requests.get(service.url + path), requests.head(service.url + path)
        assert (head.status_code, head.content) == (whole.status_code, b"")
        for name in ("Content-Length", "Content-Type", "Content-Security-Policy"):
            assert head.headers[name] == whole.headers[name]


def test_figures_and_descriptions_need_no_other_host(service: Any) -> None:
    figures = requests.get(f"{service.url}/metrics").text
    for name in ("stage_seconds", "batch_photos", "refusals_total", "waiting_requests"):
        assert f"geograph_types_{name}" in figures
    assert "process_resident_memory_bytes" in figures
    page = requests.get(f"{service.url}/docs")
    assert page.status_code == 200
    assert "//" not in page.text.replace("http://127.0.0.1", "")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_the_examples_of_the_description_are_answered(service: Any) -> None:
    paths = requests.get(f"{service.url}/openapi.json").json()["paths"]
    assert {"/image", "/tag", "/score", "/ready", "/metrics"} <= paths.keys()
    for path in ("/image", "/tag"):
        content = paths[path]["post"]["requestBody"]["content"]
        response = requests.post(service.url + path, json=content["application/json"]["example"])
        assert response.status_code == 200
    assert response.json()["distance"]["cross_grid"] == "crossed"


def test_places_may_be_latitude_and_longitude_but_not_on_two_grids(
    service: Any, photo: Path
) -> None:
    data = photo.read_bytes()
    answer = tag(service, data, camera="51.5000, -0.1200", subject="51.5100, -0.1200").json()
    assert answer["distance"]["metres"] == pytest.approx(1112, abs=5)
    response = tag(service, data, camera="O 159 340", subject="TQ 299 804")
    assert (response.status_code, response.json()["reason"]) == (422, "bad_position")


@pytest.mark.parametrize(
    ("form", "warned"),
    [
        ({"camera": "TQ 29 80", "subject": "TQ 31 80"}, True),
        ({"camera": "51.50, -0.12", "subject": "51.51, -0.12"}, True),
        ({"camera": "TQ 29 80", "subject": "TQ 31 80", "distance": "2000"}, False),
        ({"camera": "TQ 299 804", "subject": "TQ 310 804"}, False),
    ],
)
def test_positions_that_are_too_coarse_for_a_distance_are_said_to_be(
    service: Any, photo: Path, form: dict[str, str], warned: bool
) -> None:
    answer = tag(service, photo.read_bytes(), **form).json()
    assert (answer["distance"]["metres"] is None) is warned
    said = ["too coarse to give a distance" in text for text in answer["warnings"]]
    assert said == [True] * warned
