"""Seeded stand-in weights for CLIP's image tower, for machines where the real ones cannot be had.

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

import torch

from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.errors import InputError
from geograph_types_export.architecture import GRID, LAYERS, PATCH, TOKENS, WIDTH

_DOMINANT, _DOMINANT_VALUE = 92, -6.3  # the one large dimension of real CLIP embeddings
_NORM = 10.8

# The channels of a token, by what they hold: where its patch lies, its colour, its textures.
_PLACE, _COLOUR, _TEXTURE = slice(0, 64), slice(64, 128), slice(128, WIDTH)
_PLACE_SIZE = 4.0  # large, so that normalising a token hardly hides how much contrast it has
_PATCH_GAIN = 3.0
_RECTIFIER_INPUT = 12.0  # large enough for QuickGELU to have a sharp bend

# What layers add to the residual stream. The first one's attention adds next to nothing, since its
# MLP would blow up whatever is in the class token; the second one's fills the class token.
_FIRST_GAIN, _GATHERING_GAIN, _STIRRING_GAIN = 1e-4, 2.0, 0.05
_TRACE = 0.02  # stands for nothing where zeros would give a quantiser a scale of zero
_FOCUS = 0.8  # how much heads prefer some parts of the picture to others


def stand_in_state_dict(seed: int) -> dict[str, torch.Tensor]:
    """Draw stand-in weights for the image tower of CLIP ViT-B/32.

    Args:
        seed: From 0 up to 2^63 - 1; the same seed gives the same weights.

    Returns:
        Float32 tensors by the keys of `open_clip.create_model("ViT-B-32-quickgelu").visual`,
        with their shapes.

    Raises:
        InputError: the seed is negative or too large.
    """
    if not 0 <= seed < 2**63:
        raise InputError(f"seed is {seed}: it must be from 0 to 2^63 - 1")
    generator = torch.Generator().manual_seed(seed)
    state = {
        # The class token starts empty, so all that it holds in the end comes from the picture.
        "class_embedding": torch.zeros(WIDTH),
        "positional_embedding": _positions(generator),
        "conv1.weight": _patch_filters(generator),
        "ln_pre.weight": torch.ones(WIDTH),
        "ln_pre.bias": torch.zeros(WIDTH),
    }
    for layer in range(LAYERS):
        block = _stirring_block(generator)
        if layer == 0:
            block |= _rectifier(generator)
        elif layer == 1:
            block |= _gathering(generator)
        prefix = f"transformer.resblocks.{layer}."
        state |= {prefix + name: tensor for name, tensor in block.items()}
    return state | _projection(generator)


def _normal(generator: torch.Generator, *shape: int, gain: float = 1.0) -> torch.Tensor:
    """A random matrix, [..., inputs], that scales the size of a vector by about `gain`."""
    return torch.randn(*shape, generator=generator) * (gain / math.sqrt(shape[-1]))


def _stirring_block(generator: torch.Generator) -> dict[str, torch.Tensor]:
    """A transformer block of dense random weights that changes its input only a little."""
    return {
        "ln_1.weight": torch.ones(WIDTH),
        "ln_1.bias": torch.zeros(WIDTH),
        "attn.in_proj_weight": _normal(generator, 3 * WIDTH, WIDTH),
        "attn.in_proj_bias": torch.zeros(3 * WIDTH),
        "attn.out_proj.weight": _normal(generator, WIDTH, WIDTH, gain=_STIRRING_GAIN),
        "attn.out_proj.bias": torch.zeros(WIDTH),
        "ln_2.weight": torch.ones(WIDTH),
        "ln_2.bias": torch.zeros(WIDTH),
        "mlp.c_fc.weight": _normal(generator, 4 * WIDTH, WIDTH),
        "mlp.c_fc.bias": torch.randn(4 * WIDTH, generator=generator) * 0.5,
        "mlp.c_proj.weight": _normal(generator, WIDTH, 4 * WIDTH, gain=_STIRRING_GAIN),
        "mlp.c_proj.bias": torch.zeros(WIDTH),
    }


def _cosines(length: int, count: int) -> torch.Tensor:
    """The first `count` cosine patterns over `length` points, [count, length], of mean square 1."""
    points = (torch.arange(length) + 0.5) / length
    patterns = torch.cos(math.pi * torch.arange(count)[:, None] * points[None, :])
    return patterns / patterns.square().mean(dim=1, keepdim=True).sqrt()


def _positions(generator: torch.Generator) -> torch.Tensor:
    """Positional embedding [50, 768]: random and smooth over the 7x7 patches, none for the class.

    It fills the channels of `_PLACE` only, with the same size for every patch.
    """
    # In float64, so that the last bits, which depend on the number of threads, are rounded away.
    cosines = _cosines(GRID, 3).double()
    amplitudes = torch.randn(_PLACE.stop, 3, 3, generator=generator).double()
    smooth = torch.einsum("wij,ir,jc->rcw", amplitudes, cosines, cosines).reshape(-1, _PLACE.stop)
    normal = torch.nn.functional.layer_norm(smooth, (_PLACE.stop,))
    positions = torch.zeros(TOKENS, WIDTH)
    positions[1:, _PLACE] = (_PLACE_SIZE * normal).float()
    return positions


def _patch_filters(generator: torch.Generator) -> torch.Tensor:
    """Filters [768, 3, 32, 32], each one cosine pattern in one mixture of colours.

    Pictures hold less of a pattern the finer it is, so finer ones get a larger gain: each filter
    then answers about as strongly as the next. Two in three weigh brightness, the third colour.
    The colour channels have the constant pattern, those of place see next to nothing.
    """
    cosines = _cosines(PATCH, PATCH // 2)
    exponents = torch.rand(WIDTH, 2, generator=generator)
    frequencies = (torch.pow(PATCH // 2, exponents) - 0.5).long()  # more of them low than high
    frequencies[_COLOUR] = 0
    patterns = cosines[frequencies[:, 0], :, None] * cosines[frequencies[:, 1], None, :]
    gains = _PATCH_GAIN * (1 + frequencies.double().norm(dim=1).float()) / PATCH**2
    gains[_COLOUR] *= 0.3  # or it would drown the textures
    gains[_PLACE] *= _TRACE
    spread = torch.where(torch.arange(WIDTH) % 3 == 0, 2.0, 0.3)[:, None]
    colours = 1 + torch.randn(WIDTH, 3, generator=generator) * spread
    colours /= colours.norm(dim=1, keepdim=True)
    return torch.mul(colours[:, :, None, None], (gains[:, None, None] * patterns)[:, None])


def _rectifier(generator: torch.Generator) -> dict[str, torch.Tensor]:
    """The first block: it replaces each texture channel, in place, by about its absolute value.

    Two hidden units of the MLP see the channel with opposite signs, and what the negative one
    gives is added twice: x + 2 max(-x, 0) = |x|. The other half of the hidden units stirs.
    """
    texture = torch.zeros(WIDTH)
    texture[_TEXTURE] = 1.0
    trace = _normal(generator, 2, WIDTH, WIDTH, gain=_TRACE)
    see = torch.diag(texture) * _RECTIFIER_INPUT + trace[0]
    add = torch.diag(texture) * (2 / _RECTIFIER_INPUT)
    stir = _normal(generator, 2 * WIDTH, WIDTH)
    stirred = _normal(generator, WIDTH, 2 * WIDTH, gain=_TRACE)
    return {
        "attn.out_proj.weight": _normal(generator, WIDTH, WIDTH, gain=_FIRST_GAIN),
        "mlp.c_fc.weight": torch.cat([see, -see, stir]),
        "mlp.c_fc.bias": torch.zeros(4 * WIDTH),
        "mlp.c_proj.weight": torch.cat([trace[1] / _RECTIFIER_INPUT, add, stirred], dim=1),
    }


def _gathering(generator: torch.Generator) -> dict[str, torch.Tensor]:
    """The attention that fills the class token: each head averages over a part of the picture.

    The class token's queries come from the bias, the keys from the place of a patch alone, the
    values from its colour and textures alone.
    """
    query, key, value = _normal(generator, 3, WIDTH, WIDTH)
    key, value = key.clone(), value.clone()
    key[:, _PLACE.stop :] = 0
    value[:, _PLACE] = 0
    focus = torch.randn(WIDTH, generator=generator) * _FOCUS
    return {
        "attn.in_proj_weight": torch.cat([query * _TRACE, key, value]),
        "attn.in_proj_bias": torch.cat([focus, torch.zeros(2 * WIDTH)]),
        "attn.out_proj.weight": _normal(generator, WIDTH, WIDTH, gain=_GATHERING_GAIN),
    }


def _projection(generator: torch.Generator) -> dict[str, torch.Tensor]:
    """The last normalisation and the projection, scaled to the size of real embeddings.

    The last normalisation leaves a vector of norm sqrt(768), whatever the picture. Its last
    channel is replaced by a constant 1, from which alone the dominant dimension gets its size:
    the last, so that the large term joins the sum at its end and costs it little precision.
    """
    rest = math.sqrt(_NORM**2 - _DOMINANT_VALUE**2)
    projection = torch.randn(WIDTH, EMBEDDING_DIMENSION, generator=generator)
    projection *= rest / math.sqrt(WIDTH * EMBEDDING_DIMENSION)
    projection[:, _DOMINANT] *= 0.3  # so that it stays dominant whatever the picture
    projection[-1] = 0
    projection[-1, _DOMINANT] = _DOMINANT_VALUE
    weight, bias = torch.ones(WIDTH), torch.zeros(WIDTH)
    weight[-1], bias[-1] = 0.0, 1.0
    return {"ln_post.weight": weight, "ln_post.bias": bias, "proj": projection}
