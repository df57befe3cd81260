"""AdamW, without the compiler that `torch.optim` imports (130 MB and seconds of start-up)."""

import math
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

MEAN_DECAY: Final = 0.9
SQUARE_DECAY: Final = 0.999
EPSILON: Final = 1e-8


class AdamW:
    """Adam with decoupled weight decay.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019; the same
    steps as `torch.optim.AdamW` with its defaults.
    """

    def __init__(self, decays: Mapping[Tensor, float]) -> None:
        """Start with the parameters, each with its weight decay."""
        self._decays = dict(decays)
        self._means = [torch.zeros_like(parameter) for parameter in decays]
        self._squares = [torch.zeros_like(parameter) for parameter in decays]
        self._steps = 0

    def step(self, loss: Tensor, rate: float) -> None:
        """Take one step down the gradient of a loss."""
        gradients = torch.autograd.grad(loss, list(self._decays))
        self._steps += 1
        stride = rate / (1.0 - MEAN_DECAY**self._steps)
        unbias = math.sqrt(1.0 - SQUARE_DECAY**self._steps)
        with torch.no_grad():
            for (parameter, decay), mean, square, gradient in zip(
                self._decays.items(), self._means, self._squares, gradients, strict=True
            ):
                mean.lerp_(gradient, 1.0 - MEAN_DECAY)
                square.mul_(SQUARE_DECAY).addcmul_(gradient, gradient, value=1.0 - SQUARE_DECAY)
                parameter.mul_(1.0 - rate * decay)
                parameter.addcdiv_(mean, square.sqrt().div_(unbias).add_(EPSILON), value=-stride)

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs."""
        return {"means": self._means, "squares": self._squares, "steps": self._steps}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Return to a state that `state` returned."""
        for kept, values in ((self._means, state["means"]), (self._squares, state["squares"])):
            for tensor, value in zip(kept, values, strict=True):
                tensor.copy_(value)
        self._steps = int(state["steps"])
