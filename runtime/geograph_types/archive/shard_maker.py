"""One worker: it loads the bundle once, and turns one shard's input after the other into a file.

It is the same under every engine; an engine only hands out shards.
"""

import tempfile
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Final

from geograph_types.archive.items import InputItem, Shard, read_items
from geograph_types.archive.job import Job, Outcome, open_tagger
from geograph_types.archive.output import lists_of
from geograph_types.archive.photo_table import photo_table
from geograph_types.archive.shard_file import finished_counts, new_shard
from geograph_types.archive.source import FolderSource, Source, open_source
from geograph_types.errors import (
    BundleError,
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
"""Objects that are fetched at once: each waits for the network most of its time."""


class ShardWorker:
    """Make shards of one job.

    Args:
        job: what to do.
    """

    def __init__(self, job: Job) -> None:
        self._job = job

    def __call__(self, shard: Shard) -> Outcome:
        """Make a shard, unless it is there; whatever happens is in the outcome."""
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
        if not self._job.is_current:
            raise BundleError(
                self._job.bundle, "was changed while the run went on: run the same command again"
            )
        return open_tagger(self._job)

    @cached_property
    def _source(self) -> Source:
        return open_source(self._job.source)

    @contextmanager
    def _folder_for_copies(self) -> Iterator[Path]:
        """Have a folder of its own, unless nothing is copied."""
        if isinstance(self._source, FolderSource):
            yield self._job.output
            return
        with tempfile.TemporaryDirectory(prefix="geograph-types-") as folder:
            yield Path(folder)

    def _photos(self, shard: Shard, items: Sequence[InputItem], copies: Path) -> Outcome:
        settings = self._job.settings
        embedded = list(self._embedded(items, copies))
        records = {
            label_key(photo.path): item.known.record(photo.path)
            for item, photo in zip(items, embedded, strict=True)
            if item.known
        }
        tagged = tag_photos(self._tagger, embedded, records)
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
        """Embed photos; of those that are fetched, few copies are there at one time."""
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
                if not isinstance(self._source, FolderSource):
                    photo.path.unlink(missing_ok=True)
                yield replace(photo, error=refused.popleft() or photo.error)

    def _fetched(self, items: Sequence[InputItem], copies: Path) -> Iterator[Path | PhotoError]:
        def fetch(item: InputItem) -> Path | PhotoError:
            try:
                return self._source.fetch(item.name, copies)
            except PhotoError as error:
                return error

        if isinstance(self._source, FolderSource):
            return map(fetch, items)
        return map_ahead(fetch, items, FETCHES)

    def _rows(self, shard: Shard, items: Sequence[InputItem], copies: Path) -> Outcome:
        """Score a file of embeddings; one that cannot be read to its end gives no shard."""
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
