"""No command asks for a name that its arguments do not contain, or writes where it was not told to.

Each runs in a network namespace whose name server records all questions.
"""

import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from command_tree import every_command
from readme_commands import readme_commands, readme_snippet
from watched_run import WatchedRun, missing_namespaces, run_watched

PROGRAM = [sys.executable, "-m", "geograph_types.cli"]
SUPPORT = Path(__file__).parents[1] / "support"

REASON = missing_namespaces()
pytestmark = pytest.mark.skipif(bool(REASON), reason=f"no network namespaces: {REASON}")

NOT_OURS = ("pip ", "curl ")

NOT_IN_THE_README = """
geograph-types photils --bundle model -c -i photo.jpg -o suggested.txt
geograph-types export verify model --head run
geograph-types catalog prune tags.catalog
geograph-types dataset sample data.parquet some.parquet --rows 9
geograph-types dataset convert some.parquet converted.parquet
geograph-types checkpoint import head.pth --out imported
""".strip().splitlines()

SERVE = """
import re, subprocess, sys, time, urllib.request
body = b'--b\\r\\nContent-Disposition: form-data; name="photo"\\r\\n\\r\\n'
body += open("photo.jpg", "rb").read() + b"\\r\\n--b--"
with subprocess.Popen([*sys.argv[1:], "--port", "0"], stderr=subprocess.PIPE, text=True) as service:
    lines = (re.search(r"listening on .*:(\\d+)", line) for line in service.stderr)
    port = next(found[1] for found in lines if found)
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/tag", body, headers)
    print(urllib.request.urlopen(request).read())
    time.sleep(5)
    service.terminate()
sys.exit(service.returncode)
"""
"""Start the service, have a photo tagged, wait, and stop it."""

WORKER = """
import subprocess, sys
from readme_commands import readme_server
with readme_server() as server:
    sys.exit(subprocess.call([word.replace("$SERVER", server.url) for word in sys.argv[1:]]))
"""

SMALL_TOWER = """
import sys
from geograph_types.cli.main import main
from geograph_types_export.weights import load, stand_in
load.stand_in_tower = lambda seed: stand_in.stand_in_tower(seed, layers=1)
sys.exit(main(sys.argv[4:]))
"""

AROUND = {"serve": SERVE, "worker": WORKER}
AROUND |= {"export encoder": SMALL_TOWER, "export verify": SMALL_TOWER}
"""Programs that run a command which needs a client or a server, or takes long."""

FETCHES = {"bundle build": ["github.com"]}
"""What a command that has to fetch asks for; without an answer it ends with status 2."""

BY_RAY = {"metadata.google.internal"}
"""Ray looks for its cloud even where its usage statistics are off; the page says so."""

CACHES = ("geograph-types", "huggingface", "matplotlib")
"""Folders of the user's cache that docs/what-leaves-this-machine.md names."""

EMPTY_FOLDERS = {"home/.cache", "home/.config", "home/.config/matplotlib"}

PLANTED = "import socket; socket.getaddrinfo('planted.example', 80)"


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., WatchedRun]:
    def run(*command: str) -> WatchedRun:
        return run_watched([*command], tmp_path, PYTHONPATH=":".join([*sys.path, str(SUPPORT)]))

    return run


def test_every_command_keeps_to_itself(
    run: Callable[..., WatchedRun], photo: Path, tmp_path: Path
) -> None:
    """In the order of the README, whose commands use what those before them wrote."""
    (tmp_path / "work").mkdir()
    shutil.copy(photo, tmp_path / "work" / "photo.jpg")
    shown = [line for line in readme_commands() if not line.startswith(NOT_OURS)]
    for line in [*shown, *NOT_IN_THE_README]:
        words = shlex.split(line)[1:]
        name = next(one for one in (words[0], " ".join(words[:2])) if one in commands())
        if "--engine" in words:
            shutil.rmtree(tmp_path / "work" / "tagged")  # made by the other engine: nothing to do
        around = [sys.executable, "-c", AROUND[name]] if name in AROUND else []
        found = run(*around, *PROGRAM, *words)
        expected = FETCHES.get(name, [])
        assert found.status == (2 if expected else 0), f"{line}\n{found.output}"
        named = BY_RAY if "--engine" in words else set()
        assert set(found.names) - named == set(expected), line
        assert set(strangers(found.written, words)) <= EMPTY_FOLDERS, line
    found = run(sys.executable, "-c", readme_snippet())
    assert (found.status, found.names, found.written) == (0, [], []), found.output


def commands() -> set[str]:
    """Return the names of all commands that are not groups of others."""
    every = every_command().items()
    return {name for name, command in every if not isinstance(command, click.Group)}


def strangers(written: list[str], words: list[str]) -> list[str]:
    """Return what is neither below a name in the command line nor below a cache folder."""
    given = {Path("work", word.partition("/")[0]) for word in words}
    allowed = given | {Path("home/.ray")} | {Path("home/.cache", name) for name in CACHES}
    paths = [Path(path) for path in written]
    return [str(path) for path in paths if not allowed & {path, *path.parents}]


def test_every_command_is_among_them() -> None:
    lines = [*readme_commands(), *NOT_IN_THE_README]
    for name in commands():
        assert any(line.startswith(f"geograph-types {name} ") for line in lines), name


def test_weights_are_asked_for_at_the_hub_alone(
    run: Callable[..., WatchedRun], checkpoint: Path
) -> None:
    build = ["bundle", "build", "--head", str(checkpoint), "--weights", "openai"]
    found = run(*PROGRAM, *build, "--bundle", "model")
    assert found.status == 2
    assert found.names == ["huggingface.co"]


def test_a_planted_look_up_is_found(run: Callable[..., WatchedRun]) -> None:
    found = run(sys.executable, "-c", PLANTED)
    assert found.status == 1
    assert found.names == ["planted.example"]


@pytest.mark.parametrize("folder", ["home", "temporary", "work"])
def test_a_planted_file_is_found(run: Callable[..., WatchedRun], folder: str) -> None:
    found = run(sys.executable, "-c", f"open('../{folder}/planted', 'w')")
    assert found.written == [f"{folder}/planted"]
    assert strangers(found.written, ["tag", "photos", "--bundle", "model"]) == found.written
