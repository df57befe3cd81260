"""Images are fetched from where the server says, and from nowhere else."""

import base64
import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_geograph import FakeGeograph, serve
from PIL import Image
from worker_rows import make_row

from geograph_types import TypeTagger

Run = Callable[..., tuple[int, str, str]]
JPEG = {"Content-Type": "image/jpeg"}
FAILED = [("Failed", -1)]


def jpeg(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((64, 48)).save(buffer, "JPEG")
    return buffer.getvalue()


def page(number: int) -> Any:
    return 200, JPEG, jpeg(number)


def image_row(number: int, **changes: Any) -> dict[str, Any]:
    return {"gridimage_id": number, "distance": "16", "fullpath": f"/{number}.jpg"} | changes


def fill(api: FakeGeograph, count: int) -> None:
    api.extra = {"prefix": api.host}
    api.rows |= {number: image_row(number) for number in range(1, count + 1)}
    api.pages |= {f"/{number}.jpg": page(number) for number in range(1, count + 1)}


def fetched(api: FakeGeograph) -> list[str]:
    return [one.path for one in api.asked if one.path.endswith(".jpg")]


def failed(api: FakeGeograph) -> list[int]:
    return [number for number, labels in api.labels().items() if labels == FAILED]


def test_images_give_labels_and_embeddings(
    api: FakeGeograph, work: Run, tiny_bundle: Path, tmp_path: Path
) -> None:
    fill(api, 20)
    api.pages |= {"/moved.jpg": page(1), "/1.jpg": (301, {"Location": "/moved.jpg"}, b"")}
    left = tmp_path / ".worker.state.fetched" / "7"
    left.parent.mkdir()
    left.write_bytes(b"by a worker that was killed")
    status, out, _ = work("--dry-run")
    entries = [json.loads(line) for line in out.splitlines()]
    assert (status, api.commits) == (0, [])
    assert sum(entry.get("type") == "image" for entry in entries) == 20
    status, _, err = work("--once")
    assert status == 0
    assert "20 labelled, 20 accepted" in err
    tagger = TypeTagger(tiny_bundle)
    assert api.answered() == set(range(1, 21))
    for number in (1, 20):
        sent = api.embeddings()[number]
        assert (sent["image_id"], sent["type"]) == (number, "image")
        vector = np.frombuffer(base64.b64decode(sent["embeddings"]), "<f4")
        np.testing.assert_allclose(vector, tagger.embed([jpeg(number)])[0], rtol=1e-4, atol=1e-4)
        scores = tagger.score(vector[None], [16.0])[0]
        assert len(api.labels()[number]) == max(1, int((scores > 0.2).sum()))
    assert len(api.embeddings()) == 20
    assert not left.parent.exists()


def test_a_worker_that_is_killed_while_it_delivers_fetches_no_image_twice(
    api: FakeGeograph, program: Any
) -> None:
    fill(api, 40)
    worker = program.start("--limit", 20)

    def act() -> None:
        worker.kill()
        worker.wait()

    api.wait(lambda: len(api.asked) > 0)
    api.at_commit = act
    assert worker.wait(60) < 0
    second = program.start("--limit", 20)
    api.wait(lambda: len(api.embeddings()) == 40)
    second.terminate()
    assert second.wait(60) == 130
    assert api.answered() == set(range(1, 41))
    assert set(api.effective().values()) == {1}
    assert Counter(fetched(api)) == {f"/{number}.jpg": 1 for number in range(1, 41)}


BAD: dict[str, tuple[dict[str, Any], Any, str]] = {
    "no image": ({}, (200, JPEG, b"<h1>Sorry</h1>"), "not_an_image"),
    "a page that says it is": ({}, (200, {"Content-Type": "text/html"}, b"<h1>"), "not_an_image"),
    "empty": ({}, (200, JPEG, b""), "empty_file"),
    "cut off": ({}, (200, JPEG, jpeg(3)[:300]), "damaged"),
    "gone": ({}, (404, {}, b""), "not_there"),
    "forbidden": ({}, (403, {}, b""), "not_there"),
    "too large": ({}, (200, JPEG, b"\xff\xd8" + bytes(33 << 20)), "too_large"),
    "a loop of redirects": ({}, (302, {"Location": "/2.jpg"}, b""), "bad_address"),
    "a redirect to a file": ({}, (302, {"Location": "file:///etc/passwd"}, b""), "bad_address"),
    "a redirect elsewhere": ({}, (301, {"Location": "http://127.0.0.2/"}, b""), "bad_address"),
    "another host": ({"fullpath": "@127.0.0.2/x.jpg"}, None, "bad_address"),
    "another port": ({"fullpath": "0/x.jpg"}, None, "bad_address"),
    "a longer host": ({"fullpath": ".example.org/x.jpg"}, None, "bad_address"),
    "a line end": ({"fullpath": "/x.jpg\r\nHost: x"}, None, "bad_address"),
    "a distance that is none": ({"distance": "far"}, (200, JPEG, jpeg(2)), "bad_distance"),
}


def test_every_bad_image_costs_itself(api: FakeGeograph, work: Run) -> None:
    fill(api, 2 * len(BAD))
    for number, (changes, answer, _) in enumerate(BAD.values(), start=len(BAD) + 1):
        api.rows[number] |= {"fullpath": f"/bad{number}.jpg"} | changes  # type: ignore[operator]
        if answer:
            api.pages[f"/bad{number}.jpg"] = answer
    api.pages["/2.jpg"] = (302, {"Location": "/2.jpg"}, b"")
    api.rows.pop(2)
    status, _, err = work("--once")
    assert status == 1
    for number, (kind, (_, _, fault)) in enumerate(BAD.items(), start=len(BAD) + 1):
        assert api.labels()[number] == FAILED, kind
        assert f"error: photo {number}: {fault}: " in err, kind
        assert number not in api.embeddings()
    assert set(api.embeddings()) == set(range(1, len(BAD) + 1)) - {2}
    assert api.answered() == set(api.rows)


@pytest.mark.parametrize("name", ["localhost", "127.1", "0.0.0.0", "[::1]", "2130706433"])
def test_a_prefix_leads_to_no_private_address(api: FakeGeograph, work: Run, name: str) -> None:
    with serve(FakeGeograph()) as other:
        other.pages["/secret.jpg"] = page(1)
        api.extra = {"prefix": f"http://{name}:{other.host.rpartition(':')[2]}"}
        api.rows[1] = image_row(1, fullpath="/secret.jpg")
        status, _, err = work("--once")
    assert status == 1
    assert "error: photo 1: bad_address: host " in err
    assert api.labels() == {1: FAILED}
    assert other.asked == []


@pytest.mark.parametrize("prefix", ["file://", "file:///etc", "/etc", "gopher://127.0.0.1", "", 7])
def test_a_prefix_reads_no_local_file(
    api: FakeGeograph, work: Run, tmp_path: Path, prefix: object
) -> None:
    (tmp_path / "local.jpg").write_bytes(jpeg(1))
    api.extra = {"prefix": prefix}
    api.rows[1] = image_row(1, fullpath=str(tmp_path / "local.jpg"))
    status, _, err = work("--once")
    assert status == 1
    assert "photo 1: bad_address" in err or "photo 1: not_there: status 404" in err
    assert api.labels() == {1: FAILED}


def test_an_image_whose_server_fails_is_left_and_in_the_end_given_up(
    api: FakeGeograph, work: Run
) -> None:
    fill(api, 3)
    api.pages["/2.jpg"] = (500, {}, b"")
    status, _, err = work("--loops", 2)
    assert (status, api.answered()) == (1, {1, 3})
    assert "image of photo 2 left for later: status 500" in err
    api.pages["/2.jpg"] = page(2)
    assert (work("--loops", 1)[0], api.answered()) == (0, {1, 2, 3})
    api.rows[4] = image_row(4)
    api.pages["/4.jpg"] = (500, {}, b"")
    status, _, err = work("--loops", 3)
    assert (status, failed(api)) == (1, [4])
    assert "error: photo 4: unreachable: status 500" in err


def test_a_worker_that_is_shut_out_fails_no_image(api: FakeGeograph, work: Run) -> None:
    fill(api, 20)
    api.pages |= {f"/{number}.jpg": (403, {}, b"") for number in range(4, 21)}
    status, _, err = work("--once")
    assert (status, api.answered()) == (1, {1, 2, 3})
    assert "image of photo 4 left for later: status 403" in err
    assert "12 images left for later: their server lets this machine have none" in err
    assert len(fetched(api)) == 8
    api.pages |= {f"/{number}.jpg": page(number) for number in range(5, 21)}
    assert work("--once")[0] == 1
    assert (failed(api), len(api.embeddings())) == ([4], 19)


def test_an_outage_of_the_images_fails_none_of_them(api: FakeGeograph, work: Run) -> None:
    fill(api, 12)
    good = dict(api.pages)
    api.pages |= {path: (503, {}, b"") for path in good}
    status, _, err = work("--loops", 4)
    assert (status, api.answered()) == (1, set())
    assert "7 images left for later: their server is away" in err
    api.pages |= good
    assert work("--once")[0] == 0
    assert api.answered() == set(range(1, 13))


def test_where_all_images_are_gone_at_once_none_has_failed_until_they_stay_away(
    api: FakeGeograph, work: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(api, 12)
    good = dict(api.pages)
    api.pages.clear()
    status, _, err = work("--loops", 2)
    assert (status, api.answered()) == (1, set())
    assert err.count("left for later: status 404") == 24
    api.pages |= {path: answer for path, answer in good.items() if path != "/7.jpg"}
    assert work("--once")[0] == 1
    assert (failed(api), len(api.embeddings())) == ([7], 11)
    api.rows |= {number: image_row(number) for number in (13, 14)}
    monkeypatch.setattr("geograph_types.worker.images.PATIENCE", 3)
    status, _, err = work("--loops", 3)
    assert status == 1
    assert err.count("left for later: status 404") == 4
    assert "error: photo 13: not_there: status 404" in err
    assert failed(api) == [7, 13, 14]


def test_a_bundle_without_an_encoder_scores_stored_embeddings_only(
    api: FakeGeograph, work: Run, head_bundle: Path
) -> None:
    fill(api, 2)
    api.rows[3] = make_row(3)
    status, _, err = work("--once", "--embeddings", bundle=head_bundle)
    assert (status, api.answered()) == (1, {3})
    assert "2 images left for later: the bundle has no encoder" in err
    status, _, err = work("--once", bundle=head_bundle)
    assert status == 2
    assert "encoder" in err


@pytest.mark.parametrize("url", ["http://198.51.100.1/api", "https://example.org/api"])
def test_embeddings_of_a_stand_in_reach_no_archive(work: Run, url: str) -> None:
    status, _, err = work("--once", url=url)
    assert status == 2
    assert "has a stand-in encoder, whose embeddings would spoil an archive" in err


def test_a_server_of_images_that_asks_for_rest_gets_it(api: FakeGeograph, program: Any) -> None:
    fill(api, 6)
    api.pages["/3.jpg"] = (429, {"Retry-After": "2"}, b"")
    worker = program.start("--loops", 2)
    api.wait(lambda: "/3.jpg" in fetched(api))
    api.pages["/3.jpg"] = page(3)
    assert worker.wait(60) == 0
    assert fetched(api)[:4] == ["/1.jpg", "/2.jpg", "/3.jpg", "/3.jpg"]
    first, second = [one.at for one in api.asked if one.path == "/3.jpg"]
    assert second - first >= 2
    assert "3 images left for later: their server asks for 2 seconds of rest" in program.said()
    assert set(api.embeddings()) == set(range(1, 7))
