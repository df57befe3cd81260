"""Ways to run CLIP ViT-B/32's image tower on a CPU, with one interface."""

from contenders import (
    bundle_encoders,
    fastembed_tower,
    openvino_towers,
    torch_towers,
    traced_towers,
)

__all__ = ["CONTENDERS", "OPEN_CLIP", "OURS"]

CONTENDERS = {
    contender.name: contender
    for contender in (
        bundle_encoders.INT8,
        bundle_encoders.FP32,
        torch_towers.OPEN_CLIP,
        torch_towers.COMPILED,
        torch_towers.BF16,
        torch_towers.COMPILED_BF16,
        torch_towers.TRANSFORMERS,
        traced_towers.FP32,
        traced_towers.INT8,
        fastembed_tower.FP32,
        openvino_towers.FP32,
        openvino_towers.BF16,
        openvino_towers.INT8,
    )
}
"""By name."""

OURS = bundle_encoders.INT8.name
OPEN_CLIP = torch_towers.OPEN_CLIP.name
"""The two that take part always; fidelity is measured against open_clip."""
