"""The head's graph: embedding and distance bucket to logits and probabilities."""

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto

from geograph_types.distance.distance import BUCKET_COUNT
from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.manifest import tensor_contract
from geograph_types_export.graphs.builder import GraphBuilder
from geograph_types_trainer.head import TypeHead


def head_graph(head: TypeHead) -> ModelProto:
    """Build the head.

    The first layer reads embedding and embedded distance side by side. Its distance part and its
    bias depend on the bucket alone, so they become a table of one row for each of the 23 buckets,
    computed in float64.

    Args:
        head: a trained head; its dropout is left out.

    Returns:
        A float32 model: `image_embeds` float32 [batch, 512] and `distance_bucket` int64 [batch],
        each 0 to 22, to `logits` and `probabilities`, float32 [batch, 7].
    """
    graph = GraphBuilder("Geograph Type head")
    hidden, buckets = np.split(_exact(head.first.weight), [EMBEDDING_DIMENSION], axis=1)
    table = _exact(head.dist_emb.weight)[:BUCKET_COUNT] @ buckets.T + _exact(head.first.bias)
    seen = graph.node(
        "MatMul", "fc.0.image", ["image_embeds", graph.constant("fc.0.image.weight", _f4(hidden.T))]
    )
    distance = graph.node(
        "Gather",
        "fc.0.distance",
        [graph.constant("fc.0.distance.table", _f4(table)), "distance_bucket"],
    )
    total = graph.node("Add", "fc.0", [seen, distance])
    active = graph.node("Relu", "fc.1", [total])
    last = [
        graph.constant("fc.3.weight", _f4(_exact(head.last.weight).T)),
        graph.constant("fc.3.bias", _f4(_exact(head.last.bias))),
    ]
    logits = graph.node("Gemm", "fc.3", [active, *last], outputs=["logits"])
    graph.node("Sigmoid", "sigmoid", [logits], outputs=["probabilities"])
    return graph.model(*tensor_contract("head"))


def _exact(parameter: torch.Tensor) -> NDArray[np.float64]:
    values: NDArray[np.float64] = parameter.detach().cpu().double().numpy()
    return values


def _f4(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32)
