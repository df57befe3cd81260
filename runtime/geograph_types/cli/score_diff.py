"""`score --diff`: which tags change between two bundles."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import click
import msgspec

from geograph_types.errors import InputError
from geograph_types.files.atomic import new_file
from geograph_types.files.table import Table, table_rows
from geograph_types.stored.compare import TagChanges, change_columns
from geograph_types.stored.files import RowFile
from geograph_types.stored.score import ScoredBatch
from geograph_types.stored.shards import provenance
from geograph_types.tagger import TypeTagger

SHOWN_FLOWS: Final = 10


class ScoreDiff:
    """Counts and a list of the tags that change, in place of an output of scores."""

    def __init__(
        self, stack: ExitStack, out: Path | None, old: TypeTagger, new: TypeTagger
    ) -> None:
        self._labels = f"{old.bundle.label} -> {new.bundle.label}"
        self._changes = TagChanges()
        self._write = _open_output(stack, out, old, new)

    def finished(self, file: RowFile) -> None:
        """Nothing is kept between runs."""

    @contextmanager
    def scores_of(self, file: RowFile) -> Iterator[Callable[[ScoredBatch, ScoredBatch], None]]:
        def write(before: ScoredBatch, after: ScoredBatch) -> None:
            self._changes.add(before.tag_sets, after.tag_sets)
            self._write(change_columns(before, after, file.name))

        yield write

    def show(self) -> None:
        click.echo(self._labels)
        for line in _table(self._changes):
            click.echo(line)


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


def _table(changes: TagChanges) -> Iterator[str]:
    share = changes.changed / changes.photos if changes.photos else 0.0
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
