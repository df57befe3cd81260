"""The command `embed`."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from geograph_types.cli import options
from geograph_types.cli.notices import note, warn_of_stand_in
from geograph_types.cli.photo_list import photos_of, report_other_rows
from geograph_types.cli.progress import track
from geograph_types.cli.tally import Tally
from geograph_types.distance.distance import bucket_text
from geograph_types.distance.sources import best_distance
from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.errors import InputError, PhotoFault, RowFault
from geograph_types.photos.embed import EmbeddedPhoto, embed_photos
from geograph_types.photos.labels import PhotoLabels, label_key, read_labels
from geograph_types.session import Device
from geograph_types.tagger import PrecisionChoice, TypeTagger
from geograph_types.taxonomy import RAW_TAGS

if TYPE_CHECKING:
    from geograph_types.stored.batch import DatasetBatch

ROWS_AT_ONCE = 1024


@click.command(
    epilog="Example: geograph-types embed photos/ --labels labels.csv --bundle model "
    "--out data.parquet"
)
@click.argument("photos", nargs=-1, required=True, type=options.any_path)
@options.labels_option(
    "Raw tags and positions of the photos, one row each (column 'photo' names it).", required=True
)
@options.bundle_option
@options.output_option("--out", "The dataset, as Parquet.", required=True)
@options.device_option
@options.precision_option
@options.threads_option
@options.exact_option
@options.verbose_option
def embed(
    photos: tuple[Path, ...],
    labels: Path,
    bundle: Path,
    out: Path,
    device: Device,
    precision: PrecisionChoice,
    threads: int | None,
    exact: bool,
    verbose: bool,
) -> int:
    """Turn labelled photographs into a dataset in the published schema.

    PHOTOS are files and folders; those that the labels file does not name are left out and
    counted. If that file has no distance for a photo, the positions in its EXIF are used.
    """
    tagger = TypeTagger.for_many(bundle, device, precision, threads)
    warn_of_stand_in(tagger.bundle)
    known = read_labels(labels, note)
    found = {path: label_key(path) for path in photos_of(photos, (), (), verbose)}
    options.check_outputs([out], [*found, labels], bundle)
    paths = [path for path, key in found.items() if key in known]
    if not paths:
        raise InputError(f"{labels} names none of the {len(found)} photos that were given")
    if len(paths) < len(found):
        note(f"{len(found) - len(paths)} photos are not in {labels} and are left out")
    for path in set(found).difference(paths) if verbose else ():
        note(f"passed over {path}: not in {labels}")
    report_other_rows(labels, known, found.values())
    embedded = embed_photos(tagger, paths, exact=exact)
    tracked = track(embedded, "photos", len(paths), failed=lambda photo: photo.error is not None)
    return _write_dataset(tracked, known, out, tagger)


def _write_dataset(
    photos: Iterable[EmbeddedPhoto], labels: dict[Path, PhotoLabels], out: Path, tagger: TypeTagger
) -> int:
    """Write the photos that could be embedded, and count the others by reason."""
    from geograph_types.files.parquet_table import new_table

    tally = Tally("photos", f"embedded to {out}")
    encoder = tagger.bundle.find("encoder", tagger.precision)
    with new_table(out) as dataset:
        remaining = iter(photos)
        while some := list(islice(remaining, ROWS_AT_ONCE)):
            good: list[tuple[EmbeddedPhoto, PhotoLabels]] = []
            for photo in some:
                row = labels[label_key(photo.path)]
                tally.total += 1
                fault, detail = _problem(photo, row)
                if fault:
                    tally.fail(fault, f"{photo.path}: {fault}: {detail}")
                else:
                    good.append((photo, row))
            dataset.write(_batch(good).columns())
        dataset.metadata = {
            "made_by": "geograph-types embed",
            "encoder_sha256": encoder.sha256,
            "stand_in": tagger.bundle.is_stand_in,
            "rows": dataset.rows,
            "failed": dict(sorted(tally.faults.items())),
        }
    return tally.finish()


def _problem(photo: EmbeddedPhoto, row: PhotoLabels) -> tuple[str, str]:
    """Return why a photo cannot be a row of a dataset; two empty texts if it can."""
    if photo.error:
        return photo.error.fault.value, photo.error.detail
    if row.error:
        return PhotoFault.BAD_DISTANCE.value, row.error
    tags = [tag.strip() for tag in row.types.split(",") if tag.strip()]
    if not tags:
        return RowFault.NO_TAG.value, "the labels file has no tag for it"
    unknown = sorted(set(tags) - set(RAW_TAGS))
    if unknown:
        return RowFault.UNKNOWN_TAG.value, f"{unknown[0]!r} is not one of {', '.join(RAW_TAGS)}"
    return "", ""


def _batch(good: list[tuple[EmbeddedPhoto, PhotoLabels]]) -> "DatasetBatch":
    from geograph_types.stored.batch import DatasetBatch

    rows = [row for _, row in good]
    vectors = [photo.embedding for photo, _ in good if photo.embedding is not None]
    return DatasetBatch(
        ids=np.array([row.gridimage_id for row in rows], np.int64),
        types=[row.types for row in rows],
        distances=[
            bucket_text(best_distance(row.places, photo.exif.places).distance.bucket)
            for photo, row in good
        ],
        embeddings=np.array(vectors, np.float32).reshape(-1, EMBEDDING_DIMENSION),
        weights=np.array([row.weight for row in rows], np.float32),
        splits=[row.split for row in rows],
    )
