"""Ways to run CLIP ViT-B/32's image tower on a CPU; each module is one, with one interface."""

from contenders import (
    bundle_fp32,
    bundle_int8,
    fastembed_pipeline,
    open_clip_bf16,
    open_clip_compiled,
    open_clip_compiled_bf16,
    open_clip_eager,
    openvino_bf16,
    openvino_fp32,
    openvino_nncf,
    traced_fp32,
    traced_int8,
    transformers_tower,
)
from contenders.interface import Contender

__all__ = ["CONTENDERS", "OPEN_CLIP", "OURS"]

CONTENDERS: dict[str, Contender] = {
    contender.NAME: contender
    for contender in (
        bundle_int8,
        bundle_fp32,
        open_clip_eager,
        open_clip_compiled,
        open_clip_bf16,
        open_clip_compiled_bf16,
        transformers_tower,
        traced_fp32,
        traced_int8,
        fastembed_pipeline,
        openvino_fp32,
        openvino_bf16,
        openvino_nncf,
    )
}
"""By name."""

OURS = bundle_int8.NAME
OPEN_CLIP = open_clip_eager.NAME
"""The two that all others are compared with; fidelity is measured against open_clip."""
