"""Released heads by name: from the cache, or from a server that cuts off, refuses and lies."""

import hashlib
import http.server
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from geograph_types.errors import InputError
from geograph_types_export import released
from geograph_types_export.errors import CacheError, DownloadError
from geograph_types_export.released import cache_folder, fetch_head, heads_address

# requests leaves answers that it gave up on to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

CONTENT = hashlib.shake_256(b"a head").digest(50_000)
NAME = "best_geograph_model_v1.pth"

NO_HOME = """
import os
from geograph_types_export.errors import CacheError
from geograph_types_export.released import cache_folder
os.setuid(54321)
try:
    cache_folder()
except CacheError as error:
    print(error)
"""


class Request(http.server.BaseHTTPRequestHandler):
    """Answers as the test says, request by request; the last answer serves all that follow."""

    server: "Server"

    def do_GET(self) -> None:
        answers = self.server.answers
        answer = answers[min(len(self.server.seen), len(answers) - 1)]
        self.server.seen.append(self.path)
        answer(self)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def start(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()


Answer = Callable[[Request], None]


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.answers: list[Answer] = [sending(CONTENT)]
        self.seen: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


def sending(content: bytes, length: int | None = None) -> Answer:
    def answer(request: Request) -> None:
        request.start(200, Content_Length=length or len(content))
        request.wfile.write(content)

    return answer


def refusing(status: int) -> Answer:
    return lambda request: request.start(status, Content_Length=0)


def redirecting(location: str) -> Answer:
    return lambda request: request.start(302, Location=location, Content_Length=0)


cut_off = sending(CONTENT[:30_000], len(CONTENT))


PUBLISHED = dict(released.DIGESTS)


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, one known head, and pauses of no time."""
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GEOGRAPH_TYPES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(released.DIGESTS, "v1", hashlib.sha256(CONTENT).hexdigest())  # type: ignore[arg-type]
    monkeypatch.setattr("pooch.core.time.sleep", lambda _: None)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        monkeypatch.setenv("GEOGRAPH_TYPES_MIRROR", f"{server.address}/heads/")
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address where nothing answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/heads"
    monkeypatch.setenv("GEOGRAPH_TYPES_MIRROR", address)
    return address


def test_a_head_is_fetched_once(server: Server, tmp_path: Path) -> None:
    for _ in range(2):
        path = fetch_head("v1")
        assert path == tmp_path / "cache" / NAME
        assert path.read_bytes() == CONTENT
    assert server.seen == [f"/heads/{NAME}"]
    assert [file.name for file in path.parent.iterdir()] == [NAME]


@pytest.mark.parametrize(
    "answers",
    [
        [cut_off, sending(CONTENT)],
        [refusing(503), refusing(500), sending(CONTENT)],
        [sending(CONTENT[:-1]), sending(CONTENT)],
        [redirecting("/there"), sending(CONTENT)],
    ],
    ids=["cut off", "unavailable", "damaged", "redirect"],
)
def test_a_server_that_comes_back_is_good(server: Server, answers: list[Answer]) -> None:
    server.answers = answers
    assert fetch_head("v1").read_bytes() == CONTENT
    assert len(server.seen) == len(answers)


LIE = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (refusing(404), "404"),
        (cut_off, "IncompleteRead"),
        (sending(LIE), hashlib.sha256(LIE).hexdigest()),
        (sending(LIE), hashlib.sha256(CONTENT).hexdigest()),
        (redirecting("/again"), "redirects"),
        (redirecting("file:///etc/hostname"), "No connection adapters"),
        (redirecting("htps://me:secret@mirror/heads@v2/x"), "htps://mirror/heads@v2/x"),
    ],
)
def test_what_is_not_the_head_is_named_and_not_kept(
    server: Server, answer: Answer, message: str, tmp_path: Path
) -> None:
    server.answers = [answer]
    with pytest.raises(DownloadError) as caught:
        fetch_head("v1")
    for part in (message, f"{server.address}/heads/{NAME}", f"copy it into {tmp_path / 'cache'}"):
        assert part in str(caught.value)
    assert "secret" not in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_without_a_network_the_error_says_what_to_put_where(nowhere: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="refused") as caught:
        fetch_head("v1")
    assert f"{nowhere}/{NAME}" in str(caught.value)
    cache = tmp_path / "cache"
    assert f"copy it into {cache}" in str(caught.value)
    (cache / NAME).write_bytes(b"not a head")
    with pytest.raises(DownloadError, match="in the cache has another digest"):
        fetch_head("v1")
    assert (cache / NAME).read_bytes() == b"not a head"
    (cache / NAME).write_bytes(CONTENT)
    assert fetch_head("v1") == cache / NAME


def test_of_several_at_once_each_has_the_whole_file(server: Server) -> None:
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(fetch_head("v1").read_bytes()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [CONTENT] * 4


def test_a_proxy_is_asked_if_the_environment_names_one(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.address)
    monkeypatch.setenv("GEOGRAPH_TYPES_MIRROR", "http://mirror.invalid/heads")
    assert fetch_head("v1").read_bytes() == CONTENT
    assert server.seen == [f"http://mirror.invalid/heads/{NAME}"]


@pytest.mark.parametrize("proxy", ["http://me:secret@proxy:99999", "htps://me:secret@proxy"])
def test_a_password_of_a_proxy_is_in_no_message(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("GEOGRAPH_TYPES_MIRROR", "http://mirror.invalid/heads")
    with pytest.raises(DownloadError) as caught:
        fetch_head("v1")
    assert "secret" not in str(caught.value)


def test_a_password_of_the_mirror_is_in_no_message(
    nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEOGRAPH_TYPES_MIRROR", nowhere.replace("//", "//me:secret@"))
    with pytest.raises(DownloadError) as caught:
        fetch_head("v1")
    assert "secret" not in str(caught.value)
    assert f"{nowhere}/{NAME}" in str(caught.value)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("mirror", "mirror"),
        ("ftp://host/x", "ftp://host/x"),
        ("http://", "http://"),
        ("//[", "//["),
        ("http://host:99999/x", "http://host:99999/x"),
        ("htps://me:secret@mirror/x", "htps://mirror/x"),
        ("http://me:sec/secret@mirror:0/x", "http://mirror:0/x"),
        ("me:secret@mirror/x", "mirror/x"),
    ],
)
def test_what_is_not_an_address_is_refused(
    address: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEOGRAPH_TYPES_MIRROR", address)
    with pytest.raises(InputError, match=r"like https://mirror\.example/heads") as caught:
        fetch_head("v1")
    assert "secret" not in str(caught.value)
    assert repr(shown) in str(caught.value)


def test_without_a_mirror_geographs_own_address_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for unset in ("", None):
        if unset is None:
            monkeypatch.delenv("GEOGRAPH_TYPES_MIRROR", raising=False)
        else:
            monkeypatch.setenv("GEOGRAPH_TYPES_MIRROR", unset)
        assert heads_address().startswith("https://github.com/geograph-project/")


@pytest.mark.parametrize("place", ["file", "file/cache", "loop", "n" * 300])
def test_a_cache_that_cannot_be_used_is_named_and_the_variable_with_it(
    server: Server, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.setenv("GEOGRAPH_TYPES_CACHE", str(tmp_path / place))
    with pytest.raises(CacheError, match=r"name a folder .* GEOGRAPH_TYPES_CACHE") as caught:
        fetch_head("v1")
    assert f"cache {tmp_path / place} cannot be used (" in str(caught.value)
    assert server.seen == []


def test_an_unknown_name_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(InputError, match=r"there are v1, v2, v2\.1, v2\.3"):
        fetch_head("v9")


def test_the_cache_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GEOGRAPH_TYPES_CACHE", "~/heads")
    assert cache_folder() == tmp_path / "heads"
    monkeypatch.setenv("GEOGRAPH_TYPES_CACHE", "~nosuchuser/x")
    with pytest.raises(CacheError, match=r"cache ~nosuchuser/x .* in GEOGRAPH_TYPES_CACHE"):
        cache_folder()
    monkeypatch.delenv("GEOGRAPH_TYPES_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / ".cache" / "geograph-types"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "of-the-user"))
    assert cache_folder() == tmp_path / "of-the-user" / "geograph-types"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user that there is not")
def test_a_user_without_a_home_is_told_what_to_set() -> None:
    hidden = ("HOME", "XDG_CACHE_HOME", "GEOGRAPH_TYPES_CACHE")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [sys.executable, "-c", NO_HOME], env=environment, capture_output=True, text=True
    )
    assert "home folder that is not known" in done.stdout, done.stderr
    assert "in GEOGRAPH_TYPES_CACHE" in done.stdout


def test_the_pins_are_the_published_digests(reference: Path) -> None:
    published = (reference / "released-heads.sha256").read_text().splitlines()
    pins = PUBLISHED.items()
    assert [f"{digest}  {released.file_of(name)}" for name, digest in pins] == published
