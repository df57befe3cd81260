import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from loopback import Handler, served

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


Answer = Callable[[Handler], None]


@dataclass
class Mirror:
    """Answers in turn, the last of which serves all that follow, and what was asked for."""

    answers: list[Answer]
    seen: list[str] = field(default_factory=list)
    address: str = ""


def sending(content: bytes, length: int | None = None) -> Answer:
    def answer(request: Handler) -> None:
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
    proxies = ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy")
    for name in (*proxies, "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GEOGRAPH_TYPES_MIRROR", "http://mirror.invalid/heads")
    monkeypatch.setenv("GEOGRAPH_TYPES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(released.DIGESTS, "v1", hashlib.sha256(CONTENT).hexdigest())  # type: ignore[arg-type]
    monkeypatch.setattr("pooch.core.time.sleep", lambda _: None)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    mirror = Mirror([sending(CONTENT)])

    class Request(Handler):
        def do_GET(self) -> None:
            answer = mirror.answers[min(len(mirror.seen), len(mirror.answers) - 1)]
            mirror.seen.append(self.path)
            answer(self)

    with served(Request) as mirror.address:
        monkeypatch.setenv("GEOGRAPH_TYPES_MIRROR", f"{mirror.address}/heads/")
        yield mirror


@pytest.fixture
def nowhere() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/heads"


def test_a_head_is_fetched_once(server: Mirror, tmp_path: Path) -> None:
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
def test_a_server_that_comes_back_is_good(server: Mirror, answers: list[Answer]) -> None:
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
    server: Mirror, answer: Answer, message: str, tmp_path: Path
) -> None:
    server.answers = [answer]
    with pytest.raises(DownloadError) as caught:
        fetch_head("v1")
    for part in (message, f"{server.address}/heads/{NAME}", f"copy it into {tmp_path / 'cache'}"):
        assert part in str(caught.value)
    assert "secret" not in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_without_a_network_the_error_says_what_to_put_where(
    nowhere: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEOGRAPH_TYPES_MIRROR", nowhere.replace("//", "//me:secret@"))
    cache = tmp_path / "cache"
    with pytest.raises(DownloadError, match="refused") as caught:
        fetch_head("v1")
    assert f"{nowhere}/{NAME}" in str(caught.value)
    assert f"copy it into {cache}" in str(caught.value)
    assert "secret" not in str(caught.value)
    (cache / NAME).write_bytes(b"not a head")
    with pytest.raises(DownloadError, match="in the cache has another digest"):
        fetch_head("v1")
    assert (cache / NAME).read_bytes() == b"not a head"
    (cache / NAME).write_bytes(CONTENT)
    assert fetch_head("v1") == cache / NAME


def test_of_several_at_once_each_has_the_whole_file(server: Mirror) -> None:
    with ThreadPoolExecutor(4) as threads:
        paths = list(threads.map(fetch_head, ["v1"] * 4))
    assert [path.read_bytes() for path in paths] == [CONTENT] * 4


def test_a_proxy_in_the_environment_is_used(
    server: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEOGRAPH_TYPES_MIRROR", "http://mirror.invalid/heads")
    for proxy in ("http://me:secret@proxy:99999", "htps://me:secret@proxy"):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        with pytest.raises(DownloadError) as caught:
            fetch_head("v1")
        assert "secret" not in str(caught.value)
    monkeypatch.setenv("HTTP_PROXY", server.address)
    assert fetch_head("v1").read_bytes() == CONTENT
    assert server.seen == [f"http://mirror.invalid/heads/{NAME}"]


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
def test_addresses_are_checked(address: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOGRAPH_TYPES_MIRROR", address)
    with pytest.raises(InputError, match=r"like https://mirror\.example/heads") as caught:
        fetch_head("v1")
    assert "secret" not in str(caught.value)
    assert repr(shown) in str(caught.value)


@pytest.mark.parametrize("place", ["file", "file/cache", "loop", "n" * 300])
def test_a_cache_that_cannot_be_used(
    server: Mirror, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.setenv("GEOGRAPH_TYPES_CACHE", str(tmp_path / place))
    with pytest.raises(CacheError, match=r"name a folder .* GEOGRAPH_TYPES_CACHE") as caught:
        fetch_head("v1")
    assert f"cache {tmp_path / place} cannot be used (" in str(caught.value)
    assert server.seen == []


def test_settings_follow_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"there are v1, v2, v2\.1, v2\.3"):
        fetch_head("v9")
    for change in (lambda name: monkeypatch.setenv(name, ""), monkeypatch.delenv):
        change("GEOGRAPH_TYPES_MIRROR")
        assert heads_address().startswith("https://github.com/geograph-project/")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GEOGRAPH_TYPES_CACHE", "~/heads")
    assert cache_folder() == tmp_path / "heads"
    monkeypatch.setenv("GEOGRAPH_TYPES_CACHE", "~nosuchuser/x")
    with pytest.raises(CacheError, match=r"cache ~nosuchuser/x .* in GEOGRAPH_TYPES_CACHE"):
        cache_folder()
    monkeypatch.delenv("GEOGRAPH_TYPES_CACHE")
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
