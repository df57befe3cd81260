"""The command `score`."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import msgspec

from geograph_types.atomic import new_file
from geograph_types.cli.notices import note, warn_of_stand_in
from geograph_types.cli.options import (
    bundle_option,
    check_outputs,
    device_option,
    existing_path,
    output_path,
    threads_option,
)
from geograph_types.errors import RowError
from geograph_types.published import RowBatch
from geograph_types.session import Device
from geograph_types.stored import read_rows
from geograph_types.tagger import TypeTagger
from geograph_types.tags import final_tags
from geograph_types.taxonomy import CLASSES

__all__ = ["score"]

SHOWN_ERRORS = 20
"""Bad rows that are named on standard error; the results name them all."""


@click.command(epilog="Example: geograph-types score rows.jsonl.gz --bundle model --out tags.jsonl")
@click.argument("rows", type=existing_path)
@bundle_option
@click.option(
    "--distances",
    type=existing_path,
    metavar="FILE",
    help="For a numpy array: a distance on each line (metres, nothing for 0, or Unknown).",
)
@click.option("--out", type=output_path, metavar="FILE", help="Write JSON Lines here.")
@device_option
@threads_option
def score(
    rows: Path,
    bundle: Path,
    distances: Path | None,
    out: Path | None,
    device: Device,
    threads: int | None,
) -> int:
    """Predict Type tags from stored embeddings and distances.

    ROWS is a file in the published schema (Parquet, or JSON Lines, plain or gzipped) or a numpy
    array of embeddings. Without --out, JSON Lines go to standard output.
    """
    check_outputs([out], [rows, distances])
    tagger = TypeTagger(bundle, device=device, threads=threads)
    warn_of_stand_in(tagger.bundle)
    good = 0
    faults: Counter[str] = Counter()
    with ExitStack() as stack:
        stream = stack.enter_context(new_file(out)) if out else sys.stdout.buffer
        for batch in read_rows(rows, distances):
            stream.writelines(
                msgspec.json.encode(row) + b"\n" for row in score_batch(tagger, batch)
            )
            good += len(batch.rows)
            for error in batch.errors:
                faults[error.fault.value] += 1
                if faults.total() <= SHOWN_ERRORS:
                    note(f"error: {error}")
    if not faults:
        note(f"{good} rows scored")
        return 0
    reasons = ", ".join(f"{number} {fault}" for fault, number in faults.most_common())
    note(f"{good} rows scored, {faults.total()} failed: {reasons}")
    return 1


def score_batch(tagger: TypeTagger, batch: RowBatch) -> Iterator[dict[str, Any]]:
    """Score a batch; its results and its errors come in the order of the file."""
    probabilities = tagger.score_buckets(batch.embeddings, batch.buckets).tolist()
    thresholds = tagger.bundle.manifest.thresholds
    errors = list(reversed(batch.errors))
    for row, identity, values in zip(
        batch.rows.tolist(), batch.ids.tolist(), probabilities, strict=True
    ):
        while errors and errors[-1].row < row:
            yield _failed(errors.pop())
        tags, low_confidence = final_tags(values, thresholds, crosses_grid=None)
        yield {
            "row": row,
            "gridimage_id": identity,
            "status": "ok",
            "probabilities": {
                name: round(value, 7) for name, value in zip(CLASSES, values, strict=True)
            },
            "tags": tags,
            "low_confidence": low_confidence,
        }
    while errors:
        yield _failed(errors.pop())


def _failed(error: RowError) -> dict[str, Any]:
    return {
        "row": error.row,
        "status": "failed",
        "reason": error.fault.value,
        "detail": error.detail,
    }
