"""The command `archive run`."""

import io
import re
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Literal

import click

from geograph_types.archive.engine import Engine, run_job
from geograph_types.archive.inputs import InputFolder, InputSource, open_input, with_labels
from geograph_types.archive.items import Shard
from geograph_types.archive.job import InputKind, Job, JobNote, ShardSettings, StoredType
from geograph_types.archive.output import claim_output, lists_of, plan_shards, remove_superseded
from geograph_types.cli import options
from geograph_types.cli.notices import note, warn_of_stand_in
from geograph_types.cli.photo_list import passed_over_shown, report_other_rows, report_passed_over
from geograph_types.cli.progress import track
from geograph_types.cli.tally import Tally
from geograph_types.errors import InputError
from geograph_types.photos.find import real_path
from geograph_types.photos.labels import DATASET_COLUMNS, read_labels
from geograph_types.session import pick_device
from geograph_types.system.cpu import usable_cpus
from geograph_types.system.hosts import shown_address
from geograph_types.system.signals import Stop
from geograph_types.tagger import PrecisionChoice


@click.group(
    epilog="Example: geograph-types archive run --input photos --output tagged --bundle model"
)
def archive() -> None:
    """Embed and tag a whole archive, on one machine or on many."""


ADDRESS = re.compile("(s3|gs|https?|file):", re.IGNORECASE)


