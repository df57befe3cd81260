"""What a worker asks, what it sends, and what it does with what the server says."""

import gzip
import json
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_geograph import FakeGeograph
from worker_rows import draw_vector, encoded, fill, make_row

from geograph_types import CLASSES, TypeTagger
from geograph_types.cli.worker import unique_number

Run = Callable[..., tuple[int, str, str]]
JSON = {"Content-Type": "application/json"}
GZIP = JSON | {"Content-Encoding": "gzip"}


def age(folder: Path, seconds: float) -> None:
    """Change when results came into their state, as if they were older."""
    with sqlite3.connect(folder / "worker.state") as state:
        state.execute("UPDATE results SET changed = changed - ?", (seconds,))
        state.execute("UPDATE settings SET value = value - ? WHERE name LIKE 'last%'", (seconds,))
    state.close()


def test_a_round_asks_as_the_public_scripts_do_and_sends_every_class_over_the_threshold(
    api: FakeGeograph, work: Run, tiny_bundle: Path
) -> None:
    fill(api, 12)
    api.rows[5] = make_row(5, gridimage_id="5", distance=16)
    api.rows[6] = make_row(6, distance="Unknown")
    api.rows[7] = {key: value for key, value in make_row(7).items() if key != "distance"}
    status, out, err = work("--once", "--embeddings", "--limit", 12)
    assert (status, out) == (0, "")
    get, post = api.asked
    assert re.fullmatch(
        r"/api\?model=types&limit=12&unique_number=([0-9]|[12][0-9]|3[01])&embeddings=1", get.path
    )
    assert (post.method, post.path) == ("POST", "/api?model=types")
    assert re.fullmatch(r"geograph-types/[0-9.]+ \(worker\)", get.headers["user-agent"])
    metres = [16.0] * 5 + [None, None] + [16.0] * 5
    vectors = np.stack([draw_vector(number) for number in range(1, 13)])
    scores = TypeTagger(tiny_bundle).score(vectors, metres)
    for number, row in enumerate(scores.tolist(), start=1):
        likely = [(name, p) for name, p in zip(CLASSES, row, strict=True) if p > 0.2]
        assert api.labels()[number] == (likely or [("None", 0)])
    assert api.embeddings() == {}
    assert "1 rounds, 12 rows: 12 labelled, 12 accepted; 2 requests" in err


def test_a_photo_without_any_likely_class_is_none(
    api: FakeGeograph, work: Run, tiny_bundle: Path
) -> None:
    """The head is linear in the embedding, so some direction lowers all seven."""
    tagger = TypeTagger(tiny_bundle)
    basis, metres = np.eye(512, dtype=np.float32), np.full(512, 16.0)
    once, twice = (-np.log(1 / tagger.score(basis * scale, metres) - 1) for scale in (10, 20))
    low = np.linalg.lstsq((twice - once).T / 10, np.full(7, -9.0), rcond=None)[0]
    api.rows[1] = make_row(1, embeddings=encoded(low))
    assert work("--once", "--embeddings")[0] == 0
    assert api.labels() == {1: [("None", 0)]}


def test_the_number_of_a_host_is_stable_and_spread(tmp_path: Path) -> None:
    machine_id = tmp_path / "machine-id"
    without = unique_number(machine_id)
    machine_id.write_bytes(b"\xff")
    assert unique_number(machine_id) == without
    numbers = set()
    for index in range(500):
        machine_id.write_text(f"{index:032x}\n")
        numbers.add(unique_number(machine_id))
        assert unique_number(machine_id) in numbers
    assert numbers == set(range(32))


def test_an_address_with_a_model_and_a_key_keeps_them(api: FakeGeograph, work: Run) -> None:
    fill(api, 1)
    url = f"{api.url}?model=types-v2&tag[]=1&limit=9&tag[]=%E9&key=a%20b"
    assert work("--once", url=url)[0] == 0
    kept = "/api?model=types-v2&tag[]=1&tag[]=%E9&key=a%20b"
    assert api.asked[0].path.startswith(f"{kept}&limit=100&unique_number=")
    assert "embeddings" not in api.asked[0].path
    assert api.asked[1].path == kept.replace("&tag[]=%E9", "&limit=9&tag[]=%E9")


def test_a_dry_run_prints_what_would_be_sent_and_leaves_nothing(
    api: FakeGeograph, work: Run, tmp_path: Path
) -> None:
    fill(api, 3)
    api.rows[4] = make_row(4, embeddings="AAAA")
    status, out, err = work("--dry-run", "--embeddings")
    entries = [json.loads(line) for line in out.splitlines()]
    assert status == 1
    assert {entry["image_id"] for entry in entries} == {1, 2, 3, 4}
    assert {"image_id": 4, "label": "Failed", "score": -1} in entries
    assert "error: photo 4: wrong_length" in err
    assert [one.method for one in api.asked] == ["GET"]
    assert not list(tmp_path.glob("worker.state*"))


