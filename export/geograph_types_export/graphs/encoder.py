"""The encoder's graph: CLIP's image tower from raw pixels to the embedding, written out by hand.

It reads top to bottom as OpenAI's `clip/model.py` does, and its nodes have that model's names. Two
things differ, neither of which changes the result: weights come folded (see `folding`), and the
last block is computed for the class token only, since nothing reads its other tokens.

The tower's arrays decide the precision: float32 and float16 products are `MatMul`, quantised ones
`QGemm`, whose sums are integers and so the same in every batch. Products whose weights alone are
integers become float32 ones when the graph is loaded.
"""

from typing import Final

import numpy as np
from onnx import ModelProto, TensorProto

from geograph_types.manifest import tensor_contract
from geograph_types_export.architecture import (
    GRID,
    HEADS,
    LAYER_NORM_EPSILON,
    PATCH,
    TOKENS,
    WIDTH,
    block_name,
)
from geograph_types_export.graphs.builder import MICROSOFT, GraphBuilder
from geograph_types_export.graphs.tower import (
    PIXEL_SCALE,
    PIXEL_ZERO,
    Block,
    Floats,
    Linear,
    Product,
    QuantisedLinear,
    RoundedLinear,
    Tower,
)

FREE: Final = -1
"""A dimension that `Reshape` computes."""

QUERIES: Final = slice(0, WIDTH)
KEYS_AND_VALUES: Final = slice(WIDTH, 3 * WIDTH)


def encoder_graph(tower: Tower) -> ModelProto:
    """Build the encoder from folded weights in any precision.

    The model reads `pixels` uint8 [batch, 224, 224, 3] and computes `image_embeds` float32
    [batch, 512], not normalised; the batch dimension is free.
    """
    graph = GraphBuilder("CLIP ViT-B/32 image tower")
    stream = _embed_patches(graph, tower)
    last = len(tower.blocks) - 1
    for index, block in enumerate(tower.blocks):
        name = f"visual.{block_name(index)}"
        stream = _block(graph, name, stream, block, class_only=index == last)
    ones = np.ones(WIDTH, tower.positions.dtype)
    normal = _normalise(graph, "visual.ln_post", stream, ones)
    token = graph.node("Reshape", "visual.class_token", [normal, graph.integers(FREE, WIDTH)])
    weight = graph.constant("visual.proj.weight", tower.projection.weight)
    bias = graph.constant("visual.proj.bias", tower.projection.bias)
    embeds = graph.node("Gemm", "visual.proj", [token, weight, bias])
    graph.node(
        "Cast", "visual.image_embeds", [embeds], outputs=["image_embeds"], to=TensorProto.FLOAT
    )
    return graph.model(*tensor_contract("encoder"))


def _embed_patches(graph: GraphBuilder, tower: Tower) -> str:
    """Add the way from pixels to the residual stream [batch, 50, 768]."""
    name = "visual.conv1"
    pixels = graph.node(
        "Reshape", f"{name}.cut", ["pixels", graph.integers(FREE, GRID, PATCH, GRID, PATCH, 3)]
    )
    pixels = graph.node("Transpose", f"{name}.gather", [pixels], perm=[0, 1, 3, 2, 4, 5])
    rows = graph.node("Reshape", f"{name}.rows", [pixels, graph.integers(FREE, PATCH * PATCH * 3)])
    if isinstance(tower.patches, QuantisedLinear):
        patches = _integer_product(graph, name, rows, tower.patches)
    else:
        zero = graph.constant(f"{name}.zero", np.array(PIXEL_ZERO, np.uint8))
        scale = graph.constant(f"{name}.scale", np.array(PIXEL_SCALE, tower.positions.dtype))
        rows = graph.node("DequantizeLinear", f"{name}.centre", [rows, scale, zero])
        patches = graph.node("MatMul", name, [rows, _float_weight(graph, name, tower.patches)])
    grid = graph.integers(FREE, GRID * GRID, WIDTH)
    patches = graph.node("Reshape", f"{name}.grid", [patches, grid])
    tokens = graph.node(
        "Pad", "visual.class_embedding", [patches, graph.integers(0, 1, 0, 0, 0, 0)]
    )
    table = graph.constant("visual.positional_embedding.table", tower.positions)
    stream = graph.node("Add", "visual.positional_embedding", [tokens, table])
    return graph.node(
        "LayerNormalization",
        "visual.ln_pre",
        [
            stream,
            graph.constant("visual.ln_pre.weight", tower.norm_weight),
            graph.constant("visual.ln_pre.bias", tower.norm_bias),
        ],
        axis=-1,
        epsilon=LAYER_NORM_EPSILON,
    )


