"""The command `archive run`."""

import io
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Literal

import click

from geograph_types.archive.items import InputItem, Shard
from geograph_types.archive.job import Job, Kind, Settings, StoredType, shown_address
from geograph_types.archive.output import JobNote, claim_output, plan_shards, remove_superseded
from geograph_types.archive.run import Engine, run_job
from geograph_types.archive.source import FolderSource, Source, open_source, with_labels
from geograph_types.bundle import Bundle
from geograph_types.cli.notices import note, warn_of_stand_in
from geograph_types.cli.options import any_path, bundle_option, exact_option
from geograph_types.cli.progress import track
from geograph_types.cli.tally import ShardTally
from geograph_types.errors import InputError
from geograph_types.photos.find import real_path
from geograph_types.photos.labels import read_labels
from geograph_types.session import pick_device
from geograph_types.system.cpu import usable_cpus
from geograph_types.system.signals import Stop
from geograph_types.tagger import PrecisionChoice


@click.group(
    epilog="Example: geograph-types archive run --input photos --output tagged --bundle model"
)
def archive() -> None:
    """Embed and tag a whole archive, on one machine or on many."""


SHARD_PHOTOS = 1024


@click.command(
    epilog="Example: geograph-types archive run --engine ray --input photos --output tagged "
    "--bundle model"
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="What runs the workers.",
)
@click.option(
    "--input",
    "source",
    required=True,
    metavar="DIR|s3://...",
    help="Photos, or files of stored embeddings, in a folder and its folders.",
)
@click.option(
    "--output",
    type=any_path,
    required=True,
    metavar="DIR",
    help="A folder of its own for the shards; a second run completes it.",
)
@bundle_option
@click.option(
    "--kind",
    type=click.Choice(["photos", "embeddings"]),
    help="Which of the two to take, where the input has both.",
)
@click.option(
    "--labels",
    type=any_path,
    metavar="CSV",
    help="Positions or distances of photos, as for 'tag'; of object storage, names as there.",
)
@click.option(
    "--actors",
    type=click.IntRange(1, 4096),
    help="Workers; if left out, one (local), or as many as Ray has room for.",
)
@click.option(
    "--threads-per-actor",
    "threads",
    type=click.IntRange(1, 1024),
    help="Threads of each; if left out, the CPU quota shared out (local), or one (ray).",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Where the model runs; with ray, 'cuda' asks for a GPU for each worker.",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "fp16", "int8"]),
    default="auto",
    show_default=True,
    help="Of the encoder; 'auto' takes the device's best that the bundle has.",
)
@click.option(
    "--ray-address", metavar="HOST:PORT", help="A cluster of Ray; else one is started here."
)
@click.option(
    "--shard-photos",
    type=click.IntRange(1, 1 << 16),
    default=SHARD_PHOTOS,
    show_default=True,
    help="Photos of a shard: what is lost at most when a worker dies.",
)
@click.option(
    "--embeddings",
    "stored",
    type=click.Choice(["float16", "float32", "none"]),
    default="float16",
    show_default=True,
    help="How to keep the embeddings of photos.",
)
@exact_option
@Stop().handled()
def run(
    engine: Literal["local", "ray"],
    source: str,
    output: Path,
    bundle: Path,
    kind: Kind | None,
    labels: Path | None,
    actors: int | None,
    threads: int | None,
    device: Literal["cpu", "cuda"],
    precision: PrecisionChoice,
    ray_address: str | None,
    shard_photos: int,
    stored: StoredType,
    exact: bool,
) -> int:
    """Embed and tag photos, or tag stored embeddings, into Parquet shards.

    A shard is there in full or not at all. A second run makes those that are missing, and those
    that were made with another bundle. A photo or row that cannot be used is a row with its reason.
    SIGTERM and Ctrl-C end it with status 130 and a summary; finished shards stay.

    Of a cluster, every machine needs this package, and input, output and bundle at the same paths.
    """
    if engine == "local" and ray_address:
        raise InputError("--ray-address goes with --engine ray")
    opened = open_source(source)
    kind = _kind(opened, source, kind)
    if labels and kind == "embeddings":
        raise InputError("--labels goes with photos: files of embeddings have their distances")
    _check_places(opened, output, bundle)
    if threads is None:
        threads = max(1, usable_cpus() // (actors or 1)) if engine == "local" else 1
    settings = Settings(device, precision, threads, exact, stored)
    address = str(opened.folder.absolute()) if isinstance(opened, FolderSource) else source
    job = Job.plan(kind, address, output, bundle, settings)
    engine_runs = _engine(engine, actors, ray_address, device)
    warn_of_stand_in(Bundle.open(bundle))
    shard_size = shard_photos if kind == "photos" else 1
    items = _labelled(opened.items(kind), opened, labels)
    claim_output(output, JobNote.of(kind, address, shard_size))
    shards = plan_shards(output, items, shard_size)
    tally = _make(job, shards, engine_runs)
    if tally.complete:
        _clear(output, shards, tally.found)
    return tally.finish(output)


def _make(job: Job, shards: Sequence[Shard], engine: Engine) -> ShardTally:
    """Make the shards that are missing, showing how far it has come."""
    photos = job.kind == "photos"
    tally = ShardTally("photos" if photos else "rows", len(shards))
    total = sum(shard.items for shard in shards) if photos else None
    try:
        # Ray prints on standard output what becomes of its processes.
        with redirect_stdout(io.StringIO()):
            outcomes = run_job(job, shards, engine)
            for outcome in track(outcomes, tally.what, total, lambda one: one.rows):
                tally.add(outcome)
    except KeyboardInterrupt:
        tally.show_progress()
        raise
    return tally


def _clear(output: Path, shards: Sequence[Shard], found: int) -> None:
    """Remove what an earlier state of the input has left, and say so."""
    old, removed = remove_superseded(output, shards, found)
    if old and removed:
        note(f"{len(old)} shards of an earlier state of the input removed, such as {old[0]}")
    elif old:
        note(
            f"the input has shrunk: {len(old)} shards of what is gone stay, such as {old[0]}; "
            "remove them if that is meant, or see whether all of the input is there"
        )


def _kind(opened: Source, source: str, wanted: Kind | None) -> Kind:
    """Settle what to take."""
    kinds = opened.kinds()
    if wanted:
        kinds = [kind for kind in kinds if kind == wanted]
    if len(kinds) == 2:
        raise InputError(
            f"{shown_address(source)} has photos and files of embeddings: choose with --kind"
        )
    if not kinds:
        raise InputError(
            f"{shown_address(source)} has no {wanted or 'photos or embeddings'} "
            "that can be listed: name another folder"
        )
    return kinds[0]


def _check_places(opened: Source, output: Path, bundle: Path) -> None:
    """Refuse an output among what is read."""
    place = real_path(output)
    inputs = {"input": opened.folder} if isinstance(opened, FolderSource) else {}
    for what, folder in (inputs | {"bundle": bundle}).items():
        if place.is_relative_to(real_path(folder)):
            raise InputError(
                f"{output} is in the folder of the {what}: name one outside of {folder}"
            )
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file: an output is a folder of its own")


def _labelled(
    items: Iterator[InputItem], opened: Source, labels: Path | None
) -> Iterator[InputItem]:
    if labels is None:
        return items
    folder = opened.folder if isinstance(opened, FolderSource) else labels.parent
    return with_labels(items, read_labels(labels), folder)


def _engine(
    name: str, actors: int | None, address: str | None, device: Literal["cpu", "cuda"]
) -> Engine:
    if name == "local":
        pick_device(device)
        from geograph_types.archive.local_engine import run_locally

        return partial(run_locally, workers=actors or 1)
    from geograph_types.archive.ray_engine import run_on_ray

    return partial(run_on_ray, actors=actors, address=address)
