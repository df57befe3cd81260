from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest

from geograph_types import session
from geograph_types.errors import DeviceError
from geograph_types.session import CPU, CUDA, PROBE, Session, pick_device


class PlayedBackend:
    """onnxruntime with CUDA built in; it can be loaded or not."""

    __version__ = "1.0"

    def __init__(self, loads: bool) -> None:
        self.loads = loads
        self.asked: list[list[Any]] = []

    def get_available_providers(self) -> list[str]:
        return [CUDA, CPU]

    SessionOptions = SimpleNamespace

    def InferenceSession(  # noqa: N802
        self, model: object, options: object = None, providers: list[Any] | None = None
    ) -> object:
        self.asked.append(list(providers or []))
        names = [name if isinstance(name, str) else name[0] for name in providers or []]
        loaded = [name for name in names if name == CPU or self.loads]
        return SimpleNamespace(get_providers=lambda: loaded)


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bool], PlayedBackend]]:
    def begin(loads: bool) -> PlayedBackend:
        backend = PlayedBackend(loads)
        monkeypatch.setattr(session, "load_backend", lambda: backend)
        session._cuda_loads.cache_clear()
        return backend

    yield begin
    session._cuda_loads.cache_clear()


def test_cuda_comes_first_with_exact_products(play: Callable[[bool], PlayedBackend]) -> None:
    backend = play(True)
    assert pick_device("auto") == Session(b"", "cuda").device == "cuda"
    (first, second) = backend.asked[-1]
    assert (first[0], second) == (CUDA, CPU)
    assert first[1]["use_tf32"] == "0"


def test_broken_cuda_is_never_the_cpu(play: Callable[[bool], PlayedBackend]) -> None:
    play(False)
    with pytest.raises(DeviceError, match="CUDA or cuDNN could not be loaded"):
        Session(b"", "cuda")


def test_auto_without_cuda_asks_for_the_cpu_alone(play: Callable[[bool], PlayedBackend]) -> None:
    backend = play(False)
    assert pick_device("auto") == Session(b"", "auto").device == "cpu"
    assert backend.asked[-1] == [CPU]


def test_what_asks_for_cuda_is_a_whole_model() -> None:
    onnx.checker.check_model(onnx.ModelProto.FromString(PROBE), full_check=True)
    given = np.array([2.5], np.float32)
    assert Session(PROBE, "cpu").run("y", x=given) == given
