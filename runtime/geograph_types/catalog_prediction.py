"""A prediction as columns of a catalogue's table, and back."""

from collections.abc import Sequence
from typing import Any

import msgspec

from geograph_types.distance.distance import Distance
from geograph_types.prediction import Prediction

__all__ = ["prediction_columns", "read_prediction"]


def prediction_columns(prediction: Prediction | None) -> tuple[object, ...]:
    """Give tags, low_confidence, probabilities, distance, model, stand_in; all NULL without one."""
    if prediction is None:
        return (None,) * 6
    return (
        msgspec.json.encode(prediction.tags).decode(),
        prediction.low_confidence,
        msgspec.json.encode(dict(prediction.probabilities)).decode(),
        msgspec.json.encode(prediction.distance).decode(),
        prediction.model,
        prediction.stand_in,
    )


def read_prediction(row: Sequence[Any]) -> Prediction:
    """Read the columns that `prediction_columns` gave.

    Raises:
        msgspec.DecodeError: they were changed by another program.
    """
    tags, low_confidence, probabilities, distance, model, stand_in = row
    return Prediction(
        probabilities=msgspec.json.decode(probabilities, type=dict[str, float]),
        tags=msgspec.json.decode(tags, type=tuple[str, ...]),
        low_confidence=bool(low_confidence),
        distance=msgspec.json.decode(distance, type=Distance),
        model=model,
        stand_in=bool(stand_in),
    )
