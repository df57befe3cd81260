"""Where scores go: JSON Lines, one Parquet file, or a folder with a Parquet file an input."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeAlias

from geograph_types.bundle import Bundle
from geograph_types.errors import InputError
from geograph_types.stored.files import RowFile
from geograph_types.stored.read import Distances
from geograph_types.stored.score import ScoredBatch
from geograph_types.stored.scored_rows import score_columns, score_lines
from geograph_types.stored.shards import ShardCounts, finished_shard, provenance

if TYPE_CHECKING:
    from geograph_types.files.parquet_table import TableWriter

Write: TypeAlias = Callable[[ScoredBatch], None]


def is_folder(out: Path) -> bool:
    """Check whether an output is a folder: an existing one, or a name without a suffix."""
    if out.is_dir() or not out.suffix:
        return True
    if out.suffix in (".parquet", ".jsonl"):
        return False
    raise InputError(
        f"{out}: an output ends in .parquet or .jsonl, or is a folder, named without a suffix"
    )


class ScoreOutput(Protocol):
    """Somewhere to write the scores of one file after the other."""

    def finished(self, file: RowFile) -> ShardCounts | None:
        """Return the counts of a file that an earlier run has scored, if it has."""

    def scores_of(self, file: RowFile) -> AbstractContextManager[Write]:
        """Start a file, and return the function that writes its batches."""


class ScoreLines:
    """JSON Lines in one stream."""

    def __init__(self, stream: BinaryIO, bundle: Bundle, several: bool) -> None:
        self._stream = stream
        self._bundle = bundle
        self._several = several

    def finished(self, file: RowFile) -> None:
        """Nothing is kept between runs."""

    @contextmanager
    def scores_of(self, file: RowFile) -> Iterator[Write]:
        """Write a file's rows."""
        name = file.name if self._several else None
        yield lambda scored: self._stream.writelines(score_lines(scored, self._bundle, name))


class ScoreTable:
    """One Parquet file, which keeps its provenance and counts as metadata."""

    def __init__(
        self,
        stack: ExitStack,
        path: Path,
        bundle: Bundle,
        source: RowFile | None = None,
        distances: Distances | None = None,
    ) -> None:
        from geograph_types.files.parquet_table import new_table

        self._table: TableWriter = stack.enter_context(new_table(path))
        self._provenance = provenance(bundle, source, distances)
        self._faults: Counter[str] = Counter()

    def finished(self, file: RowFile) -> None:
        """Nothing is kept between runs."""

    @contextmanager
    def scores_of(self, file: RowFile) -> Iterator[Write]:
        """Write a file's rows."""

        def write(scored: ScoredBatch) -> None:
            self._table.write(score_columns(scored, file.name))
            self._faults.update(error.fault.value for error in scored.read.errors)
            counts = {"rows": self._table.rows, "failed": dict(self._faults)}
            self._table.metadata = self._provenance | counts

        yield write


class ScoreShards:
    """A Parquet file for each input, in a folder; those of an earlier run stay."""

    def __init__(self, folder: Path, bundle: Bundle, distances: Distances | None = None) -> None:
        self._folder = folder
        self._bundle = bundle
        self._distances = distances

    def finished(self, file: RowFile) -> ShardCounts | None:
        """Return the counts of a file's shard, if it is there."""
        expected = provenance(self._bundle, file, self._distances)
        return finished_shard(file.shard(self._folder), expected)

    @contextmanager
    def scores_of(self, file: RowFile) -> Iterator[Write]:
        """Write a file's shard, which is there in full or not at all."""
        shard = file.shard(self._folder)
        shard.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            table = ScoreTable(stack, shard, self._bundle, file, self._distances)
            yield stack.enter_context(table.scores_of(file))