def test_rows_that_come_again_are_not_computed_or_sent_again(api: FakeGeograph, work: Run) -> None:
    fill(api, 5)
    api.forgets = True
    api.extra = {"sleep": 0}
    status, _, err = work("--loops", 3, "--embeddings")
    assert (status, len(api.commits)) == (0, 1)
    assert "3 rounds, 15 rows: 5 labelled, 10 given again, 5 accepted; 4 requests" in err


@pytest.mark.parametrize("seconds", [61, -3600.0, -1e9])
def test_what_the_server_has_lost_is_sent_again_without_computing(
    api: FakeGeograph, work: Run, tmp_path: Path, seconds: float
) -> None:
    """Also what a clock that was ahead has noted for the future."""
    fill(api, 5)
    assert work("--once", "--embeddings")[0] == 0
    age(tmp_path, seconds)
    first = api.labels()
    api.commits.clear()
    status, _, err = work("--once", "--embeddings")
    assert (status, api.labels()) == (0, first)
    assert "the server has lost labels of 5 photos: sent again" in err
    assert "5 rows: 0 labelled, 5 given again (5 sent again), 5 accepted" in err


def test_another_bundle_labels_anew(
    api: FakeGeograph, work: Run, tmp_path: Path, another_bundle: Callable[..., Path]
) -> None:
    fill(api, 2)
    assert work("--once", "--embeddings")[0] == 0
    first = api.labels()
    api.commits.clear()
    other = another_bundle(tmp_path / "other", head=9)
    status, _, err = work("--once", "--embeddings", bundle=other)
    assert status == 0
    assert "2 labelled" in err
    assert api.labels() != first


def test_results_wait_for_the_next_run_where_the_server_takes_none(
    api: FakeGeograph, work: Run
) -> None:
    fill(api, 4)
    api.replies = [(500, {}, b"")] * 8
    status, _, err = work("--once", "--embeddings")
    assert status == 2
    assert "status 500" in err
    assert "results of 4 photos wait in " in err
    (key,) = {one.headers["idempotency-key"] for one in api.asked if one.method == "POST"}
    api.asked.clear()
    status, _, err = work("--once", "--embeddings")
    assert (status, "4 accepted" in err) == (0, True)
    assert api.asked[0].headers["idempotency-key"] == key
    assert [one.method for one in api.asked] == ["POST", "GET"]


def test_a_list_that_is_refused_is_halved_until_only_the_bad_one_is_left(
    api: FakeGeograph, work: Run, monkeypatch: Any, tmp_path: Path
) -> None:
    fill(api, 8)
    take = api.take

    def picky(key: str, body: bytes) -> None:
        if b'"image_id":6,' in body:
            raise ValueError
        take(key, body)

    monkeypatch.setattr(api, "take", picky)
    status, _, err = work("--once", "--embeddings")
    assert (status, api.answered()) == (1, {1, 2, 3, 4, 5, 7, 8})
    assert "error: photo 6: the server refuses its labels with status 400" in err
    assert "7 accepted, 1 refused" in err
    api.asked.clear()
    age(tmp_path, 3600)
    assert "1 rows: 0 labelled, 1 given again, 0 accepted" in work("--once", "--embeddings")[2]
    assert [one.method for one in api.asked] == ["GET"]


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ((404, {}, b""), "status 404: there is nothing at this address: check --url"),
        ((403, {}, b""), "status 403: it does not let this machine in"),
        ((302, {"Location": "http://127.0.0.2/x"}, b""), "moved to 'http://127.0.0.2/x'"),
    ],
)
def test_what_will_not_pass_ends_the_worker(
    api: FakeGeograph, work: Run, page: Any, message: str
) -> None:
    api.answers = [page]
    status, _, err = work()
    assert (status, len(api.asked)) == (2, 1)
    assert message in err


