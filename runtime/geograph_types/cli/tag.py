"""The command `tag`."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import click

from geograph_types.cli import options
from geograph_types.cli.config import config_option
from geograph_types.cli.notices import note, warn_of_stand_in
from geograph_types.cli.photo_list import photos_of, report_other_rows
from geograph_types.cli.progress import track
from geograph_types.cli.tag_results import PhotoTally, result_output
from geograph_types.cli.tag_sidecars import SidecarOutput
from geograph_types.errors import InputError
from geograph_types.photos.catalog import Catalog, PendingPhoto, open_catalog
from geograph_types.photos.embed import EmbeddedPhoto, embed_photos
from geograph_types.photos.labels import DATASET_COLUMNS, PhotoLabels, label_key, read_labels
from geograph_types.photos.outputs import check_suffix
from geograph_types.photos.result import PhotoResult
from geograph_types.photos.stamp import FileStamp
from geograph_types.photos.tag import embed_into, encoding_of, keep_results, tag_photos
from geograph_types.report.write import write_report
from geograph_types.session import Device
from geograph_types.tagger import PrecisionChoice, TypeTagger


@click.command(
    epilog="Example: geograph-types tag holiday/ --bundle model --catalog tags.catalog "
    "--out tags.csv"
)
@click.argument("photos", nargs=-1, required=True, type=options.any_path)
@options.bundle_option
@options.output_option(
    "--catalog", "Keep embeddings and results here, and open only photos that are new or changed."
)
@click.option("--reread", is_flag=True, help="With --catalog: open all photos again.")
@options.labels_option(
    "Positions or distances, one row per photo: columns photo, camera, subject, distance."
)
@click.option(
    "--include",
    multiple=True,
    metavar="PATTERN",
    help="In folders, only photos that fit, for example '*.jpg' or '2024/*'; may be given again.",
)
@click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="In folders, leave out photos and folders that fit; may be given again.",
)
@click.option(
    "--threshold",
    type=options.FiniteRange(0, 1),
    help="Probability from which a tag is set, for all classes; else the bundle's for each class.",
)
@click.option(
    "--only",
    type=click.Choice(["certain"]),
    help="Leave out tags that do not hold with the bundle's guarantee.",
)
@options.results_option(required=False)
@options.output_option("--report", "Write a page of thumbnails here.")
@click.option("--xmp", is_flag=True, help="Write tags into sidecars beside the photos.")
@options.choice_option(
    "--sidecar-name",
    ["photo.jpg.xmp", "photo.xmp"],
    "Name of new sidecars: darktable and digiKam have the first, Lightroom the other.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="With --xmp: show what would change in sidecars, and write none.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 1024),
    help="Processes that decode photos; follows the CPU quota if left out.",
)
@options.device_option
@options.precision_option
@options.threads_option
@options.exact_option
@options.verbose_option
@config_option
def tag(
    photos: tuple[Path, ...],
    bundle: Path,
    catalog: Path | None,
    reread: bool,
    labels: Path | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    threshold: float | None,
    only: str | None,
    out: Path | None,
    report: Path | None,
    xmp: bool,
    sidecar_name: str,
    dry_run: bool,
    jobs: int | None,
    device: Device,
    precision: PrecisionChoice,
    threads: int | None,
    exact: bool,
    verbose: bool,
) -> int:
    """Predict the Type tags of photographs.

    PHOTOS are files and folders, or "-" for a list of them on standard input. Without --out,
    results go to standard output: a table on a terminal, JSON Lines elsewhere.

    With --catalog, a run that was stopped is resumed where it was, and another bundle's head tags
    again without opening a photo. With --xmp, tags that are only a best guess are left out.
    """
    if dry_run and not xmp:
        raise InputError("--dry-run shows what --xmp would do: give both")
    if reread and not catalog:
        raise InputError("--reread opens again what --catalog has: give both")
    tagger = TypeTagger.for_many(bundle, device, precision, threads)
    tagger.bundle.find("head")
    warn_of_stand_in(tagger.bundle)
    if only and tagger.bundle.manifest.thresholds.guarantee is None:
        note("note: this bundle has no certain thresholds: 'evaluate RUN DATA --keep' finds them")
    paths = photos_of(photos, include, exclude, verbose)
    options.check_outputs([out, report, catalog], [*paths, labels], bundle)
    if out:
        check_suffix(out)
    sidecars = SidecarOutput(dry_run, sidecar_name) if xmp else None
    known = _known(labels, paths, verbose) if labels else {}
    tally = PhotoTally()
    shown: list[PhotoResult] = []
    thumbnails: dict[Path, bytes] | None = {} if report else None
    with ExitStack() as stack:
        opened = stack.enter_context(open_catalog(catalog)) if catalog else None
        if opened is not None:
            _open_new(opened, tagger, paths, exact, jobs, reread, thumbnails)
            embedded: Iterable[EmbeddedPhoto] = opened.photos(paths)
        else:
            embedded = embed_photos(tagger, paths, jobs, exact, thumbnails=bool(report))
            embedded = _keep_thumbnails(embedded, thumbnails)
        results = tag_photos(tagger, embedded, known, threshold)
        if opened is not None:
            results = keep_results(opened, results, tagger.bundle)
        if only:
            results = (result.only_certain() for result in results)
        write = stack.enter_context(result_output(out, quiet=dry_run))
        for result in track(results, "photos", len(paths), failed=has_failed):
            tally.add(result)
            write(result)
            if sidecars:
                sidecars.write(result)
            if report:
                shown.append(result)
    if report:
        pictured = track(shown, "thumbnails", len(shown))
        write_report(report, pictured, tagger.bundle, threshold, jobs, thumbnails or {})
    failed_sidecars = sidecars.finish() if sidecars else 0
    return tally.finish() or failed_sidecars


def _open_new(
    catalog: Catalog,
    tagger: TypeTagger,
    paths: list[Path],
    exact: bool,
    jobs: int | None,
    reread: bool,
    thumbnails: dict[Path, bytes] | None,
) -> None:
    """Open the photos that the catalogue does not know as they are, or all of them."""
    encoding = encoding_of(tagger, exact)
    if reread:
        pending = [PendingPhoto(path, FileStamp.of(path)) for path in dict.fromkeys(paths)]
    else:
        changed = catalog.pending(paths, encoding)
        compared = track(changed, "photos compared", len(changed))
        pending = [photo for photo in compared if not catalog.take_over(photo, encoding)]
    embedded = embed_into(catalog, tagger, pending, exact, jobs, thumbnails is not None)
    opened = _keep_thumbnails(embedded, thumbnails)
    for _ in track(opened, "photos", len(pending), failed=has_failed):
        pass
    known = len(set(paths)) - len(pending)
    note(f"{len(pending)} photos opened, {known} taken from {catalog.path}")


def _keep_thumbnails(
    photos: Iterable[EmbeddedPhoto], thumbnails: dict[Path, bytes] | None
) -> Iterator[EmbeddedPhoto]:
    """Note the thumbnails of photos that are opened, so that the report opens none again."""
    for photo in photos:
        if thumbnails is not None and photo.thumbnail is not None:
            thumbnails[photo.path] = photo.thumbnail
        yield photo


def has_failed(photo: EmbeddedPhoto | PhotoResult) -> bool:
    """Check whether a photo could not be used."""
    return photo.error is not None


def _known(labels: Path, paths: list[Path], verbose: bool) -> dict[Path, PhotoLabels]:
    """Read what is known of the photos, and report for how many it is nothing."""
    known = read_labels(labels, note, DATASET_COLUMNS if verbose else ())
    keys = [label_key(path) for path in paths]
    missing = [path for path, key in zip(paths, keys, strict=True) if key not in known]
    if len(missing) == len(paths):
        raise InputError(
            f"{labels} names none of the {len(paths)} photos: its column 'photo' is relative to "
            f"{labels.resolve().parent}"
        )
    if missing:
        note(
            f"{len(missing)} of {len(paths)} photos are not in {labels}, such as {missing[0]}: "
            "their distance comes from EXIF alone"
        )
    report_other_rows(labels, known, keys)
    return known
