"""`score --diff`: which tags change between two bundles."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import click
import msgspec

from geograph_types.cli.notices import warn_of_stand_in
from geograph_types.cli.progress import track
from geograph_types.cli.tally import Tally
from geograph_types.errors import InputError
from geograph_types.files.atomic import new_file
from geograph_types.files.table import Table, table_rows
from geograph_types.stored.compare import TagChanges, change_columns
from geograph_types.stored.files import RowFile
from geograph_types.stored.read import Decode, Distances, count_rows, undecoded_rows
from geograph_types.stored.score import ScoredBatch, score_batch
from geograph_types.stored.shards import provenance
from geograph_types.system.threads import map_ahead
from geograph_types.tagger import TypeTagger

SHOWN_FLOWS: Final = 10


def score_diff(
    files: list[RowFile],
    distances: Distances | None,
    old: TypeTagger,
    new: TypeTagger,
    out: Path | None,
    workers: int,
) -> int:
    """Score rows with two bundles and report what changes; return the exit status."""
    for tagger in (old, new):
        warn_of_stand_in(tagger.bundle)
    changes, tally = TagChanges(), Tally("rows", "compared")
    with ExitStack() as stack:
        write = _open_output(stack, out, old, new)
        pairs = _score_files(files, distances, old, new, tally, workers)
        total = count_rows([file.path for file in files])
        for file, before, after in track(pairs, "rows", total, lambda pair: len(pair[1].read)):
            changes.add(before.tag_sets, after.tag_sets)
            write(change_columns(before, after, file.name))
    for line in _table(changes, old.bundle.label, new.bundle.label):
        click.echo(line)
    return tally.finish()


def _open_output(
    stack: ExitStack, out: Path | None, old: TypeTagger, new: TypeTagger
) -> Callable[[Table], None]:
    if out is None:
        return lambda table: None
    if out.suffix == ".parquet":
        from geograph_types.files.parquet_table import new_table

        writer = stack.enter_context(new_table(out))
        writer.metadata = {"old": provenance(old.bundle), "new": provenance(new.bundle)}
        return writer.write
    if out.suffix != ".jsonl":
        raise InputError(f"{out}: the list of changes ends in .parquet or .jsonl")
    stream = stack.enter_context(new_file(out))
    encode = msgspec.json.Encoder().encode
    return lambda table: stream.writelines(encode(row) + b"\n" for row in table_rows(table))


def _score_files(
    files: list[RowFile],
    distances: Distances | None,
    old: TypeTagger,
    new: TypeTagger,
    tally: Tally,
    workers: int,
) -> Iterator[tuple[RowFile, ScoredBatch, ScoredBatch]]:
    def score_both(decode: Decode) -> tuple[ScoredBatch, ScoredBatch]:
        batch = decode()
        return score_batch(old, batch), score_batch(new, batch)

    for file in files:
        batches = undecoded_rows(file.path, distances)
        with tally.reading(len(files) == 1):
            for before, after in map_ahead(score_both, batches, workers):
                tally.add(before.read, file.name if len(files) > 1 else None)
                yield file, before, after


def _table(changes: TagChanges, old: str, new: str) -> Iterator[str]:
    share = changes.changed / changes.photos if changes.photos else 0.0
    yield f"{old} -> {new}"
    yield f"{changes.changed} of {changes.photos} photos change their tags ({share:.2%})"
    yield ""
    yield f"{'tag':<12}{'gained':>10}{'lost':>10}{'net':>10}"
    gained, lost = changes.gained, changes.lost
    for tag in gained:
        net = gained[tag] - lost[tag]
        yield f"{tag:<12}{gained[tag]:>10}{lost[tag]:>10}{net:>+10}"
    flows = list(changes.flows())
    if flows:
        yield ""
        yield f"{'photos':>10}  from -> to"
    for flow in flows[:SHOWN_FLOWS]:
        yield f"{flow.photos:>10}  {', '.join(flow.before)} -> {', '.join(flow.after)}"
    if rest := flows[SHOWN_FLOWS:]:
        yield f"{sum(flow.photos for flow in rest):>10}  in {len(rest)} other ways"
