"""Places in latitude and longitude, as from receivers and maps on the web (WGS84)."""

import math
import re
from dataclasses import dataclass
from typing import Final

from geograph_types.errors import GridError

DEGREE_METRES: Final = 111_320
"""Length of a degree of latitude, about; one of longitude is shorter."""

DEGREES: Final = re.compile(r"[+-]?[0-9]{1,3}(?:\.([0-9]{0,20}))?")


@dataclass(frozen=True, slots=True)
class Coordinates:
    """A place in WGS84."""

    latitude: float  # degrees, north positive, -90 to 90
    longitude: float  # degrees, east positive, -180 to 180
    accuracy_metres: float = 0.0  # how far away the true place may be

    def __post_init__(self) -> None:
        if not (abs(self.latitude) <= 90 and abs(self.longitude) <= 180):
            raise GridError(
                f"the place is not on Earth (latitude {self.latitude}, longitude "
                f"{self.longitude}): give degrees, latitude first"
            )
        if not (math.isfinite(self.accuracy_metres) and self.accuracy_metres >= 0):
            raise GridError(f"an accuracy is 0 m or more, not {self.accuracy_metres}")

    @classmethod
    def parse(cls, latitude: str, longitude: str) -> "Coordinates":
        """Read decimal degrees, for instance "51.5081" and "-0.1281".

        The place is taken to be known to half of the last decimal that is written, of the two
        numbers the one with more decimals, since spreadsheets drop zeros at the end: 56 m for
        three decimals, 6 m for four.
        """
        texts = latitude.strip(), longitude.strip()
        matches = [DEGREES.fullmatch(text) for text in texts]
        decimals = [len(match[1] or "") for match in matches if match]
        if len(decimals) < len(texts):
            raise GridError(
                f"{', '.join(texts)!r} is not a latitude and longitude: "
                "give decimal degrees, for example 51.5081, -0.1281"
            )
        accuracy = DEGREE_METRES * 10.0 ** -max(decimals) / 2
        return cls(float(texts[0]), float(texts[1]), accuracy)
