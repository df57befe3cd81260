"""A dataset's counts as a picture."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from geograph_types.distance.distance import BUCKET_COUNT, bucket_text
from geograph_types.photos.labels import SPLITS
from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.dataset.stats import DatasetStats


def draw_stats(stats: DatasetStats) -> bytes:
    """Draw classes, distances and weights as shares of each split's rows."""
    figure = Figure(figsize=(12, 9), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplot_mosaic([["classes", "weights"], ["distances", "distances"]])
    _bars(axes["classes"], stats.classes, stats.rows, CLASSES, "Classes")
    weights = [f"{weight:g}" for weight in stats.weights]
    _bars(axes["weights"], np.stack([*stats.weights.values()], 1), stats.rows, weights, "Weights")
    names = [bucket_text(bucket) for bucket in range(BUCKET_COUNT)]
    _bars(axes["distances"], stats.buckets, stats.rows, names, "Distance, metres and more")
    axes["classes"].legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def _bars(
    axes: Axes,
    counts: NDArray[np.int64],
    rows: NDArray[np.int64],
    names: Sequence[str],
    title: str,
) -> None:
    """Draw bars of the three splits side by side."""
    width = 0.8 / len(SPLITS)
    for index, split in enumerate(SPLITS):
        share = 100.0 * counts[index] / max(int(rows[index]), 1)
        label = f"{split}: {rows[index]:,} rows"
        axes.bar(np.arange(len(names)) + (index - 1) * width, share, width, label=label)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_ylabel("% of the split's rows")
    axes.set_title(title)
    axes.grid(axis="y", alpha=0.3)
