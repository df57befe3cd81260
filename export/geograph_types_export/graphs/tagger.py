"""Encoder and head in one graph, for callers in other languages."""

from onnx import ModelProto

from geograph_types.manifest import tensor_contract
from geograph_types_export.graphs.builder import GraphBuilder, serialise


def join_graphs(encoder: bytes, head: bytes) -> bytes:
    """Join a serialised encoder and head: the head reads the embeddings that the encoder computes.

    The model reads `pixels` and `distance_bucket`, and computes `probabilities` and `image_embeds`.
    """
    graph = GraphBuilder("Geograph Type tagger")
    for part in (encoder, head):
        graph.include(ModelProto.FromString(part))
    return serialise(graph.model(*tensor_contract("tagger")))
