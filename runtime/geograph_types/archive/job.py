"""What a run is to do, said once, in a form that reaches every worker."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from geograph_types.bundle import Bundle
from geograph_types.errors import GeographTypesError
from geograph_types.stored.shards import provenance
from geograph_types.tagger import PrecisionChoice, TypeTagger, choose_precision


class EngineError(GeographTypesError):
    """A worker, or what runs the workers, cannot go on; finished shards stay."""


def shown_address(address: str) -> str:
    """Give an address without what may be secret in it: user, password and options."""
    parts = urlsplit(address)
    if "://" not in address:
        return address
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


Kind: TypeAlias = Literal["photos", "embeddings"]
StoredType: TypeAlias = Literal["float16", "float32", "none"]

SCORING_THREADS: Final = 1
"""Threads of one run of the head: batches side by side are faster than one batch in several."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a worker computes.

    Attributes:
        device: "cpu" or "cuda".
        precision: of the encoder; "auto" takes the device's best.
        threads: of one worker, and processes in which it decodes photos.
        exact: decode large JPEG files in full.
        stored: type of the embeddings that are kept beside the tags of photos, if any.
    """

    device: Literal["cpu", "cuda"] = "cpu"
    precision: PrecisionChoice = "auto"
    threads: int = 1
    exact: bool = False
    stored: StoredType = "float16"


@dataclass(frozen=True, slots=True)
class Job:
    """All that a worker needs to know; every path has to mean the same wherever it runs.

    Attributes:
        kind: what the input holds.
        source: a folder, or the address of one.
        output: folder of the shards.
        bundle: the model bundle's folder.
        settings: how to compute.
        made_by: what results depend on beside their input; kept in every shard.
    """

    kind: Kind
    source: str
    output: Path
    bundle: Path
    settings: Settings
    made_by: dict[str, Any]

    @classmethod
    def plan(cls, kind: Kind, source: str, output: Path, bundle: Path, settings: Settings) -> "Job":
        """Make a job, with the bundle as it is now.

        Raises:
            BundleError: it lacks what the job needs, or is damaged.
        """
        made_by = _made_by(kind, bundle, settings)
        return cls(kind, source, output.absolute(), bundle.absolute(), settings, made_by)

    @property
    def is_current(self) -> bool:
        """Whether the bundle is still the one with which the job was planned."""
        return _made_by(self.kind, self.bundle, self.settings) == self.made_by


class Outcome(msgspec.Struct, frozen=True):
    """What became of a shard.

    Attributes:
        index: of the shard.
        rows: in it.
        failed: those that could not be used, by reason.
        made: by this run; otherwise an earlier one had finished it.
        problem: why there is no shard.
        stops: the problem is not that of the shard's input: others would meet it as well.
    """

    index: int
    rows: int = 0
    failed: dict[str, int] = {}
    made: bool = True
    problem: str | None = None
    stops: bool = False


def open_tagger(job: Job) -> TypeTagger:
    """Open the job's bundle as a worker uses it."""
    settings = job.settings
    threads = settings.threads if job.kind == "photos" else SCORING_THREADS
    return TypeTagger.for_many(job.bundle, settings.device, settings.precision, threads)


def _made_by(kind: Kind, bundle: Path, settings: Settings) -> dict[str, Any]:
    opened = Bundle.open(bundle)
    known = provenance(opened)
    if kind == "photos":
        precision = choose_precision(opened, settings.precision, settings.device)
        encoder = opened.find("encoder", precision)
        known |= {"precision": precision, "encoder_sha256": encoder.sha256}
        known |= {"exact": settings.exact, "embeddings": settings.stored}
    return known
