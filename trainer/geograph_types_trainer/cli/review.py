"""The command `review`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from geograph_types.cli.notices import note, warn_of_stand_in
from geograph_types.cli.options import any_path, bundle_option, check_outputs, output_path

if TYPE_CHECKING:
    from geograph_types_trainer.review.order import Purpose


@click.command(
    epilog="Example: geograph-types review data.parquet --bundle model --out queue.csv "
    "--page queue.html"
)
@click.argument("source", type=any_path, metavar="SCORES|CATALOG|DATA")
@bundle_option
@click.option(
    "--for",
    "purpose",
    type=click.Choice(["errors", "learning"]),
    default="errors",
    show_default=True,
    help="First the rows whose given tags are likely wrong, or whose labels would teach most.",
)
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="Photos in the queue.",
)
@click.option(
    "--labels",
    type=any_path,
    metavar="CSV",
    help="For a catalogue: the labels file that 'embed' reads, for the photos' ids and tags.",
)
@click.option("--out", type=output_path, metavar="FILE", help="Write the questions here, as CSV.")
@click.option("--page", type=output_path, metavar="FILE", help="Write a page here that asks them.")
def review(
    source: Path,
    bundle: Path,
    purpose: "Purpose",
    budget: int,
    labels: Path | None,
    out: Path | None,
    page: Path | None,
) -> int:
    """Ask people about the photos at which a look is worth most.

    The source is a dataset, a catalogue, or results of 'score', 'tag' or 'archive run'. The page
    takes Yes, No and Skip by key, and saves the verdicts as CSV for 'train --verdicts'.
    """
    from geograph_types.errors import InputError
    from geograph_types.files.atomic import new_file
    from geograph_types.photos.labels import read_labels
    from geograph_types.tagger import TypeTagger
    from geograph_types_trainer.review.queue import make_queue, queue_page, queue_table
    from geograph_types_trainer.review.rows import read_review_rows

    check_outputs([out, page], [source, labels], bundle)
    if not out and not page:
        raise InputError("nothing would be written: give --out, --page or both")
    tagger = TypeTagger(bundle, threads=1)
    warn_of_stand_in(tagger.bundle)
    known = read_labels(labels, note) if labels else {}
    rows = read_review_rows(source, tagger, known)
    queue, left_out = make_queue(rows, tagger.bundle, purpose, budget)
    if not queue:
        raise InputError(
            f"{source} has no row with given tags: use --for learning, or name the dataset"
        )
    for file, content in ((out, queue_table(queue)), (page, queue_page(queue, tagger.bundle))):
        if file:
            with new_file(file) as stream:
                stream.write(content)
            note(f"written: {file}")
    note(
        f"{queue[-1].place} photos, {len(queue)} questions"
        + (f"; {left_out} rows without tags that can be read were left out" * bool(left_out))
    )
    return 0
