"""What is written about one photo: its prediction, or why there is none."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from geograph_types.errors import PhotoError
from geograph_types.prediction import Prediction


@dataclass(frozen=True, slots=True)
class PhotoResult:
    """One photo's outcome; exactly one of `prediction` and `error` is there."""

    path: Path
    prediction: Prediction | None
    error: PhotoError | None
    types: str = ""  # the moderators' raw tags, if a labels file has them
    truncated: bool = False  # the file was cut off, and was used as far as it goes
    problems: tuple[str, ...] = ()  # why positions in its EXIF were not used; it is tagged

    def __post_init__(self) -> None:
        if (self.prediction is None) == (self.error is None):
            raise ValueError("a result has either a prediction or an error")

    def only_certain(self) -> "PhotoResult":
        """Return it with the certain tags alone, which may be none."""
        return (
            self
            if self.prediction is None
            else replace(self, prediction=self.prediction.only_certain())
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON.

        Bytes of a file name that are not UTF-8 come as surrogates, as Python reads them.
        """
        row: dict[str, Any] = {"photo": str(self.path)}
        if self.types:
            row["types"] = self.types
        if self.prediction is not None:
            row["status"] = "ok"
            if self.truncated:
                row["warning"] = "truncated"
            if self.problems:
                row["problems"] = list(self.problems)
            return row | self.prediction.as_dict()
        if self.error is not None:
            row |= {"status": "failed", "reason": self.error.fault.value}
            row |= {"detail": self.error.detail}
        return row
