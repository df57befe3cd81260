"""Encoder and head in one graph, for callers in other languages."""

from typing import Final

import numpy as np
from onnx import ModelProto

from geograph_types.distance.distance import UNKNOWN_BUCKET
from geograph_types.manifest import Fidelity, tensor_contract
from geograph_types.session import Session
from geograph_types_export.errors import DriftError
from geograph_types_export.graphs.builder import GraphBuilder, serialise
from geograph_types_export.verify.graphs import check_photos, upper_bound

__all__ = ["join_graphs", "verify_tagger"]

CHECKED_PHOTOS: Final = 4
DIFFERENCE: Final = 1e-5


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


def verify_tagger(model: bytes, path: str, encoder: bytes, head: bytes) -> Fidelity:
    """Hold a joined graph against its parts, one run after the other.

    Args:
        model: the joined file's bytes.
        path: its name in the bundle.
        encoder: the encoder's bytes.
        head: the head's bytes.

    Raises:
        DriftError: a probability or a number of an embedding differs by more than 1e-5.
    """
    pixels = check_photos(CHECKED_PHOTOS)
    buckets = np.linspace(0, UNKNOWN_BUCKET, CHECKED_PHOTOS).astype(np.int64)
    embeds = Session(encoder, "cpu").run("image_embeds", pixels=pixels)
    scores = Session(head, "cpu").run("probabilities", image_embeds=embeds, distance_bucket=buckets)
    joined = Session(model, "cpu")
    difference = 0.0
    for output, expected in (("image_embeds", embeds), ("probabilities", scores)):
        computed = joined.run(output, pixels=pixels, distance_bucket=buckets)
        difference = float(np.abs(computed - expected).max(initial=difference))
        # A NaN compares as false: the test is written so that it fails it.
        if not difference <= DIFFERENCE:
            raise DriftError(path, f"{output} differ from its parts' by {difference:.2g}")
    return Fidelity(
        path=path,
        reference="the bundle's encoder and head, one after the other",
        samples=CHECKED_PHOTOS,
        minimum_cosine=None,
        maximum_difference=upper_bound(difference),
    )
