"""The command `worker`."""

import sys
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from geograph_types.cli.notices import note, warn_of_stand_in
from geograph_types.cli.options import (
    FiniteRange,
    bundle_option,
    device_option,
    output_path,
    threads_option,
)
from geograph_types.errors import InputError
from geograph_types.session import Device

if TYPE_CHECKING:
    from geograph_types.worker.rows import RowResult
    from geograph_types.worker.tally import Tally

SECONDS_BETWEEN_LINES: Final = 60.0


@click.command(
    epilog="Example: geograph-types worker --url https://example.org/labeler.json.php "
    "--bundle model --embeddings --once"
)
@click.option(
    "--url",
    required=True,
    metavar="URL",
    help="The server's script; 'model=types' is added where it has no parameter 'model'.",
)
@bundle_option
@click.option(
    "--embeddings",
    is_flag=True,
    help="Ask for stored embeddings, so that no image is fetched.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=100,
    show_default=True,
    help="Rows to ask for in a round.",
)
@click.option(
    "--pause",
    type=FiniteRange(0.01, 3600),
    default=2.0,
    show_default=True,
    help="Seconds between rounds at least; the server may ask for more.",
)
@click.option("--once", is_flag=True, help="Work one round.")
@click.option(
    "--loops",
    type=click.IntRange(1),
    help="Work so many rounds; without it and --once, until it is stopped.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print what one round would send, as JSON Lines; nothing is sent or kept.",
)
@click.option(
    "--state",
    type=output_path,
    default=Path("worker.state"),
    show_default=True,
    metavar="FILE",
    help="Keep results here until the server has accepted them.",
)
@device_option
@threads_option
def worker(
    url: str,
    bundle: Path,
    embeddings: bool,
    limit: int,
    pause: float,
    once: bool,
    loops: int | None,
    dry_run: bool,
    state: Path,
    device: Device,
    threads: int | None,
) -> int:
    """Label photos for a Geograph server: ask it for rows, and send their labels back.

    Rows come with stored embeddings, or with the address of an image; then the image is fetched,
    and its embedding is sent back as well. Every class over 0.2 is sent with its probability,
    "None" where there is none, and "Failed" for a row that cannot be used.

    Results are on disk before they are sent. A run that was stopped, by whatever, leaves them to
    the next one; SIGTERM and Ctrl-C end it with status 130 and a summary.
    """
    from geograph_types.system.signals import Stop
    from geograph_types.tagger import TypeTagger
    from geograph_types.worker.address import is_practice, server_url
    from geograph_types.worker.pace import tell_of_retries
    from geograph_types.worker.tally import Listeners, Tally
    from geograph_types.worker.transport import Transport
    from geograph_types.worker.work import (
        Order,
        host_identity,
        rehearse_round,
        unique_number,
        work,
    )

    if once and loops:
        raise InputError("--once is --loops 1: give one of the two")
    if dry_run and loops:
        raise InputError("--dry-run works one round: leave --loops out")
    own_number = unique_number(host_identity())
    order = Order(server_url(url), embeddings, limit, own_number, pause, 1 if once else loops)
    tagger = TypeTagger.for_many(bundle, device=device, threads=threads)
    tagger.bundle.find("head")
    if not embeddings:
        tagger.bundle.find("encoder", tagger.precision)
        if tagger.bundle.is_stand_in and not dry_run and not is_practice(order.url):
            raise InputError(
                f"{bundle} has a stand-in encoder, whose embeddings would spoil an archive: give a "
                "bundle with CLIP's weights, or --embeddings to use stored ones, or --dry-run"
            )
    warn_of_stand_in(tagger.bundle)
    tell_of_retries(note)
    tally = Tally()
    listeners = Listeners(tally, note, _told_now_and_then(tally))
    agent = f"geograph-types/{metadata.version('geograph-types')} (worker)"
    stop = Stop()
    with stop.handled(), closing(Transport(agent)) as transport:
        try:
            if dry_run:
                _print(rehearse_round(order, tagger, transport, listeners))
            else:
                work(order, tagger, transport, state, stop, listeners)
        finally:
            if tally.requests:
                note(tally.line())
            if tally.waiting:
                note(f"results of {tally.waiting} photos wait in {state} for the next run")
    return 1 if tally.failed else 0


def _print(results: "Iterable[RowResult]") -> None:
    """Print what would be sent, an entry a line."""
    import msgspec

    encode = msgspec.json.Encoder().encode
    for result in results:
        for entry in (*result.labels, *filter(None, [result.embedding])):
            sys.stdout.buffer.write(encode(entry) + b"\n")


def _told_now_and_then(tally: "Tally") -> Callable[[], None]:
    """Report progress: each round on a terminal, each minute elsewhere."""
    told = time.monotonic()

    def tell() -> None:
        nonlocal told
        if sys.stderr.isatty() or time.monotonic() - told >= SECONDS_BETWEEN_LINES:
            told = time.monotonic()
            note(tally.line())

    return tell