BOMB = gzip.compress(b'{"rows": [' + b" " * (200 << 20) + b"]}", 9)


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        ((200, JSON, b'{"rows": [1, 2'), "not JSON with a list of rows"),
        ((200, JSON, b""), "not JSON with a list of rows"),
        ((200, JSON, b"[" * 100_000), "not JSON with a list of rows"),
        ((200, JSON, b'{"rows": "none"}'), "not JSON with a list of rows"),
        ((200, JSON, b"[]"), "not JSON with a list of rows"),
        ((200, JSON, b'{"error": "no \\u001b[31mmodel"}'), "no rows, and says"),
        ((200, JSON, b'{"error": "no such model"}'), "no rows, and says 'no such model'"),
        ((200, {"Content-Type": "text/html"}, b"<h1>Welcome</h1>"), "not JSON"),
        ((200, GZIP, BOMB), "has over 32 MB"),
        ((200, GZIP, BOMB[:500]), "not JSON"),
        ((200, GZIP, b"no gzip at all"), "incorrect header check"),
        ((200, JSON | {"Content-Encoding": "br"}, b"x"), "not JSON"),
        ((200, JSON, b" " * (33 << 20)), "has over 32 MB"),
        ((200, JSON | {"Content-Length": "1000"}, b"{"), "no answer in time|peer closed"),
        ((500, GZIP, b"no gzip at all"), "status 500"),
    ],
    ids=lambda value: None if isinstance(value, tuple) else value,
)
def test_an_answer_that_cannot_be_used_is_asked_for_again(
    api: FakeGeograph, work: Run, page: Any, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geograph_types.worker.transport.READ_SECONDS", 1.0)
    fill(api, 2)
    api.answers = [page]
    status, _, err = work("--once", "--embeddings")
    assert status == 0
    said = rf"the server is not well \(.*({problem}).*\): next try in 0.[0-9] s"
    assert re.search(said, err), err
    assert "\x1b" not in err
    assert "2 accepted; 3 requests, 1 of them without a good answer" in err


def test_json_from_a_script_that_says_html_is_taken(api: FakeGeograph, work: Run) -> None:
    """Also with a byte order mark, and with more rows than were asked for."""
    rows = [make_row(number) for number in range(1, 31)]
    body = gzip.compress(b"\xef\xbb\xbf" + json.dumps({"rows": rows}).encode())
    api.answers = [(200, GZIP | {"Content-Type": "text/html"}, body)]
    status, _, err = work("--once", "--embeddings", "--limit", 10)
    assert (status, api.answered()) == (0, set(range(1, 11)))
    assert "note: 30 rows were given, 10 asked for and used" in err


@pytest.mark.parametrize(
    ("arguments", "url", "message"),
    [
        (["--once", "--loops", 3], "", "--once is --loops 1"),
        (["--dry-run", "--loops", 3], "", "--dry-run works one round"),
        (["--limit", 0], "", "0 is not in the range"),
        (["--pause", "nan"], "", "nan"),
        *(
            (["--once"], url, "give the address of the server's script")
            for url in (
                "example.org/api",
                "ftp://example.org/",
                "file:///etc/passwd",
                "http://",
                "http://a b/",
                "http://user:secret@example.org/",
                "http://[::1/",
                "http://example.org:99999/",
            )
        ),
    ],
)
def test_options_and_addresses_that_cannot_be_used(
    work: Run, tmp_path: Path, arguments: list[Any], url: str, message: str
) -> None:
    status, _, err = work(*arguments, url=url)
    assert status == 2
    assert message in err
    assert ("error: --url " in err) is bool(url)
    assert not (tmp_path / "worker.state").exists()


def test_a_state_file_belongs_to_one_server(api: FakeGeograph, work: Run, tmp_path: Path) -> None:
    fill(api, 1)
    assert work("--once")[0] == 0
    catalog = tmp_path / "tags.catalog"
    catalog.write_bytes(b"no database, but long enough to be taken for one" * 20)
    for state, url, message in (
        ("worker.state", "http://127.0.0.1:9/api", f"it belongs to {api.url}: name another file"),
        ("tags.catalog", "", "it is not a state file: name another file"),
        ("none/worker.state", "", "it cannot be written (No such file or directory)"),
    ):
        status, _, err = work("--once", "--state", tmp_path / state, url=url)
        assert status == 2
        assert message in err


def test_a_key_in_the_address_is_neither_shown_nor_readable_by_others(
    api: FakeGeograph, work: Run, tmp_path: Path
) -> None:
    fill(api, 1)
    url, state = f"{api.url}?key=SECRET", tmp_path / "worker.state"
    state.touch(0o644)  # as an earlier version has left it
    said = work("--once", url=url)[2]
    assert not [path for path in tmp_path.glob("worker.state*") if path.stat().st_mode & 0o077]
    api.answers = [(302, {"Location": "http://127.0.0.2/?key=SECRET"}, b"")]
    said += work("--once", url=url)[2]
    api.answers = [(500, {}, b"")] * 8
    for other in (
        url,
        f"{url}2",
        "http://user:SECRET@127.0.0.1/",
        "http://user:SEC/RET@127.0.0.1/",
    ):
        said += work("--once", url=other)[2]
    assert f"it belongs to {api.url} with other parameters: name another file" in said
    assert "SECRET" not in said
    assert "SEC/" not in said
