r"""The columns of results as a table; the CSV and Parquet files of `tag` have exactly these.

| column | kind | meaning |
|---|---|---|
| photo | text | its path; what a terminal would act upon is escaped, as `\x1b` |
| status | text | ok or failed |
| reason, detail | text | why it failed: one of the closed list `PhotoFault`, and more about it |
| warning | text | truncated: the file was cut off, and was used as far as it goes |
| problems | text | why positions in its EXIF were not used, joined with "; " |
| types | text | the moderators' raw tags, if a labels file has them |
| tags | list | final tags; in CSV joined with commas |
| certain | list | those of the tags that hold with the bundle's guarantee |
| low_confidence | flag | no class reached its threshold: `tags` holds the best guess |
| p_aerial ... p_from_drone | number | probability of each class, seven decimals |
| distance_metres | number | between camera and subject; empty if unknown |
| distance_bucket | whole | in which of the 23 buckets the head read it; 22 is unknown |
| distance_basis, distance_source | text | what the distance rests on, and where it comes from |
| cross_grid | text | whether the two stand in different 1 km squares, or why that is not known |
| model | text | name and version of the bundle |
| stand_in | flag | the encoder's weights mean nothing on real photos |

In CSV, a text that a spreadsheet would take for a formula has `'` before it. A line of JSON Lines
has the same values in the nested form of `PhotoResult.as_dict`.
"""

from typing import Final

from geograph_types.files.table import Cell, CellKind
from geograph_types.files.text import displayable
from geograph_types.photos.result import PhotoResult
from geograph_types.prediction import Prediction
from geograph_types.taxonomy import PROBABILITY_COLUMNS

COLUMNS: Final[dict[str, CellKind]] = {
    **dict.fromkeys(
        ("photo", "status", "reason", "detail", "warning", "problems", "types"), "text"
    ),
    **dict.fromkeys(("tags", "certain"), "list"),
    "low_confidence": "flag",
    **dict.fromkeys(PROBABILITY_COLUMNS.values(), "number"),
    "distance_metres": "number",
    "distance_bucket": "whole",
    **dict.fromkeys(("distance_basis", "distance_source", "cross_grid", "model"), "text"),
    "stand_in": "flag",
}
"""Kinds of the columns, in their order."""


def as_cells(result: PhotoResult) -> dict[str, Cell]:
    """Return the cells of one photo's row, all of `COLUMNS` in their order."""
    cells: dict[str, Cell] = dict.fromkeys(COLUMNS)
    cells["photo"] = displayable(str(result.path))
    cells["types"] = result.types or None
    if result.prediction is not None:
        cells["status"] = "ok"
        cells["warning"] = "truncated" if result.truncated else None
        cells["problems"] = displayable("; ".join(result.problems)) or None
        return cells | _of_prediction(result.prediction)
    if result.error is not None:
        cells["status"] = "failed"
        cells["reason"] = result.error.fault.value
        cells["detail"] = displayable(result.error.detail)
    return cells


def _of_prediction(prediction: Prediction) -> dict[str, Cell]:
    distance = prediction.distance
    return {
        "tags": prediction.tags,
        "certain": prediction.certain,
        "low_confidence": prediction.low_confidence,
        **{
            column: round(prediction.probabilities[name], 7)
            for name, column in PROBABILITY_COLUMNS.items()
        },
        "distance_metres": distance.metres,
        "distance_bucket": distance.bucket,
        "distance_basis": distance.basis.value,
        "distance_source": distance.source.value,
        "cross_grid": distance.crossing.value,
        "model": prediction.model,
        "stand_in": prediction.stand_in,
    }
