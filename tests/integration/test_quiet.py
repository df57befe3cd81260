"""No command asks for a name that its arguments do not contain, or writes where it was not told to.

Each runs in a network namespace whose name server records all questions.
"""

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from watched_run import WatchedRun, missing_namespaces, run_watched

PROGRAM = [sys.executable, "-m", "geograph_types.cli"]

REASON = missing_namespaces()
pytestmark = pytest.mark.skipif(bool(REASON), reason=f"no network namespaces: {REASON}")

COMMANDS = {
    "tag": "tag {photos} --bundle {bundle} --out tags.csv --report page.html",
    "catalog": "tag {photos} --bundle {bundle} --catalog tags.catalog",
    "score": "score {data} --bundle {bundle} --out scores.jsonl",
    "doctor": "doctor --bundle {bundle}",
    "bundle show": "bundle show {bundle}",
    "bundle verify": "bundle verify {bundle}",
}
"""Commands of the README that end by themselves and soon, with the fixtures below."""

SERVE = """
import re, subprocess, sys, time, urllib.request
bundle, photo = sys.argv[1:]
command = [sys.executable, "-m", "geograph_types.cli", "serve", "--bundle", bundle, "--port", "0"]
with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
    lines = (re.search(r"listening on .*:(\\d+)", line) for line in service.stderr)
    port = next(found[1] for found in lines if found)
    body = b'--b\\r\\nContent-Disposition: form-data; name="photo"\\r\\n\\r\\n'
    body += open(photo, "rb").read() + b"\\r\\n--b--"
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/tag", body, headers)
    print(urllib.request.urlopen(request).read())
    time.sleep(5)
    service.terminate()
sys.exit(service.returncode)
"""
"""Start the service, have a photo tagged, wait, and stop it."""

PLANTED = "import socket; socket.getaddrinfo('planted.example', 80)"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three stored embeddings, in the form of the published dataset."""
    path = tmp_path_factory.mktemp("data") / "data.jsonl"
    rng = np.random.default_rng(5)
    rows = [
        {
            "gridimage_id": number,
            "distance": "16",
            "embeddings": base64.b64encode(rng.normal(0, 0.45, 512).astype("<f4")).decode(),
        }
        for number in range(1, 4)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., WatchedRun]:
    def run(command: list[str], **environment: str) -> WatchedRun:
        return run_watched(command, tmp_path, **environment)

    return run


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_keeps_to_itself(
    run: Callable[..., WatchedRun], tiny_bundle: Path, scenes: Path, data: Path, name: str
) -> None:
    values = {"bundle": tiny_bundle, "photos": scenes, "data": data}
    arguments = [word.format(**values) for word in COMMANDS[name].split()]
    found = run([*PROGRAM, *arguments])
    assert found.status == 0, found.output
    assert (found.names, found.written) == ([], [])


def test_the_service_keeps_to_itself(
    run: Callable[..., WatchedRun], tiny_bundle: Path, photo: Path
) -> None:
    found = run([sys.executable, "-c", SERVE, str(tiny_bundle), str(photo)])
    assert found.status == 0, found.output
    assert (found.names, found.written) == ([], [])


def test_a_planted_look_up_is_found(run: Callable[..., WatchedRun]) -> None:
    found = run([sys.executable, "-c", PLANTED])
    assert found.status == 1
    assert found.names == ["planted.example"]


def test_a_planted_file_is_found(run: Callable[..., WatchedRun]) -> None:
    found = run([sys.executable, "-c", "import pathlib; (pathlib.Path.home() / 'f').touch()"])
    assert found.written == ["home/f"]
