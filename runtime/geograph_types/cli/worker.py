"""The command `worker`."""

import hashlib
import socket
import sys
import time
from collections.abc import Callable
from contextlib import closing
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import click
import msgspec

from geograph_types.cli import options
from geograph_types.cli.notices import note, warn_of_stand_in
from geograph_types.errors import InputError
from geograph_types.session import Device

if TYPE_CHECKING:
    from geograph_types.worker.outbox import Outbox
    from geograph_types.worker.tally import Tally

SECONDS_BETWEEN_LINES: Final = 60.0

MACHINE_ID: Final = Path("/etc/machine-id")
"""Differs between installations. Source: `machine-id(5)`."""


@click.command(
    epilog="Example: geograph-types worker --url https://example.org/labeler.json.php "
    "--bundle model --embeddings --once"
)
@click.option(
    "--url",
    required=True,
    metavar="URL",
    help="The server's script; 'model=types' is added if it has no parameter 'model'.",
)
@options.bundle_option
@click.option(
    "--embeddings",
    is_flag=True,
    help="Ask for rows with stored embeddings; images are fetched for rows without.",
)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=100, help="Rows to ask for per round."
)
@click.option(
    "--pause",
    type=options.FiniteRange(0.01, 3600),
    default=2.0,
    help="Shortest time between rounds in seconds; the server may ask for more.",
)
@click.option("--once", is_flag=True, help="Work one round only.")
@click.option(
    "--loops",
    type=click.IntRange(1),
    help="Number of rounds; by default the worker runs until it is stopped.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print what one round would send, as JSON Lines; nothing is sent or kept.",
)
@click.option(
    "--state",
    type=options.output_path,
    default=Path("worker.state"),
    metavar="FILE",
    help="Keep results here until the server has accepted them.",
)
@options.device_option
@options.threads_option
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
    "None" if there is none, and "Failed" for a row that cannot be used.

    Results are on disk before they are sent. However a run ends, the next one sends what is left;
    SIGTERM and Ctrl-C end a run with status 130 and a summary.
    """
    from geograph_types.system.signals import Stop
    from geograph_types.tagger import TypeTagger
    from geograph_types.worker.address import is_practice, server_url
    from geograph_types.worker.label_server import LabelServer
    from geograph_types.worker.loop import open_worker
    from geograph_types.worker.tally import Tally
    from geograph_types.worker.transport import Transport

    if once and loops:
        raise InputError("--once is --loops 1: use one of the two")
    if dry_run and loops:
        raise InputError("--dry-run works one round: leave --loops out")
    url = server_url(url)
    tagger = TypeTagger.for_many(bundle, device=device, threads=threads)
    tagger.bundle.find("head")
    practice = dry_run or is_practice(url)
    if not embeddings:
        tagger.bundle.find("encoder", tagger.precision)
        if tagger.bundle.is_stand_in and not practice:
            raise InputError(
                f"{bundle} has a stand-in encoder, whose embeddings would spoil an archive: use a "
                "bundle with CLIP's weights, or --embeddings for stored ones, or --dry-run"
            )
    warn_of_stand_in(tagger.bundle)
    tally = Tally(note)
    agent = f"geograph-types/{metadata.version('geograph-types')} (worker)"
    stop = Stop()
    with (
        stop.handled(),
        closing(Transport(agent, url)) as transport,
        TemporaryDirectory() as folder,
    ):
        state = Path(folder, "rehearsal") if dry_run else state
        server = LabelServer(
            transport, url, limit=limit, unique_number=unique_number(), embeddings=embeddings
        )
        try:
            with open_worker(server, transport, tagger, practice, state, pause, tally) as worker:
                if dry_run:
                    worker.label_round()
                    _print_entries(worker.outbox)
                else:
                    worker.run(1 if once else loops, stop, _progress(tally))
        finally:
            if tally.requests:
                note(tally.line())
            if tally.waiting and not dry_run:
                note(f"results of {tally.waiting} photos wait in {state} for the next run")
    return 1 if tally.failed else 0


def unique_number(machine_id: Path = MACHINE_ID) -> int:
    """Return a number from 0 to 31 that stays the same and that two machines seldom share.

    It comes from the host name, which containers have of their own, and the machine's id.
    """
    try:
        machine = machine_id.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        machine = ""
    identity = f"{socket.gethostname()} {machine}"
    return int.from_bytes(hashlib.sha256(identity.encode()).digest()) % 32


def _print_entries(outbox: "Outbox") -> None:
    for entries in outbox.waiting_entries():
        for entry in msgspec.json.decode(b"[" + entries + b"]", type=list[msgspec.Raw]):
            sys.stdout.buffer.write(bytes(entry) + b"\n")


def _progress(tally: "Tally") -> Callable[[], None]:
    """Report progress: each round on a terminal, each minute elsewhere."""
    told = time.monotonic()

    def tell() -> None:
        nonlocal told
        if sys.stderr.isatty() or time.monotonic() - told >= SECONDS_BETWEEN_LINES:
            told = time.monotonic()
            note(tally.line())

    return tell
