"""What the products of the tower read when it looks at calibration photos.

The float32 graph computes it: it is cut before and after each block, and the parts run one by one,
so that only one block's inputs are in memory at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from geograph_types.session import Session
from geograph_types_export.architecture import GRID, PATCH, block_name
from geograph_types_export.graphs.builder import subgraph
from geograph_types_export.graphs.tower import PIXEL_SCALE, PIXEL_ZERO

Array = NDArray[np.float32]

CLASS_TOKEN_WEIGHT: Final = 10
"""How often the class token stands among the rows, each patch being there once."""
BATCH: Final = 8

READ_BY: Final = {
    "in_proj": "ln_1",
    "out_proj": "attn",
    "c_fc": "ln_2",
    "c_proj": "mlp.gelu",
}
"""The node of a block that each of its products reads."""


@dataclass(frozen=True, slots=True, eq=False)
class BlockInputs:
    """Rows that the four products of a block read, each float32 [rows, inputs].

    In the last block, `out_proj`, `c_fc` and `c_proj` read the class token of each photo only.
    """

    in_proj: Array
    out_proj: Array
    c_fc: Array
    c_proj: Array


def block_inputs(
    model: ModelProto, layers: int, pixels: NDArray[np.uint8]
) -> Iterator[BlockInputs]:
    """Run a float32 encoder over photos [N, 224, 224, 3] and yield the inputs of each block."""
    stream = "visual.ln_pre"
    session = Session(subgraph(model, ["pixels"], [stream]), "cpu")
    (values,) = _run(session, [stream], "pixels", pixels)
    for layer in range(layers):
        name = f"visual.{block_name(layer)}"
        outputs = [f"{name}.{node}" for node in READ_BY.values()]
        after = f"{name}.mlp.residual"
        session = Session(subgraph(model, [stream], [*outputs, after]), "cpu")
        *read, values = _run(session, [*outputs, after], stream, values)
        stream = after
        yield BlockInputs(*(_rows(tokens) for tokens in read))


def patch_rows(pixels: NDArray[np.uint8]) -> Array:
    """Return what the patch product reads, float32 [N * 49, 3072]."""
    rows = pixels.reshape(-1, GRID, PATCH, GRID, PATCH, 3).swapaxes(2, 3)
    centred = rows.reshape(-1, PATCH * PATCH * 3).astype(np.float32) - PIXEL_ZERO
    return centred * np.float32(PIXEL_SCALE)


def _run(
    session: Session, outputs: list[str], name: str, values: NDArray[np.generic]
) -> list[Array]:
    starts = range(0, len(values), BATCH)
    parts = [session.run_all(outputs, **{name: values[i : i + BATCH]}) for i in starts]
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def _rows(tokens: Array) -> Array:
    """[N, tokens, inputs] to rows, with more of the class token, from which the embedding comes."""
    if tokens.shape[1] == 1:
        return tokens[:, 0]
    more = np.repeat(tokens[:, :1], CLASS_TOKEN_WEIGHT - 1, axis=1)
    return np.concatenate([tokens, more], axis=1).reshape(-1, tokens.shape[-1])
