"""Predict Geograph's Type tags from a photo and the distance to its subject."""

from geograph_types.bundle import Bundle
from geograph_types.distance.distance import Distance, DistanceBasis, DistanceLike
from geograph_types.distance.grid import Grid, GridPosition
from geograph_types.errors import GeographTypesError
from geograph_types.prediction import Prediction
from geograph_types.preprocess import preprocess
from geograph_types.tagger import TypeTagger
from geograph_types.taxonomy import CLASSES

__all__ = [
    "CLASSES",
    "Bundle",
    "Distance",
    "DistanceBasis",
    "DistanceLike",
    "GeographTypesError",
    "Grid",
    "GridPosition",
    "Prediction",
    "TypeTagger",
    "preprocess",
]
