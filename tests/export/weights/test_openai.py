"""OpenAI's weights from a cache in its real layout, and what is done where they cannot be had."""

import hashlib
import io
import pwd
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
import open_clip
import pytest
import torch
from huggingface_hub import constants as hub_constants

from geograph_types_export.architecture import TOWER_SHAPES
from geograph_types_export.errors import WeightsError
from geograph_types_export.weights import load as weights
from geograph_types_export.weights import openai
from geograph_types_export.weights.load import EncoderWeights, load_weights

COMMIT = "0" * 40
NAME = "open_clip_pytorch_model.bin"


@pytest.fixture(scope="module")
def content() -> bytes:
    """A weights file that is small, as each tensor is one repeated value."""
    state = {f"visual.{key}": torch.ones(()).expand(shape) for key, shape in TOWER_SHAPES.items()}
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


@dataclass(frozen=True)
class HubCache:
    """The cache of the hub's client with one file: a link in a snapshot, and its blob."""

    file: Path
    blob: Path


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No cached weights, and no network; the folder of the hub's cache."""
    monkeypatch.setattr(hub_constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "hub"


@pytest.fixture
def cache(empty_cache: Path, content: bytes) -> HubCache:
    repository = empty_cache / f"models--{openai.REPOSITORY.replace('/', '--')}"
    blob = repository / "blobs" / hashlib.sha256(content).hexdigest()
    file = repository / "snapshots" / COMMIT / NAME
    for folder in (repository / "refs", blob.parent, file.parent):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    blob.write_bytes(content)
    file.symlink_to(Path("../../blobs") / blob.name)
    return HubCache(file, blob)


def one_bit_flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0x40]) + content[middle + 1 :]


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def another_model(_: bytes) -> bytes:
    file = io.BytesIO()
    torch.save({"visual.proj": torch.ones(2)}, file)
    return file.getvalue()


@pytest.mark.parametrize("spec", ["openai", "auto"])
def test_the_cache_of_the_hub_is_read(spec: str, cache: HubCache) -> None:
    loaded = load_weights(spec)
    assert (loaded.name, loaded.stand_in, loaded.notice) == ("openai", False, None)
    assert all(bool((tensor == 1).all()) for tensor in loaded.state.values())


@pytest.mark.parametrize("damage", [one_bit_flipped, half, another_model])
@pytest.mark.parametrize("spec", ["openai", "auto"])
def test_a_cached_file_that_is_not_the_published_one_is_to_be_deleted(
    spec: str, damage: Callable[[bytes], bytes], content: bytes, cache: HubCache
) -> None:
    cache.blob.write_bytes(damage(content))
    with pytest.raises(WeightsError, match=rf"delete {cache.blob}, and run again$"):
        load_weights(spec)
    cache.blob.unlink()
    assert openai.cached_weights() is None


@pytest.mark.parametrize("spec", ["openai", "auto"])
def test_a_cache_that_was_copied_without_links_is_read(
    spec: str, content: bytes, cache: HubCache
) -> None:
    cache.blob.rename(cache.file)
    assert load_weights(spec).name == "openai"
    for damage in (half, another_model):
        cache.file.write_bytes(damage(content))
        with pytest.raises(WeightsError, match=rf"delete {cache.file}, and run again$"):
            load_weights(spec)


def test_a_download_that_is_damaged_is_to_be_deleted(
    content: bytes, cache: HubCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_clip, "download_pretrained", lambda _: str(cache.file))
    assert openai.download_weights() == cache.file
    cache.blob.write_bytes(one_bit_flipped(content))
    with pytest.raises(WeightsError, match=rf"delete {cache.blob}, and run again$"):
        openai.download_weights()


def test_a_cache_that_cannot_be_read_is_named(cache: HubCache, empty_cache: Path) -> None:
    reference = cache.blob.parent.parent / "refs" / "main"
    reference.write_bytes(b"\xff\xfe")
    with pytest.raises(WeightsError, match=rf"mend {empty_cache}, or set HF_HUB_CACHE"):
        load_weights("auto")


def test_the_cache_of_open_clip_is_held_to_its_digest(empty_cache: Path) -> None:
    archive = empty_cache.parent / "home" / ".cache" / "clip" / "ViT-B-32.pt"
    assert openai.cached_weights() is None
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"half")
    for spec in ("openai", "auto"):
        with pytest.raises(WeightsError, match=rf"delete {archive}, and run again$"):
            load_weights(spec)


def test_a_user_without_a_home_has_no_cache(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)  # to be one takes the rights of root
    with pytest.raises(RuntimeError):
        Path.home()
    assert openai.cached_weights() is None


def test_without_a_network_auto_takes_the_stand_in_loudly(
    empty_cache: Path, stand_in: EncoderWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "stand_in_state_dict", lambda seed: dict(stand_in.state))
    loaded = load_weights("auto")
    assert loaded.stand_in
    assert loaded.name == "random:0"
    assert loaded.notice is not None and "STAND-IN" in loaded.notice
    with pytest.raises(WeightsError, match="give --weights PATH"):
        load_weights("openai")


def test_a_hub_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(openai, "PROBE_SECONDS", 0.2)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda *_, **__: released.wait(30))
    start = time.monotonic()
    assert openai.why_unreachable() == "no answer within 0 s"
    assert time.monotonic() - start < 5
    released.set()
