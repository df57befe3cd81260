"""The device that a run trains on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

import torch

from geograph_types.errors import DeviceError
from geograph_types_trainer.chance import derived_seed

DeviceName: TypeAlias = Literal["auto", "cpu", "cuda"]


def choose_device(name: DeviceName) -> torch.device:
    """Return the device; "auto" takes CUDA if there is one, "cuda" fails if there is none."""
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise DeviceError(name, ("cpu",), "train with --device cpu, or install torch for CUDA")
    return torch.device("cuda" if has_cuda and name != "cpu" else "cpu")


@contextmanager
def seeded(device: torch.device, *parts: int) -> Iterator[None]:
    """Seed torch's random numbers for a while; the caller's generator is restored."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derived_seed(*parts))
        yield
