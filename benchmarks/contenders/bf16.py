"""Whether torch computes in bf16 here."""

from contenders.interface import LeftOut, Reason


def unless_bf16() -> LeftOut | None:
    """Leave a contender out where torch would only emulate bf16."""
    import torch

    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return LeftOut(Reason.NO_BF16, "torch would emulate it, many times slower than fp32")
    return None
