"""The command `score`."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import click

from geograph_types.bundle import Bundle
from geograph_types.cli.notices import warn_of_stand_in
from geograph_types.cli.options import any_path, check_outputs, device_option, threads_option
from geograph_types.cli.progress import track
from geograph_types.cli.score_diff import ScoreDiff
from geograph_types.cli.tally import Tally
from geograph_types.errors import InputError
from geograph_types.files.atomic import new_file
from geograph_types.session import Device
from geograph_types.stored.files import RowFile, find_row_files
from geograph_types.stored.outputs import (
    ScoreLines,
    ScoreOutput,
    ScoreShards,
    ScoreTable,
    is_folder,
)
from geograph_types.stored.read import Decode, Distances, count_rows, undecoded_rows
from geograph_types.stored.score import ScoredBatch, score_batch
from geograph_types.system.cpu import usable_cpus
from geograph_types.system.threads import map_ahead, read_ahead
from geograph_types.tagger import TypeTagger


@click.command(
    epilog="Example: geograph-types score rows.parquet --bundle model --out tags.parquet"
)
@click.argument("rows", type=any_path)
@click.option("--bundle", type=any_path, metavar="DIR", help="The model bundle's folder.")
@click.option(
    "--diff",
    type=any_path,
    nargs=2,
    metavar="OLD NEW",
    help="In place of --bundle: two bundles, to see which tags change between them.",
)
@click.option(
    "--distances",
    type=any_path,
    metavar="FILE",
    help="For a numpy array: a distance on each line (metres, nothing for 0, or Unknown).",
)
@click.option(
    "--out",
    type=any_path,
    metavar="PATH",
    help="Write here: NAME.parquet, NAME.jsonl, or a folder that gets one Parquet file per input.",
)
@device_option
@threads_option
def score(
    rows: Path,
    bundle: Path | None,
    diff: tuple[Path, Path] | None,
    distances: Path | None,
    out: Path | None,
    device: Device,
    threads: int | None,
) -> int:
    """Predict Type tags from stored embeddings and distances.

    ROWS is a file in the published schema (Parquet, or JSON Lines, plain or gzipped), a numpy
    array of embeddings, or a folder of such files. Without --out, JSON Lines go to standard
    output. In an output folder, files that an earlier run has finished are not made again.

    With --diff, counts of the tags that photos gain and lose go to standard output, and the photos
    whose tags change to --out.
    """
    files = find_row_files(rows)
    if distances is not None and rows.is_dir():
        raise InputError("--distances goes with one numpy array: name it in place of its folder")
    check_outputs([out], [rows, distances, *(file.path for file in files)], bundle)
    texts = None if distances is None else Distances.read(distances)
    workers = threads or usable_cpus()
    if diff is not None and bundle is not None:
        raise InputError("--diff names both bundles: leave --bundle out")
    bundles = diff or (() if bundle is None else (bundle,))
    if not bundles:
        raise InputError("Missing option '--bundle': name the model bundle's folder")
    # Each worker computes in one thread.
    taggers = [TypeTagger(path, device=device, threads=1) for path in bundles]
    for tagger in taggers:
        warn_of_stand_in(tagger.bundle)
    tally = Tally("rows", "compared" if diff else "scored")
    with ExitStack() as stack:
        output: ScoreOutput | ScoreDiff = (
            ScoreDiff(stack, out, *taggers)
            if diff
            else _open_output(stack, out, files, texts, taggers[0].bundle)
        )
        counts = _score_files(files, texts, taggers, output, tally, workers)
        for _ in track(counts, "rows", count_rows([file.path for file in files]), int):
            pass
    if isinstance(output, ScoreDiff):
        output.show()
    return tally.finish(f"; {tally.found} files were finished before" if tally.found else "")


def _open_output(
    stack: ExitStack,
    out: Path | None,
    files: list[RowFile],
    distances: Distances | None,
    bundle: Bundle,
) -> ScoreOutput:
    """Choose where scores go by the name of the output."""
    bundle.find("head")
    several = len(files) > 1
    if out is None:
        return ScoreLines(sys.stdout.buffer, bundle, several)
    if is_folder(out):
        return ScoreShards(out, bundle, distances)
    if out.suffix == ".parquet":
        return ScoreTable(stack, out, bundle, None if several else files[0], distances)
    return ScoreLines(stack.enter_context(new_file(out)), bundle, several)


def _score_files(
    files: list[RowFile],
    distances: Distances | None,
    taggers: list[TypeTagger],
    output: "ScoreOutput | ScoreDiff",
    tally: Tally,
    workers: int,
) -> Iterator[int]:
    """Score files one after the other; yield numbers of rows as they are done."""

    def score_all(decode: Decode) -> list[ScoredBatch]:
        batch = decode()
        return [score_batch(tagger, batch) for tagger in taggers]

    waiting = []
    for file in files:
        if (counts := output.finished(file)) is None:
            waiting.append(file)
        else:
            tally.add_finished(counts.rows, counts.failed)
            yield counts.rows
    for file in waiting:
        with tally.reading(len(files) == 1), output.scores_of(file) as write:
            ahead = read_ahead(undecoded_rows(file.path, distances), workers)
            # Batches side by side are faster than one in several threads: products are small.
            for scored in map_ahead(score_all, ahead, workers):
                write(*scored)
                tally.add(scored[0].read, file.name if len(files) > 1 else None)
                yield len(scored[0].read)
