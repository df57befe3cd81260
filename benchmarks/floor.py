"""How fast the encoder could be here at most: its operations and bytes at the machine's rates.

python benchmarks/floor.py [--threads 2] [--batch 8]
"""

import click

from encoder_work import bytes_moved, multiplications
from geograph_types.system.cpu import usable_cpus
from measuring.command_line import count_option
from measuring.machine_rates import MachineRates, measure_rates


def floor_milliseconds(rates: MachineRates, precision: str) -> float | None:
    """Return the least time for one photo, in milliseconds, if the precision's rate is known.

    It is the longer of two: all products at the best rate of onnxruntime's own in this precision,
    and all bytes at the machine's rate of copying. Activations, normalisation and attention's
    softmax count nothing, so no encoder of onnxruntime's gets there.
    """
    rate = rates.products.get(precision)
    if rate is None:
        return None
    computing = multiplications() / rate
    moving = bytes_moved(precision, rates.batch) / rates.copied
    return 1000 * max(computing, moving)


@click.command()
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=usable_cpus,
    show_default="all",
    help="At once.",
)
@count_option("--batch", 8, "Photos in one run.")
def main(threads: int, batch: int) -> None:
    """Print the floor of each precision."""
    rates = measure_rates(threads, batch)
    click.echo(f"{multiplications() / 1e9:.2f} billion multiply-and-add steps a photo")
    click.echo(f"memory copied at {rates.copied / 1e9:.1f} GB/s")
    for precision, rate in rates.products.items():
        moved = bytes_moved(precision, batch) / 1e6
        click.echo(
            f"{precision}: {rate / 1e9:.0f} billion steps/s, {moved:.0f} MB a photo, "
            f"at least {floor_milliseconds(rates, precision):.1f} ms a photo"
        )


if __name__ == "__main__":
    main()
