"""What a contender is: a way to run the encoder, in a module of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Encode: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Pixels uint8 [N, 224, 224, 3] to embeddings float32 [N, 512]."""


class Reason(StrEnum):
    """Why a contender does not take part."""

    NOT_INSTALLED = "not installed"
    NOT_IN_BUNDLE = "not in the bundle"
    NO_COMPILER = "no C++ compiler"
    NO_BF16 = "no bf16 in this processor"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A contender that does not take part.

    Attributes:
        reason: from the closed list.
        detail: what is missing, and how to get it.
    """

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Given:
    """The same for all contenders.

    Attributes:
        weights: file of the tower's state dict by open_clip's keys, as `torch.save` writes it.
        bundle: a bundle whose encoders were made of these weights.
        work: folder for files that are made of these weights; those that are there are used again.
    """

    weights: Path
    bundle: Path
    work: Path


class Contender(Protocol):
    """A module of this package; heavy imports go inside its functions."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a module's constant
        """What tables call it."""

    @property
    def PRECISION(self) -> str:  # noqa: N802 - likewise
        """Of most of its matrix products: "fp32", "bf16" or "int8"."""

    def left_out(self, given: Given) -> LeftOut | None:
        """Say why it cannot take part here, if it cannot."""

    def prepare(self, given: Given, threads: int) -> Encode:
        """Load the model, to be run with so many threads."""


def unless_installed(*modules: str) -> LeftOut | None:
    """Leave a contender out for the first of these modules that is not installed."""
    for module in modules:
        if find_spec(module) is None:
            return LeftOut(
                Reason.NOT_INSTALLED, f"it needs {module}: pip install 'geograph-types[bench]'"
            )
    return None
