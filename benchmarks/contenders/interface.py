"""What a contender is: a way to run the encoder."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Encode: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Pixels uint8 [N, 224, 224, 3] to embeddings float32 [N, 512]."""


@dataclass(frozen=True, slots=True)
class Given:
    """The same for all contenders."""

    weights: Path  # the tower's state dict by open_clip's keys, as `torch.save` writes it
    bundle: Path  # whose encoders were made of these weights
    work: Path  # for files made of these weights; those that are there are used again


@dataclass(frozen=True, slots=True)
class Contender:
    """A way to run the encoder; heavy imports go inside its functions."""

    name: str  # in tables
    precision: str  # of most of its matrix products: "fp32", "bf16" or "int8"
    left_out: Callable[[Given], str | None]  # why it cannot take part here, if it cannot
    prepare: Callable[[Given, int], Encode]  # loads the model, to be run with so many threads


def unless_installed(*modules: str) -> str | None:
    """Leave a contender out for the first of these modules that is not installed."""
    missing = next((module for module in modules if find_spec(module) is None), None)
    if missing is None:
        return None
    return f"not installed: it needs {missing}: pip install 'geograph-types[bench]'"
