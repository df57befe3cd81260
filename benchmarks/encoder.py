"""How fast the encoder runs here, against the other ways to run it, in one alternating run.

    python benchmarks/encoder.py [--weights random:0] [--bundle DIR] [--json FILE]
    python benchmarks/encoder.py --start

`--start` measures time to the first tag and memory instead.

The contenders are in `benchmarks/contenders`: the same weights, photos and threads,
from uint8 pixels to embeddings, each in a process of its own of which one computes at a time. They
take memory all at once, about 7 GB. Those whose libraries are missing are left out:

    pip install 'geograph-types[bench]'
"""

import sys
from pathlib import Path

import click

from contenders import CONTENDERS
from geograph_types.system.cpu import usable_cpus
from measuring.command_line import (
    bundle_option,
    errors_as_lines,
    json_option,
    say,
    weights_option,
    work_option,
)

MOST_PHOTOS = 32
"""As many scenes are drawn."""
ROUNDS = 15
START_ROUNDS = 5


def default_threads() -> tuple[int, ...]:
    """Return one thread, and all."""
    return tuple(sorted({1, usable_cpus()}))


@click.command(epilog="Example: python benchmarks/encoder.py --threads 1 --json encoder.json")
@weights_option
@bundle_option
@work_option
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    multiple=True,
    help="Threads of one run; several: 1 and all otherwise.",
)
@click.option(
    "--batch",
    "batches",
    type=click.IntRange(1, MOST_PHOTOS),
    multiple=True,
    default=(1, 8),
    show_default=True,
    help="Photos in one run; several.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    help="In which each takes its turn: 15 otherwise, or 5 with --start.",
)
@click.option(
    "--contender",
    "names",
    type=click.Choice(list(CONTENDERS)),
    multiple=True,
    metavar="NAME",
    help="Several, besides our int8 and open_clip; all otherwise.",
)
@click.option("--start", is_flag=True, help="Measure time to the first tag, and memory.")
@json_option
def main(
    weights: str,
    bundle: Path | None,
    work: Path,
    threads: tuple[int, ...],
    batches: tuple[int, ...],
    rounds: int | None,
    names: tuple[str, ...],
    start: bool,
    out: Path | None,
) -> None:
    """Measure the encoder against the other ways to run it, in one alternating run.

    Tables go to standard output. The exit status is 1 if a contender failed.
    """
    # Contenders' processes import this file: what is heavy would be in all of them.
    from encoder_speed import measure_speed
    from measuring.workspace import make_workspace
    from reporting.figures import report
    from start import measure_start

    with errors_as_lines():
        given = make_workspace(weights, bundle, work, say)
        chosen = threads or default_threads()
        if start:
            results = measure_start(given, max(chosen), rounds or START_ROUNDS, say)
        else:
            results = measure_speed(given, chosen, batches, rounds or ROUNDS, names, say)
        report(results, out)
        sys.exit(1 if results.failed else 0)


if __name__ == "__main__":
    main()
