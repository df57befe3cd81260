"""The command `tag`."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from geograph_types.cli.notices import failures, note, warn_of_stand_in
from geograph_types.cli.options import (
    FiniteRange,
    any_path,
    bundle_option,
    check_outputs,
    device_option,
    exact_option,
    output_path,
    threads_option,
)
from geograph_types.cli.photo_list import photos_of
from geograph_types.cli.progress import track
from geograph_types.cli.tag_sidecars import SidecarOutput
from geograph_types.errors import InputError, OutputError
from geograph_types.files.text import displayable
from geograph_types.photos.catalog import Catalog, open_catalog
from geograph_types.photos.embed import EmbeddedPhoto, embed_photos
from geograph_types.photos.labels import PhotoLabels, label_key, read_labels
from geograph_types.photos.outputs import check_suffix, json_line, new_results
from geograph_types.photos.result import PhotoResult
from geograph_types.photos.tag import embed_into, encoding_of, keep_results, tag_photos
from geograph_types.report.write import write_report
from geograph_types.session import Device
from geograph_types.tagger import TypeTagger


@click.command(
    epilog="Example: geograph-types tag holiday/ --bundle model --catalog tags.catalog "
    "--out tags.csv"
)
@click.argument("photos", nargs=-1, required=True, type=any_path)
@bundle_option
@click.option(
    "--catalog",
    type=output_path,
    metavar="FILE",
    help="Keep embeddings and results here, and open only photos that are new or changed.",
)
@click.option(
    "--labels",
    type=any_path,
    metavar="CSV",
    help="Positions or distances, one row per photo: columns photo, camera, subject, distance.",
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
    type=FiniteRange(0, 1),
    help="Probability from which a tag is set, for all classes; else the bundle's for each class.",
)
@click.option(
    "--out",
    type=output_path,
    metavar="FILE",
    help="Write results here: FILE.jsonl, FILE.csv or FILE.parquet.",
)
@click.option("--report", type=output_path, metavar="FILE", help="Write a page of thumbnails here.")
@click.option(
    "--xmp", is_flag=True, help="Write tags into sidecars beside the photos, photo.jpg.xmp."
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
@device_option
@threads_option
@exact_option
def tag(
    photos: tuple[Path, ...],
    bundle: Path,
    catalog: Path | None,
    labels: Path | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    threshold: float | None,
    out: Path | None,
    report: Path | None,
    xmp: bool,
    dry_run: bool,
    jobs: int | None,
    device: Device,
    threads: int | None,
    exact: bool,
) -> int:
    """Predict the Type tags of photographs.

    PHOTOS are files and folders, or "-" for a list of them on standard input. Without --out,
    results go to standard output: a table on a terminal, JSON Lines elsewhere.

    With --catalog, a run that was stopped is resumed where it was, and another bundle's head tags
    again without opening a photo. With --xmp, tags that are only a best guess are left out.
    """
    if dry_run and not xmp:
        raise InputError("--dry-run shows what --xmp would do: give both")
    tagger = TypeTagger.for_many(bundle, device=device, threads=threads)
    tagger.bundle.find("head")
    warn_of_stand_in(tagger.bundle)
    paths = photos_of(photos, include, exclude)
    check_outputs([out, report, catalog], [*paths, labels], bundle)
    if out:
        check_suffix(out)
    sidecars = SidecarOutput(dry_run) if xmp else None
    known = _known(labels, paths) if labels else {}
    summary = TagSummary()
    shown: list[PhotoResult] = []
    with ExitStack() as stack:
        opened = stack.enter_context(open_catalog(catalog)) if catalog else None
        if opened is not None:
            _open_new(opened, tagger, paths, exact, jobs)
            embedded: Iterable[EmbeddedPhoto] = opened.photos(paths)
        else:
            embedded = embed_photos(tagger, paths, jobs, exact)
        results = tag_photos(tagger, embedded, known, threshold)
        if opened is not None:
            results = keep_results(opened, results, tagger.bundle)
        write = stack.enter_context(_output(out, quiet=dry_run))
        for result in track(results, "photos", len(paths), failed=has_failed):
            summary.add(result)
            write(result)
            if sidecars:
                sidecars.write(result)
            if report:
                shown.append(result)
    if report:
        pictured = track(shown, "thumbnails", len(shown))
        write_report(report, pictured, tagger.bundle, threshold, jobs)
    if sidecars:
        sidecars.show()
        summary.failed_sidecars = sidecars.failed
    return summary.show()


def _open_new(
    catalog: Catalog, tagger: TypeTagger, paths: list[Path], exact: bool, jobs: int | None
) -> None:
    """Open the photos that the catalogue does not know as they are."""
    encoding = encoding_of(tagger, exact)
    changed = catalog.pending(paths, encoding)
    compared = track(changed, "photos compared", len(changed))
    pending = [photo for photo in compared if not catalog.take_over(photo, encoding)]
    opened = embed_into(catalog, tagger, pending, exact, jobs)
    for _ in track(opened, "photos", len(pending), failed=has_failed):
        pass
    known = len(set(paths)) - len(pending)
    note(f"{len(pending)} photos opened, {known} taken from {catalog.path}")


def has_failed(photo: EmbeddedPhoto | PhotoResult) -> bool:
    """Check whether a photo could not be used."""
    return photo.error is not None


def _known(labels: Path, paths: list[Path]) -> dict[Path, PhotoLabels]:
    """Read what is known of the photos, and report for how many it is nothing."""
    known = read_labels(labels)
    missing = [path for path in paths if label_key(path) not in known]
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
    return known


@contextmanager
def _output(out: Path | None, quiet: bool) -> Iterator[Callable[[PhotoResult], None]]:
    """Write to a file; or on standard output a table on a terminal, JSON Lines elsewhere."""
    if out:
        with new_results(out) as write:
            yield write
    elif quiet:
        yield lambda _: None
    elif sys.stdout.isatty():
        table = ResultTable()
        yield table.add
        table.show()
    else:
        yield lambda result: _print(json_line(result))
        with _standard_output():
            sys.stdout.buffer.flush()


def _print(line: bytes) -> None:
    with _standard_output():
        sys.stdout.buffer.write(line)


@contextmanager
def _standard_output() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # whoever read it has left
        raise
    except OSError as error:
        raise OutputError(Path("standard output"), error.strerror or str(error)) from None


@dataclass(slots=True)
class TagSummary:
    """Counts of a run."""

    photos: int = 0
    faults: Counter[str] = field(default_factory=Counter)  # by reason
    failed_sidecars: int = 0
    problems: Counter[str] = field(default_factory=Counter)  # with EXIF positions, by kind
    examples: dict[str, str] = field(default_factory=dict)  # a photo of each kind

    def add(self, result: PhotoResult) -> None:
        """Count a photo, and report why it failed."""
        self.photos += 1
        if result.error is not None:
            self.faults[result.error.fault.value] += 1
            note(f"error: {result.error}")
        for problem in result.problems:
            # What stands in brackets differs from photo to photo.
            kind = problem.partition(" (")[0]
            self.problems[kind] += 1
            self.examples.setdefault(kind, f"{result.path}: {problem}")

    def show(self) -> int:
        """Report the counts, and return the exit status."""
        for kind, number in self.problems.most_common():
            more = f" (and {number - 1} more photos)" if number > 1 else ""
            note(f"note: {self.examples[kind]}{more}; not used for the distance")
        failed = self.faults.total()
        note(f"{self.photos - failed} photos tagged{failures(self.faults)}")
        return 1 if failed or self.failed_sidecars else 0


BAR_WIDTH = 10


class ResultTable:
    """Photos with their tags, best probability and distance."""

    def __init__(self) -> None:
        """Start an empty table."""
        from rich.table import Table

        self._table = Table(box=None, pad_edge=False)
        for heading in ("photo", "tags", "most probable", "", "distance"):
            self._table.add_column(heading, overflow="fold")

    def add(self, result: PhotoResult) -> None:
        """Add a photo's line."""
        from rich.markup import escape

        name = escape(displayable(str(result.path)))
        if result.prediction is None:
            self._table.add_row(name, f"[red]{result.error.fault if result.error else ''}[/red]")
            return
        prediction = result.prediction
        best = max(prediction.probabilities, key=prediction.probabilities.__getitem__)
        probability = prediction.probabilities[best]
        tags = ", ".join(prediction.tags) + (" ?" if prediction.low_confidence else "")
        metres = prediction.distance.metres
        far = prediction.distance.basis.value if metres is None else f"{metres:.0f} m"
        bar = "█" * round(probability * BAR_WIDTH)
        self._table.add_row(name, tags, f"{best} {probability:.2f}", bar, far)

    def show(self) -> None:
        """Print the table on standard output."""
        from rich.console import Console

        Console().print(self._table)
