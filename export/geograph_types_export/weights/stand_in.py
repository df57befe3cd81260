"""Seeded stand-in weights for CLIP's image tower, for machines without the real ones.

What they are: random weights of the exact architecture (open_clip's `ViT-B-32-quickgelu`, image
tower only), arranged so that random features are of some use. A stock random initialisation tells
little more than mean colour. Here patch filters are cosine patterns, the first MLP makes of each
how strong it is, the second layer's heads average that over different parts of the picture, and
the other layers stir only gently. Embeddings so carry colour, texture and rough layout, which is
enough to tell drawn practice scenes apart. They have the size of real ones: norm near 10.8, with
one dominant dimension.

What they are not: CLIP's weights, or anything learnt from a single picture. Embeddings have no
meaning, and no score reached with them says anything about real photographs.
"""

import math
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.errors import InputError
from geograph_types_export.architecture import (
    GRID,
    LAYERS,
    PATCH,
    TOKENS,
    WIDTH,
    TowerState,
    block_name,
)

Array = NDArray[np.float32]

DOMINANT, DOMINANT_VALUE = 92, -6.3  # the one large dimension of real CLIP embeddings
NORM: Final = 10.8

# The channels of a token, by what they hold: where its patch lies, its colour, its textures.
PLACE, COLOUR, TEXTURE = slice(0, 64), slice(64, 128), slice(128, WIDTH)
PLACE_SIZE: Final = 4.0  # large, so that normalising a token hardly hides how much contrast it has
PATCH_GAIN: Final = 3.0
RECTIFIER_INPUT: Final = 12.0  # large enough for QuickGELU to have a sharp bend

# What layers add to the residual stream. The first one's attention adds next to nothing, since its
# MLP would blow up whatever is in the class token; the second one's fills the class token.
FIRST_GAIN, GATHERING_GAIN, STIRRING_GAIN = 1e-4, 2.0, 0.05
TRACE: Final = 0.02  # stands for nothing where zeros would give a quantiser a scale of zero
FOCUS: Final = 0.8  # how much heads prefer some parts of the picture to others


def stand_in_tower(seed: int, layers: int = LAYERS) -> TowerState:
    """Draw stand-in weights for the image tower of CLIP ViT-B/32.

    Args:
        seed: from 0 up to 2^63 - 1; the same seed gives the same weights.
        layers: at least two; fewer than twelve for tests.
    """
    if not 0 <= seed < 2**63:
        raise InputError(f"seed is {seed}: it must be from 0 to 2^63 - 1")
    rng = np.random.Generator(np.random.PCG64(seed))
    state = {
        # The class token starts empty, so all that it holds in the end comes from the picture.
        "class_embedding": _zeros(WIDTH),
        "positional_embedding": _positions(rng),
        "conv1.weight": _patch_filters(rng),
        "ln_pre.weight": _ones(WIDTH),
        "ln_pre.bias": _zeros(WIDTH),
    }
    for layer in range(layers):
        block = _stirring_block(rng)
        if layer == 0:
            block |= _rectifier(rng)
        elif layer == 1:
            block |= _gathering(rng)
        state |= {f"{block_name(layer)}.{name}": values for name, values in block.items()}
    return state | _projection(rng)


def _zeros(*shape: int) -> Array:
    return np.zeros(shape, np.float32)


def _ones(*shape: int) -> Array:
    return np.ones(shape, np.float32)


def _normal(rng: Generator, *shape: int) -> Array:
    return rng.standard_normal(shape, np.float32)


def _matrix(rng: Generator, *shape: int, gain: float = 1.0) -> Array:
    """Draw a matrix, [..., inputs], that scales the size of a vector by about `gain`."""
    return _normal(rng, *shape) * np.float32(gain / math.sqrt(shape[-1]))


def _stirring_block(rng: Generator) -> dict[str, Array]:
    """Draw a transformer block that changes its input only a little."""
    return {
        "ln_1.weight": _ones(WIDTH),
        "ln_1.bias": _zeros(WIDTH),
        "attn.in_proj_weight": _matrix(rng, 3 * WIDTH, WIDTH),
        "attn.in_proj_bias": _zeros(3 * WIDTH),
        "attn.out_proj.weight": _matrix(rng, WIDTH, WIDTH, gain=STIRRING_GAIN),
        "attn.out_proj.bias": _zeros(WIDTH),
        "ln_2.weight": _ones(WIDTH),
        "ln_2.bias": _zeros(WIDTH),
        "mlp.c_fc.weight": _matrix(rng, 4 * WIDTH, WIDTH),
        "mlp.c_fc.bias": _normal(rng, 4 * WIDTH) * np.float32(0.5),
        "mlp.c_proj.weight": _matrix(rng, WIDTH, 4 * WIDTH, gain=STIRRING_GAIN),
        "mlp.c_proj.bias": _zeros(WIDTH),
    }


def _cosines(length: int, count: int) -> NDArray[np.float64]:
    """Return cosine patterns over `length` points, [count, length], of mean square 1."""
    points = (np.arange(length) + 0.5) / length
    patterns = np.cos(math.pi * np.arange(count)[:, None] * points)
    return np.asarray(patterns / np.sqrt(np.square(patterns).mean(axis=1, keepdims=True)))


