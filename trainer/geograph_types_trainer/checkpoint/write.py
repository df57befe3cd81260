"""Write a head in the form that Geograph releases, as Geograph's own loader reads it."""

from pathlib import Path
from typing import Final

import torch

from geograph_types.files.atomic import new_file
from geograph_types_trainer.checkpoint.read import FORM, MODEL
from geograph_types_trainer.head import TypeHead

ADAM: Final = {
    "lr": 1e-3,
    "betas": (0.9, 0.999),
    "eps": 1e-8,
    "weight_decay": 0,
    "amsgrad": False,
}
"""Defaults of `torch.optim.Adam`, which would import torch's compiler."""


def save_checkpoint(head: TypeHead, path: Path, epoch: int | None, loss: float | None) -> None:
    """Write a head with the state of an optimizer that has not yet stepped.

    The file is there in full or not at all; `loss` is that of the validation rows after `epoch`.
    """
    parameters = list(range(len(list(head.parameters()))))
    values = {
        MODEL: {name: value.cpu() for name, value in head.state_dict().items()},
        **FORM,
        "epoch": epoch,
        "optimizer_state_dict": {"state": {}, "param_groups": [ADAM | {"params": parameters}]},
        "loss": loss,
    }
    with new_file(path) as stream:
        torch.save(values, stream)
