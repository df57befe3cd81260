"""A table of how a training went."""

import csv
import io
from collections.abc import Sequence
from typing import Final

from geograph_types_trainer.training.loop import EpochRecord

__all__ = ["log_table"]

LOG_COLUMNS: Final = (
    "epoch",
    "training_loss",
    "validation_loss",
    "validation_micro_f1",
    "validation_macro_f1",
    "best",
)


def log_table(history: Sequence[EpochRecord]) -> bytes:
    """Write the epochs as CSV with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(LOG_COLUMNS)
    for record in history:
        scores = record.validation
        writer.writerow(
            [
                record.number,
                f"{record.training_loss:.6f}",
                f"{scores.loss:.6f}",
                f"{scores.micro_f1:.6f}",
                f"{scores.macro_f1:.6f}",
                int(record.best),
            ]
        )
    return text.getvalue().encode()
