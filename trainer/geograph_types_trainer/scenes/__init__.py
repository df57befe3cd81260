"""Drawn practice photos of the seven Type classes, for machines without real ones."""

from geograph_types_trainer.scenes.catalogue import draw_scene, draw_scenes
from geograph_types_trainer.scenes.folder import LABEL_COLUMNS, write_scenes

__all__ = ["LABEL_COLUMNS", "draw_scene", "draw_scenes", "write_scenes"]
