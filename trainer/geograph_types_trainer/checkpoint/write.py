"""Write a head in the form that Geograph releases, as Geograph's own loader reads it."""

from pathlib import Path

import torch

from geograph_types.files.atomic import new_file
from geograph_types_trainer.checkpoint.read import FORM, MODEL
from geograph_types_trainer.head import TypeHead


def save_checkpoint(head: TypeHead, path: Path, epoch: int | None, loss: float | None) -> None:
    """Write a head with the state of an optimizer that has not yet stepped.

    The file is there in full or not at all; `loss` is that of the validation rows after `epoch`.

    Raises:
        OSError: the file cannot be written.
    """
    values = {
        MODEL: {name: value.cpu() for name, value in head.state_dict().items()},
        **FORM,
        "epoch": epoch,
        "optimizer_state_dict": torch.optim.Adam(head.parameters()).state_dict(),
        "loss": loss,
    }
    with new_file(path) as stream:
        torch.save(values, stream)
