"""Put a worker together and run it, or rehearse one round of it."""

import hashlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from geograph_types.system.signals import Stop
from geograph_types.tagger import TypeTagger
from geograph_types.worker.address import is_practice
from geograph_types.worker.images import ImageFetcher, image_folder
from geograph_types.worker.label_server import LabelServer
from geograph_types.worker.labeller import Labeller
from geograph_types.worker.loop import PATIENCE, Worker
from geograph_types.worker.outbox import open_outbox
from geograph_types.worker.pace import Pace, repeat
from geograph_types.worker.protocol import Answer
from geograph_types.worker.rows import RowResult, sort_rows
from geograph_types.worker.tally import Listeners, Tally
from geograph_types.worker.transport import Transport


def rehearse(
    answer: Answer, limit: int, labeller: Labeller, tally: Tally, tell: Callable[[str], None]
) -> Iterator[RowResult]:
    """Label the rows of an answer."""
    rows = sort_rows(answer.rows[:limit])
    tally.read(rows, len(answer.rows[:limit]), tell)
    for result in chain(rows.failed, *labeller.label(rows.good, answer.prefix)):
        tally.count(result, tell)
        yield result
    postponed = labeller.postponed
    tally.leave([*postponed.rows, *postponed.unreachable], postponed, tell)


MACHINE_ID: Final = Path("/etc/machine-id")
"""Differs between installations. Source: `machine-id(5)`."""

NUMBERS: Final = 32


def host_identity(machine_id: Path = MACHINE_ID) -> str:
    """Name this machine: its host name, which containers have of their own, and its machine id."""
    try:
        machine = machine_id.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        machine = ""
    return f"{socket.gethostname()} {machine}"


def unique_number(identity: str) -> int:
    """Return a number from 0 to 31, always the same for the same identity."""
    return int.from_bytes(hashlib.sha256(identity.encode()).digest()) % NUMBERS


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is to do."""

    url: str  # of the server, as `server_url` gives it
    embeddings: bool  # ask for stored embeddings
    limit: int  # rows in a round
    unique_number: int  # of this worker, 0 to 31
    pause: float  # seconds between rounds at least
    loops: int | None  # rounds; `None` for without end


def work(
    order: Order,
    tagger: TypeTagger,
    transport: Transport,
    state: Path,
    stop: Stop,
    listeners: Listeners,
) -> None:
    """Work until all rounds are done."""
    pace = Pace(order.pause)
    tally = listeners.tally
    images = state.with_name(f".{state.name}.fetched")
    with open_outbox(state, order.url) as outbox, image_folder(images) as folder:

        def asking() -> None:
            pace.asking()
            tally.requests += 1
            outbox.note_request()

        worker = Worker(
            LabelServer(transport, order.url, asking),
            Labeller(tagger, ImageFetcher(transport, folder, order.url), is_practice(order.url)),
            outbox,
            pace,
            stop,
            listeners,
        )
        try:
            worker.run(order.loops, order.limit, order.unique_number, order.embeddings)
        finally:
            tally.waiting = outbox.waiting()


def rehearse_round(
    order: Order, tagger: TypeTagger, transport: Transport, listeners: Listeners
) -> Iterator[RowResult]:
    """Work one round, but send and keep nothing."""
    tally = listeners.tally

    def asking() -> None:
        tally.requests += 1

    server = LabelServer(transport, order.url, asking)
    answer = repeat(
        lambda: server.rows(order.limit, order.unique_number, order.embeddings),
        order.pause,
        PATIENCE,
    )
    with TemporaryDirectory() as folder:
        images = ImageFetcher(transport, Path(folder), order.url)
        labeller = Labeller(tagger, images, practice=True)
        yield from rehearse(answer, order.limit, labeller, tally, listeners.tell)
