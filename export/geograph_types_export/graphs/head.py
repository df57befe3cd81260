"""The head's graph: embedding and distance bucket to logits and probabilities."""

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from geograph_types.distance.distance import BUCKET_COUNT
from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.manifest import tensor_contract
from geograph_types_export.graphs.builder import GraphBuilder
from geograph_types_trainer.head_weights import SCALE, SHIFT, HeadWeights


def head_graph(weights: HeadWeights) -> ModelProto:
    """Build the head: `image_embeds` [batch, 512] and `distance_bucket` [batch], 0 to 22.

    The first layer reads embedding and embedded distance side by side. Its distance part and its
    bias depend on the bucket alone, so they become a table of one row for each of the 23 buckets,
    computed in float64. A calibration is such a table, too.
    """
    exact = {name: values.astype(np.float64) for name, values in weights.items()}
    graph = GraphBuilder("Geograph Type head")
    image, distance = np.split(exact["fc.0.weight"], [EMBEDDING_DIMENSION], axis=1)
    rows = exact["dist_emb.weight"][:BUCKET_COUNT] @ distance.T + exact["fc.0.bias"]
    weight = graph.constant("fc.0.image.weight", _f4(image.T))
    seen = graph.node("MatMul", "fc.0.image", ["image_embeds", weight])
    table = graph.constant("fc.0.distance.table", _f4(rows))
    read = graph.node("Gather", "fc.0.distance", [table, "distance_bucket"])
    total = graph.node("Add", "fc.0", [seen, read])
    active = graph.node("Relu", "fc.1", [total])
    last = [
        graph.constant("fc.3.weight", _f4(exact["fc.3.weight"].T)),
        graph.constant("fc.3.bias", _f4(exact["fc.3.bias"])),
    ]
    if SCALE in weights:
        _calibrate(graph, graph.node("Gemm", "fc.3", [active, *last]), exact)
    else:
        graph.node("Gemm", "fc.3", [active, *last], outputs=["logits"])
    graph.node("Sigmoid", "sigmoid", ["logits"], outputs=["probabilities"])
    return graph.model(*tensor_contract("head"))


def _calibrate(graph: GraphBuilder, raw: str, exact: dict[str, NDArray[np.float64]]) -> None:
    """Scale and shift logits, by the bucket of the distance."""
    scale, shift = (
        graph.node(
            "Gather",
            name,
            [graph.constant(f"{name}.table", _f4(exact[name])), "distance_bucket"],
        )
        for name in (SCALE, SHIFT)
    )
    scaled = graph.node("Mul", "calibration.scaled", [raw, scale])
    graph.node("Add", "calibration", [scaled, shift], outputs=["logits"])


def _f4(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32)
