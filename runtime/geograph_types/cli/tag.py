"""The command `tag`."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import click
import msgspec

from geograph_types.atomic import new_file
from geograph_types.cli.notices import note, warn_of_stand_in
from geograph_types.cli.options import (
    bundle_option,
    check_outputs,
    device_option,
    exact_option,
    existing_path,
    output_path,
    threads_option,
)
from geograph_types.cli.progress import track
from geograph_types.cli.tables import ResultTable
from geograph_types.distance import Distance
from geograph_types.errors import InputError, PhotoError, PhotoFault
from geograph_types.photos import SUFFIXES, find_photos, real_path
from geograph_types.pipeline import embed_photos
from geograph_types.records import PhotoRecord, read_records
from geograph_types.report import write_report
from geograph_types.results import PhotoResult
from geograph_types.session import Device
from geograph_types.tagger import TypeTagger

__all__ = ["tag"]


@click.command(epilog="Example: geograph-types tag holiday/ --bundle model --out tags.jsonl")
@click.argument("photos", nargs=-1, required=True, type=existing_path)
@bundle_option
@click.option(
    "--labels",
    type=existing_path,
    metavar="CSV",
    help="Positions or distances of the photos, a row each (column 'photo' names it).",
)
@click.option("--out", type=output_path, metavar="FILE", help="Write JSON Lines here.")
@click.option("--report", type=output_path, metavar="FILE", help="Write a page of thumbnails here.")
@device_option
@threads_option
@exact_option
def tag(
    photos: tuple[Path, ...],
    bundle: Path,
    labels: Path | None,
    out: Path | None,
    report: Path | None,
    device: Device,
    threads: int | None,
    exact: bool,
) -> int:
    """Predict the Type tags of photographs.

    PHOTOS are files and folders. Without --out, results go to standard output: a table on a
    terminal, JSON Lines elsewhere.
    """
    tagger = TypeTagger(bundle, device=device, threads=threads)
    warn_of_stand_in(tagger.bundle)
    paths = list(find_photos(photos))
    if not paths:
        raise InputError(
            f"no photos in {', '.join(map(str, photos))}: name files, or folders with "
            f"{', '.join(sorted(SUFFIXES))}"
        )
    check_outputs([out, report], [*paths, labels])
    records = _records(labels, paths) if labels else {}
    tagger.bundle.find("head")
    results: list[PhotoResult] = []
    faults: Counter[str] = Counter()
    with ExitStack() as stack:
        stream = stack.enter_context(new_file(out)) if out else None
        table = ResultTable() if stream is None and sys.stdout.isatty() else None
        for result in track(tag_photos(tagger, paths, records, exact), "photos", len(paths)):
            if report:
                results.append(result)
            if result.error is not None:
                faults[result.error.fault.value] += 1
                note(f"error: {result.error}")
            if table is not None:
                table.add(result)
            else:
                line = msgspec.json.encode(_encodable(result))
                (stream or sys.stdout.buffer).write(line + b"\n")
        if table is not None:
            table.show()
    if report:
        pictured = track(results, "thumbnails", len(results))
        write_report(report, pictured, tagger.bundle)
    return _summary(len(paths), faults)


def _records(labels: Path, paths: list[Path]) -> dict[Path, PhotoRecord]:
    """Read what is known of the photos, and say for how many it is nothing."""
    records = read_records(labels)
    missing = sum(real_path(path) not in records for path in paths)
    if missing == len(paths):
        raise InputError(
            f"{labels} names none of the {len(paths)} photos: its column 'photo' is relative to "
            f"{labels.resolve().parent}"
        )
    if missing:
        note(f"{missing} of {len(paths)} photos are not in {labels}: their distance is unknown")
    return records


def tag_photos(
    tagger: TypeTagger, paths: list[Path], records: dict[Path, PhotoRecord], exact: bool
) -> Iterator[PhotoResult]:
    """Tag photos in order, each with the distance that its record gives."""
    for photo in embed_photos(tagger, paths, exact=exact):
        record = records.get(real_path(photo.path))
        types = record.types if record else ""
        error = photo.error
        if error is None and record and record.error:
            error = PhotoError(str(photo.path), PhotoFault.BAD_DISTANCE, record.error)
        if error is not None or photo.embedding is None:
            yield PhotoResult(photo.path, None, error, types)
            continue
        distance = record.distance if record else Distance.unknown()
        prediction = tagger.predict(photo.embedding[None, :], [distance])[0]
        yield PhotoResult(photo.path, prediction, None, types, photo.truncated)


def _encodable(result: PhotoResult) -> dict[str, object]:
    """Escape bytes of a file name that are not UTF-8, so that the line is JSON."""
    row = result.as_dict()
    row["photo"] = row["photo"].encode(errors="surrogateescape").decode(errors="backslashreplace")
    return row


def _summary(count: int, faults: Counter[str]) -> int:
    if not faults:
        note(f"{count} photos tagged")
        return 0
    failed = sum(faults.values())
    reasons = ", ".join(f"{number} {fault}" for fault, number in faults.most_common())
    note(f"{count - failed} photos tagged, {failed} failed: {reasons}")
    return 1
