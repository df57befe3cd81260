import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from huggingface_hub import constants
from loopback import Handler, served

from geograph_types_export.architecture import tower_shapes
from geograph_types_export.errors import WeightsError
from geograph_types_export.weights import load, openai
from geograph_types_export.weights.load import EncoderWeights, load_weights


@pytest.fixture(scope="module")
def content() -> bytes:
    state = {f"visual.{k}": np.ones(s, np.float16) for k, s in tower_shapes().items()}
    data: bytes = safetensors.numpy.save(state)
    return data


@dataclass
class Hub:
    content: bytes
    seen: list[str] = field(default_factory=list)
    clients: list[str] = field(default_factory=list)  # as they name themselves


@pytest.fixture
def cache(tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The snapshot in an empty cache, without a network; the pin is that of the test's file."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(openai, "SHA256", hashlib.sha256(content).hexdigest())
    repository = tmp_path / "hub" / f"models--{openai.REPOSITORY.replace('/', '--')}"
    return repository / "snapshots" / openai.REVISION / openai.FILE


def put(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


@pytest.mark.parametrize("spec", ["openai", "auto"])
def test_the_cache_of_the_hubs_client_is_read(spec: str, cache: Path, content: bytes) -> None:
    put(cache, content)
    loaded = load_weights(spec)
    assert (loaded.name, loaded.stand_in, loaded.notice) == ("openai", False, None)
    assert all((values == 1).all() for values in loaded.state.values())


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "flipped": lambda content: content[:-9] + bytes([content[-9] ^ 0x40]) + content[-8:],
    "half": lambda content: content[: len(content) // 2],
    "another": lambda content: safetensors.numpy.save({"visual.proj": np.ones(2)}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_wrong_cached_file_is_to_be_deleted(damage: str, cache: Path, content: bytes) -> None:
    put(cache, DAMAGES[damage](content))
    for spec in ("openai", "auto"):
        with pytest.raises(WeightsError, match=rf"delete {cache}, and run again$"):
            load_weights(spec)


@pytest.fixture
def stand_in(small_stand_in: EncoderWeights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "stand_in_tower", lambda seed: small_stand_in.state)


@pytest.mark.usefixtures("cache", "stand_in")
def test_without_a_network_auto_takes_the_stand_in_loudly() -> None:
    loaded = load_weights("auto")
    assert (loaded.stand_in, loaded.name) == (True, "random:0")
    assert loaded.notice is not None and "STAND-IN" in loaded.notice
    assert "HF_HUB_OFFLINE is set" in loaded.notice
    with pytest.raises(WeightsError, match=r"HF_HUB_OFFLINE is set.*give --weights PATH"):
        load_weights("openai")


@pytest.fixture
def use_hub(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Use one, as HF_ENDPOINT does, which the client reads when it is imported."""

    def use(address: str) -> None:
        template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    return use


@pytest.fixture
def hub(content: bytes, use_hub: Callable[[str], None]) -> Iterator[Hub]:
    """A server as the hub is at one address: the file's digest in a header, then the file."""
    found = Hub(content)
    place = f"/{openai.REPOSITORY}/resolve/{openai.REVISION}/{openai.FILE}"

    class Request(Handler):
        def do_HEAD(self) -> None:
            found.seen.append(f"{self.command} {self.path}")
            found.clients.append(self.headers["User-Agent"])
            self.start(
                200 if self.path == place else 404,
                Content_Length=len(found.content),
                ETag=f'"{hashlib.sha256(found.content).hexdigest()}"',
                X_Repo_Commit=openai.REVISION,
            )

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(found.content)

    with served(Request) as address:
        use_hub(address)
        yield found


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_pinned_revision_is_fetched_once(cache: Path, hub: Hub) -> None:
    for _ in range(2):
        assert load_weights("openai").name == "openai"
    gets = [line for line in hub.seen if line.startswith("GET") and openai.FILE in line]
    assert len(gets) == 1 and openai.REVISION in gets[0]
    assert cache.exists()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_another_file_from_the_hub_is_refused(cache: Path, hub: Hub) -> None:
    hub.content = DAMAGES["another"](b"")
    with pytest.raises(WeightsError, match=r"damaged or another one; delete .*, and run again"):
        load_weights("auto")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_hub_is_not_told_what_else_is_installed(hub: Hub, tmp_path: Path) -> None:
    hub.content = b"weights"
    program = "from geograph_types_export.weights.openai import fetch_openai; fetch_openai()"
    settings = {"HF_ENDPOINT": constants.ENDPOINT, "HF_HOME": str(tmp_path)}
    environment = os.environ | settings | {"HF_HUB_DISABLE_XET": "1"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    assert all(openai.FILE in line for line in hub.seen)
    assert hub.clients and not any("torch/" in client for client in hub.clients)


@pytest.mark.usefixtures("cache", "stand_in")
def test_a_hub_that_does_not_answer_is_given_up(
    use_hub: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai, "ANSWER_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use_hub(f"http://127.0.0.1:{silent.getsockname()[1]}")
        loaded = load_weights("auto")
    assert loaded.stand_in and loaded.notice is not None and "imeout" in loaded.notice
