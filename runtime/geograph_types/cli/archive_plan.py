"""The command `archive plan`."""

import math
from pathlib import Path

import click

from geograph_types.archive.measure import measure_decoding, measure_result_bytes, measure_tagging
from geograph_types.bundle import Bundle
from geograph_types.cli.notices import note
from geograph_types.cli.options import FiniteRange, any_path
from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.errors import InputError
from geograph_types.manifest import Precision
from geograph_types.system.cpu import usable_cpus

ON_CPU: tuple[Precision, ...] = ("fp32", "int8")
DEADLINES = {"a day": 24, "a week": 168}
"""Hours in which a number of machines is to finish."""

GPU_NAME = "RTX 3090, amp"
GPU_ENCODER_RATE = 4601.5
"""Images per second of the encoder alone, at batches of 1024."""
GPU_SOURCE = (
    "huggingface/pytorch-image-models, results/benchmark-infer-amp-nchw-pt240-cu124-rtx3090.csv, "
    "vit_base_patch32_clip_quickgelu_224"
)


@click.command(
    epilog="Example: geograph-types archive plan --photos 8000000 --bundle model "
    "--price-per-core-hour 0.04"
)
@click.option("--photos", type=click.IntRange(1, 10**12), required=True, help="Number of photos.")
@click.option(
    "--bundle",
    type=any_path,
    metavar="DIR",
    help="Measure this bundle's encoders; without a bundle, only decoding is measured.",
)
@click.option(
    "--price-per-core-hour",
    "price",
    type=FiniteRange(0, 1e6),
    help="Price of one core, in any currency; adds a column of costs.",
)
@click.option(
    "--seconds", type=FiniteRange(0.1, 3600), default=60.0, help="Time for measuring, in total."
)
def plan(photos: int, bundle: Path | None, price: float | None, seconds: float) -> int:
    """Estimate what an archive takes: hours and machines, storage, cost.

    Rates are measured on this machine, from files to tags, on drawn photos of 640x480 pixels. The
    line for a GPU is an estimate from a published figure of the encoder alone.
    """
    cores = usable_cpus()
    opened = None if bundle is None else Bundle.open(bundle)
    precisions = [one for one in ON_CPU if opened and one in opened.manifest.precisions]
    if opened and not precisions:
        raise InputError(f"{bundle} has no fp32 or int8 encoder: add one with 'export encoder'")
    share = seconds / (len(precisions) + 1)
    note(f"measuring for {seconds:g} seconds on {cores} cores ...")
    decoding = measure_decoding(share)
    head = [f"{photos:,} photos", "photos/s", "hours", *(f"in {name}" for name in DEADLINES)]
    rows = [head + ["core hours"] + ["cost"] * (price is not None)]
    results = ""
    if opened:
        for precision in precisions:
            rate = measure_tagging(opened, precision, share)
            rows.append(_row(f"{precision}, measured here", photos, rate, cores, price))
        size = measure_result_bytes(opened)
        results = f"storage    results {_size(photos * size)} ({size:.0f} bytes each, measured)\n"
    rows.append(_row(f"GPU ({GPU_NAME}), estimate", photos, GPU_ENCODER_RATE, 0, price))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *figures in rows:
        aligned = map(str.rjust, figures, widths[1:])
        click.echo("  ".join([name.ljust(widths[0]), *aligned]))
    click.echo()
    for kind, bytes_each in (("float16", 2), ("float32", 4)):
        stored = _size(photos * bytes_each * EMBEDDING_DIMENSION)
        click.echo(f"storage    embeddings as {kind} {stored}")
    needed = GPU_ENCODER_RATE / decoding * cores
    click.echo(
        f"{results}"
        f"decoding   {decoding:.0f} photos/s measured here on {cores} cores: to feed that GPU "
        f"takes about {needed:.0f} such cores\n"
        "machines   'in a day', 'in a week': how many such machines or GPUs that takes\n"
        f"estimate   not measured: the encoder alone, published in {GPU_SOURCE}"
    )
    if not opened:
        click.echo("note       give --bundle to measure fp32 and int8 here")
    return 0


def _row(name: str, photos: int, rate: float, cores: int, price: float | None) -> list[str]:
    """Return a row of the table: on this machine with its cores, or on a GPU with 0."""
    hours = photos / rate / 3600
    machines = [str(max(1, math.ceil(hours / limit))) for limit in DEADLINES.values()]
    row = [name, f"{rate:.1f}", f"{hours:,.1f}", *machines]
    row.append(f"{hours * cores:,.0f}" if cores else "")
    if price is not None:
        row.append(f"{hours * cores * price:,.2f}" if cores else "")
    return row


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
