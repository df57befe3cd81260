"""From places to one of 23 distance buckets."""

from geograph_types.distance.distance import (
    BUCKET_COUNT,
    UNKNOWN_BUCKET,
    Distance,
    DistanceBasis,
    DistanceLike,
    DistanceSource,
)
from geograph_types.distance.grid import Grid, GridPosition

__all__ = [
    "BUCKET_COUNT",
    "UNKNOWN_BUCKET",
    "Distance",
    "DistanceBasis",
    "DistanceLike",
    "DistanceSource",
    "Grid",
    "GridPosition",
]
