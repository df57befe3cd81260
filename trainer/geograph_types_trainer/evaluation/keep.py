"""Store what was fitted on validation rows in the run that it was fitted for."""

import copy

import numpy as np
import torch

from geograph_types.errors import InputError
from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.evaluation.calibration import Platt
from geograph_types_trainer.evaluation.results import HeadEvaluation
from geograph_types_trainer.head import TypeHead
from geograph_types_trainer.metrics import HIGHEST, LOWEST
from geograph_types_trainer.run import Run


@torch.no_grad()
def calibrated_head(head: TypeHead, platt: Platt) -> TypeHead:
    """Fold a line over each class's logits into the last layer of a new head, in eval mode."""
    folded = copy.deepcopy(head).eval()
    scale, shift = torch.from_numpy(platt.scale), torch.from_numpy(platt.shift)
    folded.last.weight.copy_(folded.last.weight.double() * scale[:, None])
    folded.last.bias.copy_(folded.last.bias.double() * scale + shift)
    return folded


def keep_fitted(run: Run, found: HeadEvaluation, data_sha256: str) -> None:
    """Store an evaluation's calibration and thresholds in the run that was scored.

    The thresholds move with the probabilities, so that they choose the same tags as before.
    """
    scale = np.array([one.scale for one in found.calibration], np.float64)
    shift = np.array([one.shift for one in found.calibration], np.float64)
    if not (scale > 0).all():
        raise InputError(f"{run.path} has no calibration to keep: its data needs val and tes rows")
    platt = Platt(scale, shift)
    thresholds = np.array([[one.threshold for one in found.quoted.classes]])
    moved = np.clip(platt.apply(thresholds)[0], LOWEST, HIGHEST).tolist()
    head = calibrated_head(TypeHead.from_weights(run.weights), platt)
    run.keep(head.weights(), dict(zip(CLASSES, moved, strict=True)), data_sha256)
