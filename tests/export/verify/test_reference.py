from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from geograph_types_export.verify.graphs import (
    check_photos,
    numpy_reference,
    open_clip_reference,
)
from geograph_types_export.weights.stand_in import stand_in_tower

State = dict[str, NDArray[np.float32]]


def plain(state: State) -> None:
    """The stand-in as it is."""


def mixed(state: State) -> None:
    """As `mixed` in benchmarks/stress.py: channels that are large always and by photo."""
    factors = np.linspace(20, 60, 12, dtype=np.float32)
    state["ln_pre.weight"][100:112] *= factors / 2
    state["ln_pre.bias"][100:112] += factors / 2
    for key in state:
        if key.endswith((".ln_1.weight", ".ln_2.weight")) or key == "ln_post.weight":
            state[key][100:112] /= factors


def late_read(state: State) -> None:
    """As `late-read` in benchmarks/stress.py: constant channels that all but the last read."""
    state["ln_pre.bias"][200:205] += np.array([25, -25, 25, 25, -25], np.float32)
    state["ln_post.weight"][200:205] = 0


@pytest.mark.parametrize("layout", [plain, mixed, late_read])
def test_it_computes_what_open_clip_computes(layout: Callable[[State], None]) -> None:
    state = dict(stand_in_tower(0, 2))
    layout(state)
    pixels = check_photos()
    assert len(pixels) == 32
    computed = numpy_reference(state).embed(pixels)
    difference = np.abs(computed - open_clip_reference(state).embed(pixels)).max()
    assert difference <= 1e-4
