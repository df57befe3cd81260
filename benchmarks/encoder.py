"""How fast the encoder runs here, against the other ways to run it, in one alternating run.

    python benchmarks/encoder.py [--weights random:0] [--bundle DIR] [--json FILE]
    python benchmarks/encoder.py --start

`--start` measures time to the first tag and memory instead.

The contenders are the modules of `benchmarks/contenders`: the same weights, photos and threads,
from uint8 pixels to embeddings, each in a process of its own of which one computes at a time. They
take memory all at once, about 7 GB. Those whose libraries are missing are named as left out:

    pip install 'geograph-types[bench]'
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import click
import msgspec

from contenders import CONTENDERS
from geograph_types.atomic import new_file
from geograph_types.cpu import usable_cpus
from geograph_types.errors import GeographTypesError

DEFAULT_WORK = Path(__file__).parent / "work"
MOST_PHOTOS = 32
"""As many scenes are drawn."""
ROUNDS = 15
START_ROUNDS = 5


def default_threads() -> tuple[int, ...]:
    """Give one thread, and all."""
    return tuple(sorted({1, usable_cpus()}))


@click.command(epilog="Example: python benchmarks/encoder.py --threads 1 --json encoder.json")
@click.option("--weights", default="random:0", show_default=True, help="As `export` takes them.")
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Made of these weights; exported to the work folder otherwise, which takes minutes.",
)
@click.option(
    "--work",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_WORK,
    help="Folder for files that are used again, a few GB; benchmarks/work otherwise.",
)
@click.option(
    "--threads", type=click.IntRange(min=1), multiple=True, help="Several: 1 and all otherwise."
)
@click.option(
    "--batch",
    "batches",
    type=click.IntRange(1, MOST_PHOTOS),
    multiple=True,
    default=(1, 8),
    show_default=True,
    help="Several.",
)
@click.option("--rounds", type=click.IntRange(min=1), help="15, or 5 with --start.")
@click.option(
    "--contender",
    "names",
    type=click.Choice(list(CONTENDERS)),
    multiple=True,
    metavar="NAME",
    help="Several, besides our int8 and open_clip; all otherwise.",
)
@click.option("--start", is_flag=True, help="Measure time to the first tag, and memory.")
@click.option(
    "--json",
    "out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Every measurement, for machines.",
)
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

    Tables go to standard output. The exit status is 1 where a contender failed.
    """
    # Contenders' processes import this file: what is heavy would be in all of them.
    from encoder_results import markdown
    from encoder_speed import measure_speed
    from start import measure_start, start_markdown
    from workspace import make_workspace

    try:
        given = make_workspace(weights, bundle, work, say)
        chosen = threads or default_threads()
        if start:
            started = measure_start(given, max(chosen), rounds or START_ROUNDS, say)
            report(start_markdown(started), started, out)
            sys.exit(0)
        speed = measure_speed(given, chosen, batches, rounds or ROUNDS, names, say)
        report(markdown(speed), speed, out)
        sys.exit(1 if speed.failed else 0)
    except GeographTypesError as error:
        say(f"error: {error}")
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        say("error: interrupted")
        sys.exit(130)


def report(lines: Iterable[str], results: msgspec.Struct, out: Path | None) -> None:
    """Show the tables, and write the file if one is asked for."""
    for line in lines:
        click.echo(line)
    if out is not None:
        with new_file(out) as stream:
            stream.write(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")


def say(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main()