@click.command(
    epilog="Example: geograph-types archive run --engine ray --input photos --output tagged "
    "--bundle model"
)
@options.choice_option(
    "--engine", ["local", "ray"], "Where shards are made: on this machine, or by actors of Ray."
)
@click.option(
    "--input",
    "source",
    required=True,
    metavar="DIR|s3://...",
    help="Photos, or files of stored embeddings, in a folder and the folders in it.",
)
@click.option(
    "--output",
    type=options.any_path,
    required=True,
    metavar="DIR",
    help="A new folder for the shards, or one that an earlier run began.",
)
@options.bundle_option
@click.option(
    "--kind",
    type=click.Choice(["photos", "embeddings"]),
    help="Which of the two to take, if the input has both.",
)
@options.labels_option(
    "Positions or distances of photos, as for 'tag'; for object storage, names as there."
)
@click.option(
    "--actors",
    type=click.IntRange(1, 4096),
    help="Processes or actors; by default one (local), or as many as Ray has room for.",
)
@click.option(
    "--threads-per-actor",
    "threads",
    type=click.IntRange(1, 1024),
    help="Threads of each; by default a share of the CPU quota (local), or one (ray).",
)
@options.choice_option(
    "--device",
    ["cpu", "cuda"],
    "Where the model runs; with ray, 'cuda' asks for a GPU for each actor.",
)
@options.precision_option
@click.option(
    "--ray-address", metavar="HOST:PORT", help="A Ray cluster; by default Ray is started here."
)
@click.option(
    "--shard-photos",
    type=click.IntRange(1, 1 << 16),
    default=1024,
    help="Photos per shard: at most so many are lost if a process dies.",
)
@click.option(
    "--embeddings",
    "stored",
    type=click.Choice(["float16", "float32", "none"]),
    default="float16",
    help="Type of the embeddings that are kept with photos' tags.",
)
@options.exact_option
@options.verbose_option
@Stop().handled()
def run(
    engine: Literal["local", "ray"],
    source: str,
    output: Path,
    bundle: Path,
    kind: InputKind | None,
    labels: Path | None,
    actors: int | None,
    threads: int | None,
    device: Literal["cpu", "cuda"],
    precision: PrecisionChoice,
    ray_address: str | None,
    shard_photos: int,
    stored: StoredType,
    exact: bool,
    verbose: bool,
) -> int:
    """Embed and tag photos, or tag stored embeddings, into Parquet shards.

    A shard is there in full or not at all. A second run makes shards that are missing, and those
    that were made with another bundle. A photo or row that cannot be used is a row with its reason.
    SIGTERM and Ctrl-C end a run with status 130 and a summary; finished shards stay.

    Every machine of a cluster needs this package, and input, output and bundle at the same paths.
    """
    if engine == "local" and ray_address:
        raise InputError("--ray-address goes with --engine ray")
    for option, path in {"output": output, "bundle": bundle, "labels": labels}.items():
        if path and ADDRESS.match(str(path)):
            raise InputError(f"--{option} is a path on this machine, not an address")
    opened = open_input(source)
    kind = _kind(opened, source, kind)
    if labels and kind == "embeddings":
        raise InputError("--labels goes with photos: files of embeddings have their own distances")
    _check_places(opened, output, bundle)
    if threads is None:
        threads = max(1, usable_cpus() // (actors or 1)) if engine == "local" else 1
    settings = ShardSettings(device, precision, threads, exact, stored)
    address = str(opened.folder.absolute()) if isinstance(opened, InputFolder) else source
    shard_size = shard_photos if kind == "photos" else 1
    job = Job.plan(JobNote.of(kind, address, shard_size), address, output, bundle, settings)
    engine_runs = _engine(engine, actors, ray_address, device)
    warn_of_stand_in(job.bundle)
    passed_over, used = passed_over_shown(verbose), set[Path]()
    items = opened.items(kind, passed_over)
    rows = read_labels(labels, note, DATASET_COLUMNS[1:] if verbose else ()) if labels else {}
    if labels:
        folder = opened.folder if isinstance(opened, InputFolder) else labels.parent
        items = with_labels(items, rows, folder, used)
    claim_output(output, job.note)
    shards = plan_shards(output, items, shard_size)
    report_passed_over(passed_over)
    if labels:
        report_other_rows(labels, rows, used)
    try:
        tally = _make(job, shards, engine_runs)
    finally:
        lists_of(output).unlink(missing_ok=True)  # polars opens no folder that has it
    there = tally.found + tally.made
    if there == len(shards):
        _clear(output, shards, tally.found)
    before = f", {tally.found} of them finished before" if tally.found else ""
    return tally.finish(f"; {there} shards in {output}{before}")


def _make(job: Job, shards: Sequence[Shard], engine: Engine) -> Tally:
    photos = job.kind == "photos"
    tally = Tally("photos" if photos else "rows", "tagged")
    total = sum(shard.items for shard in shards) if photos else None
    try:
        # Ray reports on its processes on standard output.
        with redirect_stdout(io.StringIO()):
            outcomes = run_job(job, shards, engine)
            for outcome in track(outcomes, tally.what, total, lambda one: one.rows):
                tally.add_shard(outcome)
    except KeyboardInterrupt:
        note(
            f"{tally.found + tally.made} of {len(shards)} shards are finished and stay: "
            "run the same command again to go on"
        )
        raise
    return tally


def _clear(output: Path, shards: Sequence[Shard], found: int) -> None:
    """Remove shards of an earlier state of the input, and report them."""
    old, removed = remove_superseded(output, shards, found)
    if old and removed:
        note(f"{len(old)} shards of an earlier state of the input removed, such as {old[0]}")
    elif old:
        note(
            f"the input has shrunk: {len(old)} shards of missing inputs stay, such as {old[0]}; "
            "check that all of the input is there, or remove them if it is meant to be smaller"
        )


def _kind(opened: InputSource, source: str, wanted: InputKind | None) -> InputKind:
    kinds = [kind for kind in opened.kinds() if wanted in (None, kind)]
    if len(kinds) == 1:
        return kinds[0]
    problem = "photos and files of embeddings: choose with --kind"
    if not kinds:
        what = wanted or "photos or embeddings"
        problem = f"no {what} that can be listed: name another folder"
    raise InputError(f"{shown_address(source)} has {problem}")


def _check_places(opened: InputSource, output: Path, bundle: Path) -> None:
    """Refuse an output among what is read."""
    place = real_path(output)
    inputs = {"input": opened.folder} if isinstance(opened, InputFolder) else {}
    for what, folder in (inputs | {"bundle": bundle}).items():
        if place.is_relative_to(real_path(folder)):
            raise InputError(
                f"{output} is in the folder of the {what}: name one outside of {folder}"
            )
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file: name a folder")


def _engine(
    name: str, actors: int | None, address: str | None, device: Literal["cpu", "cuda"]
) -> Engine:
    if name == "ray":
        from geograph_types.archive.ray_engine import run_on_ray

        return partial(run_on_ray, actors=actors, address=address)
    from geograph_types.archive.local_engine import run_locally

    pick_device(device)
    return partial(run_locally, processes=actors or 1)
