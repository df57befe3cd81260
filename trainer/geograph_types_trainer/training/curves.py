"""A picture of the losses and scores of a training."""

import io
from collections.abc import Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from geograph_types_trainer.training.loop import EpochRecord


def draw_curves(history: Sequence[EpochRecord]) -> bytes:
    """Draw losses and validation scores by epoch as a PNG, the kept epoch marked."""
    epochs = [record.number for record in history]
    kept = max(record.number for record in history if record.best)
    figure = Figure(figsize=(12, 4.5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    losses, scores = figure.subplots(1, 2)
    losses.plot(epochs, [record.training_loss for record in history], ".-", label="training")
    losses.plot(epochs, [record.validation.loss for record in history], ".-", label="validation")
    losses.set_title("Loss (weighted binary cross-entropy)")
    scores.plot(epochs, [record.validation.micro_f1 for record in history], ".-", label="micro-F1")
    scores.plot(epochs, [record.validation.macro_f1 for record in history], ".-", label="macro-F1")
    scores.set_title("Validation F1 at 0.5, distance as recorded")
    for axes in (losses, scores):
        axes.axvline(kept, color="0.6", linestyle="--", label=f"kept: epoch {kept}")
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()
