"""Hold the int8 export against encoders with outlier channels, as real CLIP towers have them.

    python benchmarks/stress.py [--head CHECKPOINT.pth] [--layout NAME ...] [--json FILE]

In each layout a few residual channels of the seeded stand-in are 20 to 60 times larger than the
rest from the first block on. Each layout is quantised and judged by the export's own gate on drawn
scenes; the table gives the gate's figures, the products kept in float32, the file's size and the
speed beside float32 of the same weights, medians of alternating runs.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import numpy as np
from numpy.typing import NDArray

from geograph_types.session import Session
from geograph_types_export.architecture import LAYERS, TOKENS, WIDTH, block_name
from geograph_types_export.bundle.make import export_head, load_head
from geograph_types_export.errors import GateError
from geograph_types_export.graphs.builder import serialise
from geograph_types_export.graphs.encoder import encoder_graph
from geograph_types_export.graphs.folding import fold
from geograph_types_export.int8.gate import Sample, TagDecider, find_accepted
from geograph_types_export.int8.photos import drawn_photos
from geograph_types_export.int8.tower import quantise_tower
from geograph_types_export.weights.stand_in import stand_in_tower
from measuring.command_line import errors_as_lines, json_option
from reporting.figures import table, write_json

State = dict[str, NDArray[np.float32]]
HEADINGS: Final = ("layout", "channels", "gate", "in float32", "MB", "int8 / fp32, ms", "export")
BATCH: Final = 8
ROUNDS: Final = 9


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    layout: str
    channels: str
    passed: bool
    figures: str
    kept: tuple[str, ...]
    megabytes: float
    int8_ms: float
    fp32_ms: float
    export_seconds: float


def plain(state: State, seed: int) -> str:
    """The stand-in as it is."""
    return "none"


def scaled(state: State, seed: int) -> str:
    """Channels that vary 40 times as much, and are read as if they did not."""
    channels = _channels(seed, 8)
    state["ln_pre.weight"][channels] *= 40
    for name in _readers():
        state[f"{name}.weight"][channels] /= 40
    return "8 x 40"


def constant(state: State, seed: int) -> str:
    """Channels with the same large value in every token of every photo."""
    channels = _channels(seed, 4)
    state["ln_pre.bias"][channels] += 60 * _signs(seed, 4)
    return "4 x 60"


def unread(state: State, seed: int) -> str:
    """Channels that vary 20 times as much, which every layer reads in full."""
    channels = _channels(seed, 12)
    state["ln_pre.weight"][channels] *= 20
    return "12 x 20"


def mixed(state: State, seed: int) -> str:
    """Channels that are large in part always and in part by photo, 20 to 60 times."""
    channels = _channels(seed, 12)
    factors = np.linspace(20, 60, 12, dtype=np.float32)
    state["ln_pre.weight"][channels] *= factors / 2
    state["ln_pre.bias"][channels] += factors / 2 * _signs(seed, 12)
    for name in _readers():
        state[f"{name}.weight"][channels] /= factors
    return "12 x 20 to 60"


def by_place(state: State, seed: int) -> str:
    """Channels that are large at some places of the picture and in the class token."""
    channels = _channels(seed, 6)
    places = np.random.default_rng(seed).random((TOKENS, 6)) < 0.2
    places[0] = True
    state["positional_embedding"][:, channels] += places * 30 * _signs(seed, 6)
    for name in _readers():
        state[f"{name}.weight"][channels] /= 30
    return "6 x 30, a fifth of the places"


def late_read(state: State, seed: int) -> str:
    """Constant channels that each layer reads at their own size, but for the last."""
    channels = _channels(seed, 5)
    state["ln_pre.bias"][channels] += 25 * _signs(seed, 5)
    state["ln_post.weight"][channels] = 0
    return "5 x 25"


LAYOUTS: Final[Mapping[str, Callable[[State, int], str]]] = {
    "plain": plain,
    "scaled": scaled,
    "constant": constant,
    "unread": unread,
    "mixed": mixed,
    "by-place": by_place,
    "late-read": late_read,
}


def _channels(seed: int, count: int) -> NDArray[np.int64]:
    """Draw channels among those that hold colour and texture."""
    return 64 + np.random.default_rng(seed).permutation(WIDTH - 65)[:count]


def _signs(seed: int, count: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed + 1).choice(np.array([-1, 1], np.float32), count)


def _readers() -> list[str]:
    blocks = [f"{block_name(i)}.ln_{n}" for i in range(LAYERS) for n in (1, 2)]
    return [*blocks, "ln_post"]


def judge(layout: str, seed: int, tags: TagDecider | None) -> Row:
    """Export one layout and measure what comes of it."""
    state = dict(stand_in_tower(0))
    channels = LAYOUTS[layout](state, seed)
    photos = drawn_photos()
    tower = fold(state)
    graph = encoder_graph(tower)
    exact = serialise(graph)
    start = time.perf_counter()
    fitted, held_out = (Sample.of(exact, pixels) for pixels in (photos.fitted, photos.held_out))
    try:
        quantised = quantise_tower(tower, graph, photos.fitted)
        accepted = find_accepted(quantised, fitted, held_out, tags)
    except GateError as error:
        took = time.perf_counter() - start
        return Row(layout, channels, False, str(error), (), 0.0, 0.0, 0.0, took)
    took = time.perf_counter() - start
    int8, fp32 = _speeds(accepted.model, exact, photos.held_out[:BATCH])
    megabytes = len(accepted.model) / 1e6
    figures = str(accepted.figures)
    kept = tuple(accepted.kept)
    return Row(layout, channels, True, figures, kept, megabytes, int8, fp32, took)


def _speeds(int8: bytes, fp32: bytes, pixels: np.ndarray) -> tuple[float, float]:
    """Return milliseconds an image on one thread, the two alternating."""
    sessions = [Session(model, "cpu", threads=1) for model in (int8, fp32)]
    seconds: list[list[float]] = [[], []]
    for number in range(ROUNDS + 1):
        for session, times in zip(sessions, seconds, strict=True):
            start = time.perf_counter()
            session.run("image_embeds", pixels=pixels)
            if number:
                times.append(time.perf_counter() - start)
    first, second = (statistics.median(times) * 1000 / len(pixels) for times in seconds)
    return first, second


def _cells(row: Row) -> list[str]:
    kept = ", ".join(name.removeprefix("visual.transformer.resblocks.") for name in row.kept)
    return [
        row.layout,
        row.channels,
        f"{'' if row.passed else 'FAILED: '}{row.figures}",
        kept or "none",
        f"{row.megabytes:.1f}",
        f"{row.int8_ms:.1f} / {row.fp32_ms:.1f}",
        f"{row.export_seconds:.0f} s",
    ]


@click.command()
@click.option(
    "--layout",
    "layouts",
    multiple=True,
    type=click.Choice(list(LAYOUTS)),
    help="Several; all otherwise.",
)
@click.option("--seed", default=1, show_default=True, help="Another seed takes other channels.")
@click.option(
    "--head",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Checkpoint whose tags are counted where they flip.",
)
@json_option
def main(layouts: tuple[str, ...], seed: int, head: Path | None, out: Path | None) -> None:
    """Export each layout and print a table."""
    with errors_as_lines():
        tags = export_head(load_head(head)).tags if head else None
    rows = [judge(layout, seed, tags) for layout in layouts or LAYOUTS]
    for line in table(HEADINGS, map(_cells, rows)):
        click.echo(line)
    if out is not None:
        write_json(rows, out)
    if not all(row.passed for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
