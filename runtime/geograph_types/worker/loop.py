"""Round after round: deliver what waits, ask for rows, label them, keep the results, deliver."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from geograph_types.system.signals import Stop
from geograph_types.tagger import TypeTagger
from geograph_types.worker.faults import ServerRefusalError, ServerUnavailableError
from geograph_types.worker.images import PATIENCE, ImageFetcher, ImageRound, image_folder
from geograph_types.worker.label_server import LabelServer
from geograph_types.worker.labeller import Labeller
from geograph_types.worker.outbox import KINDS, Batch, Outbox, open_outbox
from geograph_types.worker.pace import Pace
from geograph_types.worker.protocol import Answer, RowResult, read_rows
from geograph_types.worker.tally import Tally
from geograph_types.worker.transport import Transport

T = TypeVar("T")

BATCH_ROWS: Final = 1000  # photos in one list at most; a round has fewer, unless told otherwise

# Statuses by which a server refuses what is in a list, not the worker.
BAD_LIST: Final = frozenset({400, 409, 413, 422})


class Worker:
    """One worker; not to be used by several threads."""

    def __init__(
        self, server: LabelServer, labeller: Labeller, outbox: Outbox, pace: Pace, tally: Tally
    ) -> None:
        self.outbox = outbox
        self._server = server
        self._labeller = labeller
        self._pace = pace
        self._tally = tally
        self._attempts: Counter[int] = Counter()
        server.before_request = self._note_request

    def run(self, loops: int | None, stop: Stop, after_round: Callable[[], None]) -> None:
        """Work so many rounds; `None` is for without end, and then outages are waited out."""
        most = None if loops is None else PATIENCE
        # The pause is kept also if a supervisor restarts a run that was killed at once.
        since = time.time() - self.outbox.last_request()
        if 0 <= since < self._pace.pause:
            time.sleep(self._pace.pause - since)
        while loops is None or self._tally.rounds < loops:
            with self._pace.round():
                self._deliver(most, stop)
                rest = self.label_round(most)
                self._deliver(most, stop)
                after_round()
                if self._tally.rounds != loops:
                    time.sleep(rest)

    def label_round(self, most: int | None = PATIENCE) -> float:
        """Ask for rows, label them and keep the results; return how long to wait afterwards."""
        answer = self._again(self._server.rows, most)
        images = ImageRound()
        has_work = self._label(answer, images)
        left_alone = self._judge(images)
        idle = not has_work or left_alone
        return self._pace.rest_after(max(answer.sleep or 0.0, images.retry_after), idle)

    def _note_request(self) -> None:
        self._pace.requests += 1
        self._tally.requests += 1
        self.outbox.note_request()

    def _again(self, request: Callable[[], T], most: int | None) -> T:
        """Make a request, `most` times at most, until there is a good answer."""
        failures = 0
        while True:
            try:
                return request()
            except (ServerUnavailableError, ServerRefusalError) as error:
                failures += 1
                self._tally.failures += 1
                self._pace.disturbed = True
                if isinstance(error, ServerRefusalError) or failures == most:
                    raise
                wait = self._pace.wait_after(failures, error.retry_after)
                problem = f"the server is not well ({error.problem})"
                self._tally.tell(f"{problem}: next try in {wait:.1f} s")
            time.sleep(wait)

    def _label(self, answer: Answer, images: ImageRound) -> bool:
        """Label the rows of an answer; return whether there was anything to do."""
        tally, limit = self._tally, self._server.limit
        given = answer.rows or []
        if len(given) > limit:
            tally.tell(f"note: {len(given)} rows were given, {limit} asked for and used")
        given = given[:limit]
        by_number, nameless = read_rows(given)
        tally.rounds += 1
        tally.rows += len(given)
        for error in nameless:
            tally.faults[error.fault.value] += 1
            tally.tell(f"error: {error}")
        earlier = self.outbox.earlier(by_number, self._labeller.bundle)
        lost = [number for number, state in earlier.items() if state == "lost"]
        if lost:
            tally.tell(f"note: the server has lost labels of {len(lost)} photos: sent again")
            self.outbox.send_again(lost)
        tally.repeated += len(given) - len(nameless) - len(by_number) + len(earlier)
        tally.sent_again += len(lost)
        new = [row for number, row in by_number.items() if number not in earlier]
        for results in self._labeller.label(new, answer.prefix, images):
            self._keep(results)
        return bool(new or self.outbox.waiting())

    def _keep(self, results: list[RowResult]) -> None:
        """Report results and put them on disk, so that they are not computed again."""
        for result in results:
            self._tally.count(result)
        self.outbox.store(results, self._labeller.bundle)

    def _judge(self, images: ImageRound) -> bool:
        """Fail images that will not come, leave others; return whether their server gives none."""
        failed = []
        left_alone = False
        for number, error in images.errors.items():
            most = images.tries(error)
            self._attempts[number] += most is not None
            if most is not None and self._attempts[number] >= most:
                del self._attempts[number]
                failed.append(RowResult.failed(number, error))
            else:
                left_alone |= images.are_gone or not error.answered
                self._tally.tell(f"note: image of photo {number} left for later: {error.detail}")
        self._keep(failed)
        self._tally.left = len(images.errors) - len(failed) + images.skipped
        if images.skipped:
            self._tally.tell(f"note: {images.skipped} images left for later: {images.why_skipped}")
        return left_alone

    def _deliver(self, most: int | None, stop: Stop) -> None:
        for kind in KINDS:
            while batch := self.outbox.next_batch(kind, BATCH_ROWS):
                self._deliver_batch(batch, most, stop)

    def _deliver_batch(self, batch: Batch, most: int | None, stop: Stop) -> None:
        """Deliver a list; if the server refuses what is in it, in halves."""

        def post() -> None:
            # A signal between the two would have the list sent again.
            with stop.deferred():
                self._server.deliver(batch.body, batch.key)
                self.outbox.finish(batch, "accepted")
                self._tally.accepted += len(batch.numbers) if batch.kind == "labels" else 0

        try:
            self._again(post, most)
        except ServerRefusalError as error:
            if error.status not in BAD_LIST:
                raise
            number, *others = batch.numbers
            if others:
                self.outbox.split(batch)
                time.sleep(self._pace.first_wait)
                return
            self.outbox.finish(batch, "refused")
            self._tally.refused += 1
            refusal = f"the server refuses its {batch.kind} with status {error.status}"
            self._tally.tell(f"error: photo {number}: {refusal}")


@contextmanager
def open_worker(
    server: LabelServer,
    transport: Transport,
    tagger: TypeTagger,
    practice: bool,
    state: Path,
    pause: float,
    tally: Tally,
) -> Iterator[Worker]:
    """Open a worker's state file, and make a folder for images beside it."""
    folder = state.with_name(f".{state.name}.fetched")
    with open_outbox(state, server.url) as outbox, image_folder(folder) as images:
        labeller = Labeller(tagger, ImageFetcher(transport, images, server.url), practice)
        try:
            yield Worker(server, labeller, outbox, Pace(pause), tally)
        finally:
            tally.waiting = outbox.waiting()
