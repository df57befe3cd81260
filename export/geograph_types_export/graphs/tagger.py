"""Encoder and head in one graph, for callers in other languages."""

from onnx import ModelProto

from geograph_types.manifest import tensor_contract
from geograph_types_export.graphs.builder import GraphBuilder, serialise


def join_graphs(encoder: bytes, head: bytes) -> bytes:
    """Let a head read what an encoder gives.

    Args:
        encoder: a serialised model, `pixels` to `image_embeds`.
        head: a serialised model, `image_embeds` and `distance_bucket` to `probabilities`.

    Returns:
        A serialised model: `pixels` uint8 [batch, 224, 224, 3] and `distance_bucket` int64 [batch]
        to `probabilities` float32 [batch, 7] and `image_embeds` float32 [batch, 512].
    """
    graph = GraphBuilder("Geograph Type tagger")
    for part in (encoder, head):
        graph.include(ModelProto.FromString(part))
    return serialise(graph.model(*tensor_contract("tagger")))
