"""The command `scenes`."""

from pathlib import Path

import click

from geograph_types.cli.notices import note


@click.command(epilog="Example: geograph-types scenes practice --per-class 40 --seed 1")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--per-class",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Photos of each of the seven classes.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Another seed draws other scenes.",
)
def scenes(out: Path, per_class: int, seed: int) -> int:
    """Draw labelled practice photos into the new folder OUT.

    They are 640x480 JPEG files with EXIF; labels.csv gives their positions and raw tags.
    """
    from geograph_types.cli.progress import track
    from geograph_types.system.cpu import usable_cpus
    from geograph_types.taxonomy import CLASSES
    from geograph_types_trainer.scenes import write_scenes

    total = per_class * len(CLASSES)
    labels = write_scenes(
        out, per_class, seed, lambda rows: track(rows, "photos drawn", total), usable_cpus()
    )
    note(f"{total} photos drawn, labels in {labels}")
    return 0
