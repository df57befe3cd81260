"""What a run is to do, in a form that reaches every process that makes shards."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from geograph_types.bundle import Bundle
from geograph_types.errors import GeographTypesError
from geograph_types.stored.shards import provenance
from geograph_types.system.hosts import shown_address
from geograph_types.tagger import PrecisionChoice, TypeTagger, choose_precision

InputKind: TypeAlias = Literal["photos", "embeddings"]
StoredType: TypeAlias = Literal["float16", "float32", "none"]


class EngineError(GeographTypesError):
    """An engine cannot go on; finished shards stay."""


@dataclass(frozen=True, slots=True)
class ShardSettings:
    """How each process or actor makes shards."""

    device: Literal["cpu", "cuda"] = "cpu"
    precision: PrecisionChoice = "auto"  # of the encoder; "auto" takes the device's best
    threads: int = 1  # also the number of processes that decode photos
    exact: bool = False  # decode large JPEG files in full
    stored: StoredType = "float16"  # type of the embeddings that are kept beside photos' tags


class JobNote(msgspec.Struct, frozen=True):
    """What the shards of a folder are made of; kept in each of them."""

    kind: InputKind
    input: str  # folder or address, without anything secret
    shard_size: int  # inputs per shard

    @classmethod
    def of(cls, kind: InputKind, source: str, shard_size: int) -> "JobNote":
        """Return the note of a job."""
        plain = shown_address(source)
        return cls(kind, plain if "://" in plain else str(Path(plain).resolve()), shard_size)


@dataclass(frozen=True, slots=True)
class Job:
    """The whole task; every path has to mean the same wherever it runs."""

    source: str  # a folder, or the address of one
    output: Path  # folder of the shards
    bundle: Bundle
    settings: ShardSettings
    note: JobNote
    made_by: dict[str, Any]  # what shards depend on beside their input; kept in each of them

    @classmethod
    def plan(
        cls, note: JobNote, source: str, output: Path, bundle: Path, settings: ShardSettings
    ) -> "Job":
        """Open the bundle, which must have what the job needs."""
        opened = Bundle.open(bundle.absolute())
        made_by = provenance(opened)
        if note.kind == "photos":
            precision = choose_precision(opened, settings.precision, settings.device)
            encoder = opened.find("encoder", precision)
            made_by |= {"precision": precision, "encoder_sha256": encoder.sha256}
            made_by |= {"exact": settings.exact, "embeddings": settings.stored}
        return cls(source, output.absolute(), opened, settings, note, made_by)

    @property
    def kind(self) -> InputKind:
        """What is read."""
        return self.note.kind

    def open_tagger(self) -> TypeTagger:
        """Load the bundle, whose files must still have the digests of the job's manifest."""
        settings = self.settings
        # Batches of embeddings side by side are faster than one batch in several threads.
        threads = settings.threads if self.kind == "photos" else 1
        return TypeTagger.for_many(self.bundle, settings.device, settings.precision, threads)


class Outcome(msgspec.Struct, frozen=True):
    """What became of a shard."""

    index: int
    rows: int = 0
    failed: dict[str, int] = {}  # rows that could not be used, by reason
    made: bool = True  # by this run; otherwise by an earlier one
    problem: str | None = None  # why there is no shard
    stops: bool = False  # the problem is not that of the shard's input: others would meet it too
