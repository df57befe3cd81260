"""Make shards: load the bundle once, then turn the input of each shard into a file.

This is the same under every engine; an engine only hands out shards.
"""

import tempfile
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Final

from geograph_types.archive.inputs import InputFolder, InputSource, open_input
from geograph_types.archive.items import InputItem, Shard, read_items
from geograph_types.archive.job import Job, Outcome
from geograph_types.archive.output import lists_of
from geograph_types.archive.photo_table import photo_table
from geograph_types.archive.shard_file import finished_counts, new_shard
from geograph_types.errors import (
    GeographTypesError,
    InputError,
    PhotoError,
)
from geograph_types.files.text import displayable
from geograph_types.photos.embed import EmbeddedPhoto, embed_photos
from geograph_types.photos.labels import label_key
from geograph_types.photos.tag import tag_photos
from geograph_types.stored.read import undecoded_rows
from geograph_types.stored.score import score_batches
from geograph_types.stored.scored_rows import score_columns
from geograph_types.system.threads import map_ahead
from geograph_types.tagger import TypeTagger

FETCHES: Final = 16
"""Objects that are fetched at once: each spends most of its time waiting for the network."""


class ShardMaker:
    """Makes shards of one job."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __call__(self, shard: Shard) -> Outcome:
        """Make a shard if it is missing; the outcome says what went wrong, if anything did."""
        job = self._job
        try:
            if counts := finished_counts(job, shard):
                return Outcome(shard.index, counts.rows, counts.failed, made=False)
            items = read_items(lists_of(job.output), shard)
            with self._folder_for_copies() as copies:
                if job.kind == "photos":
                    return self._photos(shard, items, copies)
                return self._rows(shard, items, copies)
        except (GeographTypesError, OSError) as error:
            return Outcome(shard.index, problem=" ".join(str(error).split()), stops=True)

    @cached_property
    def _tagger(self) -> TypeTagger:
        return self._job.open_tagger()

    @cached_property
    def _source(self) -> InputSource:
        return open_input(self._job.source)

    @contextmanager
    def _folder_for_copies(self) -> Iterator[Path]:
        """Make a temporary folder, unless nothing is copied."""
        if isinstance(self._source, InputFolder):
            yield self._job.output
            return
        with tempfile.TemporaryDirectory(prefix="geograph-types-") as folder:
            yield Path(folder)

    def _photos(self, shard: Shard, items: Sequence[InputItem], copies: Path) -> Outcome:
        settings = self._job.settings
        embedded = list(self._embedded(items, copies))
        labels = {
            label_key(photo.path): item.labels.as_labels(photo.path)
            for item, photo in zip(items, embedded, strict=True)
            if item.labels
        }
        tagged = tag_photos(self._tagger, embedded, labels)
        results = [
            replace(result, path=Path(item.name))
            for item, result in zip(items, tagged, strict=True)
        ]
        failed = Counter(result.error.fault.value for result in results if result.error)
        with new_shard(self._job, shard) as table:
            table.write(photo_table(items, embedded, results, settings.stored))
            table.metadata = {"rows": len(results), "failed": dict(sorted(failed.items()))}
        return Outcome(shard.index, len(results), dict(failed))

    def _embedded(self, items: Sequence[InputItem], copies: Path) -> Iterator[EmbeddedPhoto]:
        """Embed photos; of fetched ones, few copies exist at a time."""
        settings = self._job.settings
        refused: deque[PhotoError | None] = deque()

        def paths() -> Iterator[Path]:
            for found in self._fetched(items, copies):
                refused.append(found if isinstance(found, PhotoError) else None)
                yield copies / "none" if isinstance(found, PhotoError) else found

        with closing(
            embed_photos(self._tagger, paths(), settings.threads, settings.exact)
        ) as embedded:
            for photo in embedded:
                if not isinstance(self._source, InputFolder):
                    photo.path.unlink(missing_ok=True)
                yield replace(photo, error=refused.popleft() or photo.error)

    def _fetched(self, items: Sequence[InputItem], copies: Path) -> Iterator[Path | PhotoError]:
        def fetch(item: InputItem) -> Path | PhotoError:
            try:
                return self._source.fetch(item.name, copies)
            except PhotoError as error:
                return error

        if isinstance(self._source, InputFolder):
            return map(fetch, items)
        return map_ahead(fetch, items, FETCHES)

    def _rows(self, shard: Shard, items: Sequence[InputItem], copies: Path) -> Outcome:
        """Score a file of embeddings; one that cannot be read to its end yields no shard."""
        (item,) = items
        failed: Counter[str] = Counter()
        threads = self._job.settings.threads
        try:
            path = self._source.fetch(item.name, copies)
            with new_shard(self._job, shard) as table:
                for scored in score_batches(self._tagger, undecoded_rows(path), threads):
                    table.write(score_columns(scored, displayable(item.name)))
                    failed.update(error.fault.value for error in scored.read.errors)
                table.metadata = {"rows": table.rows, "failed": dict(sorted(failed.items()))}
        except (InputError, PhotoError) as error:
            return Outcome(shard.index, problem=" ".join(str(error).split()))
        return Outcome(shard.index, table.rows, dict(failed))