def _block(graph: GraphBuilder, name: str, stream: str, block: Block, *, class_only: bool) -> str:
    """Add one residual block; with `class_only`, its stream is the class token alone."""
    normal = _normalise(graph, f"{name}.ln_1", stream, block.norm_1)
    attention = _attend(graph, f"{name}.attn", normal, block.in_proj, class_only=class_only)
    if class_only:
        stream = _first_token(graph, f"{name}.class_token", stream)
    tokens = 1 if class_only else TOKENS
    out = _product(graph, f"{name}.attn.out_proj", attention, block.out_proj, tokens)
    stream = graph.node("Add", f"{name}.attn.residual", [stream, out])
    normal = _normalise(graph, f"{name}.ln_2", stream, block.norm_2)
    hidden = _product(graph, f"{name}.mlp.c_fc", normal, block.c_fc, tokens)
    hidden = graph.node("QuickGelu", f"{name}.mlp.gelu", [hidden], domain=MICROSOFT, alpha=1.0)
    if (block.hidden != 1).any():
        factors = graph.constant(f"{name}.mlp.smoothing.factors", block.hidden)
        hidden = graph.node("Mul", f"{name}.mlp.smoothing", [hidden, factors])
    out = _product(graph, f"{name}.mlp.c_proj", hidden, block.c_proj, tokens)
    return graph.node("Add", f"{name}.mlp.residual", [stream, out])


def _attend(
    graph: GraphBuilder, name: str, normal: str, in_proj: Product, *, class_only: bool
) -> str:
    """Add attention to all tokens, of all or (with `class_only`) of the class token."""
    parts = [f"{name}.{part}" for part in ("query", "key", "value")]
    if class_only:
        token = _first_token(graph, f"{name}.class_token", normal)
        parts[0] = _product(graph, f"{name}.in_proj.query", token, in_proj.columns(QUERIES), 1)
        in_proj = in_proj.columns(KEYS_AND_VALUES)
    merged = _product(graph, f"{name}.in_proj", normal, in_proj, TOKENS)
    outputs = parts[1:] if class_only else parts
    graph.node(
        "Split", f"{name}.split", [merged], outputs=outputs, axis=-1, num_outputs=len(outputs)
    )
    return graph.node("MultiHeadAttention", name, parts, domain=MICROSOFT, num_heads=HEADS)


def _first_token(graph: GraphBuilder, name: str, tokens: str) -> str:
    """Add the choice of the class token: [batch, 50, 768] to [batch, 1, 768]."""
    start, end, axis = graph.integers(0), graph.integers(1), graph.integers(1)
    return graph.node("Slice", name, [tokens, start, end, axis])


def _normalise(graph: GraphBuilder, name: str, stream: str, factors: Floats) -> str:
    """Add a LayerNorm; its own affine part is in the product that follows."""
    ones = bool((factors == 1).all())
    weight = graph.constant("ones" if ones else f"{name}.weight", factors)
    return graph.node(
        "LayerNormalization", name, [stream, weight], axis=-1, epsilon=LAYER_NORM_EPSILON
    )


def _product(graph: GraphBuilder, name: str, rows: str, product: Product, tokens: int) -> str:
    """Add a product: [batch, tokens, inputs] to [batch, tokens, outputs]."""
    if not isinstance(product, QuantisedLinear):
        weight = _float_weight(graph, name, product)
        result = graph.node("MatMul", f"{name}.product", [rows, weight])
        return graph.node("Add", name, [result, graph.constant(f"{name}.bias", product.bias)])
    scale, zero = _input_steps(graph, name, product)
    steps = graph.node("QuantizeLinear", f"{name}.quantise", [rows, scale, zero])
    inputs, outputs = product.weight.shape
    steps = graph.node("Reshape", f"{name}.rows", [steps, graph.integers(FREE, inputs)])
    result = _integer_product(graph, name, steps, product)
    shape = graph.integers(FREE, tokens, outputs)
    return graph.node("Reshape", f"{name}.tokens", [result, shape])


def _float_weight(graph: GraphBuilder, name: str, product: Linear | RoundedLinear) -> str:
    """Add the matrix; onnxruntime computes that of a rounded product once, when it loads it."""
    weight = graph.constant(f"{name}.weight", product.weight)
    if isinstance(product, Linear):
        return weight
    scale = graph.constant(f"{name}.weight_scale", product.scale)
    steps = graph.node("Cast", f"{name}.weight.steps", [weight], to=TensorProto.FLOAT)
    scaled = graph.node("Mul", f"{name}.weight.scaled", [steps, scale])
    rows = graph.integers(FREE, product.weight.shape[-1])
    return graph.node("Reshape", f"{name}.weight.rows", [scaled, rows])


def _integer_product(graph: GraphBuilder, name: str, steps: str, product: QuantisedLinear) -> str:
    """Add uint8 [rows, inputs] times int8 [inputs, outputs], as float32 [rows, outputs]."""
    unit = product.scale.astype(np.float64) * product.input_scale
    bias = np.rint(product.bias / unit)
    if not (np.abs(bias) < 2**31).all():
        raise ValueError(f"{name}: a bias has more steps than 32 bits can count")
    constants = (
        ("weight", product.weight),
        ("weight_scale", product.scale),
        ("weight_zero", np.zeros(len(product.scale), np.int8)),
        ("bias", bias.astype(np.int32)),
    )
    named = [graph.constant(f"{name}.{key}", values) for key, values in constants]
    inputs = [steps, *_input_steps(graph, name, product), *named]
    return graph.node("QGemm", name, inputs, domain=MICROSOFT)


def _input_steps(graph: GraphBuilder, name: str, product: QuantisedLinear) -> tuple[str, str]:
    return (
        graph.constant(f"{name}.input_scale", np.array(product.input_scale, np.float32)),
        graph.constant(f"{name}.input_zero", np.array(product.input_zero, np.uint8)),
    )
