"""The command `archive plan`."""

from collections.abc import Iterator
from pathlib import Path

import click

from geograph_types.archive.measure import (
    EMBEDDING_BYTES,
    GPU_ENCODER_RATE,
    GPU_NAME,
    GPU_SOURCE,
    Estimate,
    Measured,
    measure_decoding,
    measure_rate,
    measure_result_bytes,
)
from geograph_types.bundle import Bundle
from geograph_types.cli.notices import note
from geograph_types.cli.options import FiniteRange, any_path
from geograph_types.errors import InputError
from geograph_types.manifest import Precision
from geograph_types.system.cpu import usable_cpus

ON_CPU: tuple[Precision, ...] = ("fp32", "int8")
DEADLINES = {"a day": 24, "a week": 168}
"""Hours in which a number of machines is to finish."""


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
    "--seconds",
    type=FiniteRange(0.1, 3600),
    default=60.0,
    show_default=True,
    help="Time for measuring, in total.",
)
def plan(photos: int, bundle: Path | None, price: float | None, seconds: float) -> int:
    """Estimate what an archive takes: hours and machines, storage, cost.

    Rates are measured on this machine, from files to tags, on drawn photos of 640x480 pixels. The
    line for a GPU is an estimate from a published figure of the encoder alone.
    """
    cores = usable_cpus()
    opened = None if bundle is None else Bundle.open(bundle)
    precisions = _precisions(opened) if opened else []
    share = seconds / (len(precisions) + 1)
    note(f"measuring for {seconds:g} seconds on {cores} cores ...")
    decoding = measure_decoding(share)
    ways, results = [], None
    if opened:
        for precision in precisions:
            measured = measure_rate(opened, precision, share)
            ways.append(Estimate(f"{precision}, measured here", photos, measured.rate, cores))
        results = measure_result_bytes(opened)
    ways.append(Estimate(f"GPU ({GPU_NAME}), estimate", photos, GPU_ENCODER_RATE, 0))
    for line in _lines(photos, ways, decoding, results, price):
        click.echo(line)
    return 0


def _precisions(bundle: Bundle) -> list[Precision]:
    precisions = [one for one in ON_CPU if one in bundle.manifest.precisions]
    if not precisions:
        raise InputError(
            f"{bundle.root} has no fp32 or int8 encoder: add one with 'export encoder'"
        )
    return precisions


def _lines(
    photos: int,
    ways: list[Estimate],
    decoding: Measured,
    results: float | None,
    price: float | None,
) -> Iterator[str]:
    head = [f"{photos:,} photos", "photos/s", "hours", *(f"in {name}" for name in DEADLINES)]
    head += ["core hours"] + ["cost"] * (price is not None)
    rows = [head, *(_row(way, price) for way in ways)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for row in rows:
        first, *others = zip(row, widths, strict=True)
        yield "  ".join([first[0].ljust(first[1]), *(text.rjust(w) for text, w in others)])
    yield ""
    for kind, size in EMBEDDING_BYTES.items():
        yield f"storage    embeddings as {kind} {_size(photos * size)}"
    if results is not None:
        yield f"storage    results {_size(photos * results)} ({results:.0f} bytes each, measured)"
    cores = usable_cpus()
    needed = GPU_ENCODER_RATE / decoding.rate * cores
    yield (
        f"decoding   {decoding.rate:.0f} photos/s measured here on {cores} cores: to feed that "
        f"GPU takes about {needed:.0f} such cores"
    )
    yield "machines   'in a day', 'in a week': how many such machines or GPUs that takes"
    yield f"estimate   not measured: the encoder alone, published in {GPU_SOURCE}"
    if len(ways) == 1:
        yield "note       give --bundle to measure fp32 and int8 here"


def _row(way: Estimate, price: float | None) -> list[str]:
    row = [way.name, f"{way.rate:.1f}", f"{way.hours:,.1f}"]
    row += [str(way.machines(hours)) for hours in DEADLINES.values()]
    row.append(f"{way.core_hours:,.0f}" if way.cores else "")
    if price is not None:
        row.append(f"{way.core_hours * price:,.2f}" if way.cores else "")
    return row


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
