"""Where scores go: JSON Lines, one Parquet file, or a folder with a Parquet file an input."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeAlias

from geograph_types.bundle import Bundle
from geograph_types.errors import InputError
from geograph_types.stored.files import RowFile
from geograph_types.stored.score import ScoredBatch
from geograph_types.stored.scored_rows import score_columns, score_lines
from geograph_types.stored.shards import ShardCounts, finished_shard, provenance

if TYPE_CHECKING:
    from geograph_types.files.parquet_table import TableWriter

Write: TypeAlias = Callable[[ScoredBatch], None]


def is_folder(out: Path) -> bool:
    """Tell whether an output is a folder: one that is there, or a name without an ending.

    Raises:
        InputError: an ending that is not known.
    """
    if out.is_dir() or not out.suffix:
        return True
    if out.suffix in (".parquet", ".jsonl"):
        return False
    raise InputError(
        f"{out}: an output ends with .parquet or .jsonl, or is a folder, named without an ending"
    )


class ScoreOutput(Protocol):
    """Somewhere to write the scores of one file after the other."""

    def finished(self, file: RowFile) -> ShardCounts | None:
        """Give the counts of a file whose scores an earlier run has written."""

    def scores_of(self, file: RowFile) -> AbstractContextManager[Write]:
        """Begin with a file, and give what writes its batches."""


class ScoreLines:
    """JSON Lines in one stream."""

    def __init__(self, stream: BinaryIO, bundle: Bundle, several: bool) -> None:
        """Take an open stream.

        Args:
            stream: stays open.
            bundle: what rows are scored with.
            several: whether there are several files, so that each row names its own.
        """
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
        distances: Path | None = None,
    ) -> None:
        """Begin the file.

        Args:
            stack: the file is there when it closes well.
            path: of the file.
            bundle: what rows are scored with.
            source: the one file that is scored, if it is one.
            distances: the file of its distances, if they are in one.
        """
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

    def __init__(self, folder: Path, bundle: Bundle, distances: Path | None = None) -> None:
        """Take a folder, which is made when the first shard is.

        Args:
            folder: of the shards.
            bundle: what rows are scored with.
            distances: the file of a numpy array's distances, if there is one.
        """
        self._folder = folder
        self._bundle = bundle
        self._distances = distances

    def finished(self, file: RowFile) -> ShardCounts | None:
        """Give the counts of a file's shard, if it is there.

        Raises:
            InputError: another bundle made it, its input or distances have changed since, or it is
                damaged.
        """
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
