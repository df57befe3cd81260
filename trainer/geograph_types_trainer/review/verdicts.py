"""What moderators said of the questions, taken for the truth in training."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from geograph_types.errors import InputError
from geograph_types.files.csv_rows import read_rows
from geograph_types.tags import FINAL_TAGS
from geograph_types_trainer.dataset.memory import TrainingData

ANSWERS: Final = {"yes": 1, "no": 0, "skip": None}


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Whether photos have tags: 1 or 0 by `gridimage_id` and class."""

    path: Path
    sha256: str  # of the file
    said: dict[tuple[int, int], int]

    @classmethod
    def read(cls, path: Path) -> "Verdicts":
        """Read a CSV file with columns gridimage_id, tag and verdict: yes, no or skip."""
        names, rows = read_rows(path)
        if missing := {"gridimage_id", "tag", "verdict"}.difference(names):
            raise InputError(
                f"{path} has no column {min(missing)}: save it on the page of 'review'"
            )
        said: dict[tuple[int, int], int] = {}
        for where, row in rows:
            try:
                key = int(row["gridimage_id"]), FINAL_TAGS.index(row["tag"])
                answer = ANSWERS[row["verdict"].casefold() or "skip"]
            except (ValueError, KeyError):
                raise InputError(
                    f"{where}: not an id, one of {', '.join(FINAL_TAGS)}, and yes, no or skip"
                ) from None
            if answer is not None and said.setdefault(key, answer) != answer:
                raise InputError(
                    f"{where}: {row['tag']} of {key[0]} is yes and no: remove one line"
                )
        return cls(path, hashlib.sha256(path.read_bytes()).hexdigest(), said)

    def applied(self, data: TrainingData) -> TrainingData:
        """Put the verdicts in place of the labels; rows with one count in full (weight 1)."""
        labels, weights = data.labels.copy(), data.weights.copy()
        places = {number: place for place, number in enumerate(data.ids.tolist())}
        judged = [
            (places[number], c, v) for (number, c), v in self.said.items() if number in places
        ]
        if not judged:
            raise InputError(f"{self.path} has no verdict on a row of this dataset: check the ids")
        rows, classes, values = np.array(judged).T
        labels[rows, classes] = values
        weights[rows] = 1.0
        return replace(data, labels=labels, weights=weights)
