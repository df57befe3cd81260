"""The seven Type classes, the raw tags they come from, and the final tags that people read."""

from typing import Final

CLASSES: Final[tuple[str, ...]] = (
    "Aerial",
    "Close Look",
    "Cross Far",
    "Extra",
    "Geograph",
    "Inside",
    "From Drone",
)
"""Classes in the order of the head's seven outputs; each is an independent sigmoid."""

CLASS_INDEX: Final[dict[str, int]] = {name: index for index, name in enumerate(CLASSES)}

CROSS_FAR: Final = "Cross Far"
"""The model's class for a photo that looks like a long view."""

CROSS_GRID: Final = "Cross Grid"
"""The moderators' tag: camera and subject stand in different 1 km squares."""

FROM_DRONE: Final = "From Drone"

FROM_ABOVE: Final = "From Above"
"""The moderators' tag that stands for the class From Drone."""

RAW_TAGS: Final[tuple[str, ...]] = (
    "Aerial",
    "Close Look",
    "Cross Grid",
    "Extra",
    "Geograph",
    "Inside",
    "From Drone",
    "From Above",
)
"""Tags as the published dataset spells them."""

PROBABILITY_COLUMNS: Final = {name: f"p_{name.lower().replace(' ', '_')}" for name in CLASSES}
"""Name of the column of each class's probability, for instance p_close_look."""