def _positions(rng: Generator) -> Array:
    """Draw the positional embedding [50, 768]: smooth over the 7x7 patches, none for the class.

    It fills the channels of `PLACE` only, with the same size for every patch.
    """
    cosines = _cosines(GRID, 3)
    amplitudes = _normal(rng, PLACE.stop, 3, 3).astype(np.float64)
    smooth = np.einsum("wij,ir,jc->rcw", amplitudes, cosines, cosines).reshape(-1, PLACE.stop)
    smooth -= smooth.mean(axis=1, keepdims=True)
    positions = _zeros(TOKENS, WIDTH)
    positions[1:, PLACE] = PLACE_SIZE * smooth / smooth.std(axis=1, keepdims=True)
    return positions


def _patch_filters(rng: Generator) -> Array:
    """Draw filters [768, 3, 32, 32], each one cosine pattern in one mixture of colours.

    Pictures hold less of a pattern the finer it is, so finer ones get a larger gain: each filter
    then answers about as strongly as the next. Two in three weigh brightness, the third colour.
    The colour channels have the constant pattern, those of place see next to nothing.
    """
    cosines = _cosines(PATCH, PATCH // 2)
    exponents = rng.random((WIDTH, 2))
    frequencies = ((PATCH // 2) ** exponents - 0.5).astype(np.int64)  # more of them low than high
    frequencies[COLOUR] = 0
    patterns = cosines[frequencies[:, 0], :, None] * cosines[frequencies[:, 1], None, :]
    gains = PATCH_GAIN * (1 + np.linalg.norm(frequencies, axis=1)) / PATCH**2
    gains[COLOUR] *= 0.3  # or it would drown the textures
    gains[PLACE] *= TRACE
    spread = np.where(np.arange(WIDTH) % 3 == 0, 2.0, 0.3)[:, None]
    colours = 1 + rng.standard_normal((WIDTH, 3)) * spread
    colours *= (gains / np.linalg.norm(colours, axis=1))[:, None]
    return (colours[:, :, None, None] * patterns[:, None]).astype(np.float32)


def _rectifier(rng: Generator) -> dict[str, Array]:
    """Draw the first block: it replaces each texture channel by about its absolute value.

    Two hidden units of the MLP see the channel with opposite signs, and what the negative one
    gives is added twice: x + 2 max(-x, 0) = |x|. The other half of the hidden units stirs.
    """
    texture = _zeros(WIDTH)
    texture[TEXTURE] = 1.0
    see = np.diag(texture * RECTIFIER_INPUT) + _matrix(rng, WIDTH, WIDTH, gain=TRACE)
    add = np.diag(texture * (2 / RECTIFIER_INPUT))
    trace = _matrix(rng, WIDTH, WIDTH, gain=TRACE / RECTIFIER_INPUT)
    stir = _matrix(rng, 2 * WIDTH, WIDTH)
    stirred = _matrix(rng, WIDTH, 2 * WIDTH, gain=TRACE)
    return {
        "attn.out_proj.weight": _matrix(rng, WIDTH, WIDTH, gain=FIRST_GAIN),
        "mlp.c_fc.weight": np.concatenate([see, -see, stir]),
        "mlp.c_fc.bias": _zeros(4 * WIDTH),
        "mlp.c_proj.weight": np.concatenate([trace, add, stirred], axis=1),
    }


def _gathering(rng: Generator) -> dict[str, Array]:
    """Draw the attention that fills the class token: each head averages a part of the picture.

    The class token's queries come from the bias, the keys from the place of a patch alone, the
    values from its colour and textures alone.
    """
    query, key, value = _matrix(rng, 3, WIDTH, WIDTH)
    key[:, PLACE.stop :] = 0
    value[:, PLACE] = 0
    focus = _normal(rng, WIDTH) * np.float32(FOCUS)
    return {
        "attn.in_proj_weight": np.concatenate([query * np.float32(TRACE), key, value]),
        "attn.in_proj_bias": np.concatenate([focus, _zeros(2 * WIDTH)]),
        "attn.out_proj.weight": _matrix(rng, WIDTH, WIDTH, gain=GATHERING_GAIN),
    }


def _projection(rng: Generator) -> dict[str, Array]:
    """Draw the last normalisation and the projection, scaled to the size of real embeddings.

    The last normalisation leaves a vector of norm sqrt(768), whatever the picture. Its last
    channel is replaced by a constant 1, from which alone the dominant dimension gets its size:
    the last, so that the large term joins the sum at its end and costs it little precision.
    """
    rest = math.sqrt(NORM**2 - DOMINANT_VALUE**2)
    projection = _normal(rng, WIDTH, EMBEDDING_DIMENSION)
    projection *= np.float32(rest / math.sqrt(WIDTH * EMBEDDING_DIMENSION))
    projection[:, DOMINANT] *= 0.3  # so that it stays dominant whatever the picture
    projection[-1] = 0
    projection[-1, DOMINANT] = DOMINANT_VALUE
    weight, bias = _ones(WIDTH), _zeros(WIDTH)
    weight[-1], bias[-1] = 0.0, 1.0
    return {"ln_post.weight": weight, "ln_post.bias": bias, "proj": projection}
