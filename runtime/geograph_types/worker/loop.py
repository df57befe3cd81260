"""Round after round: deliver what waits, ask for rows, label them, keep the results, deliver."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from geograph_types.system.signals import Stop
from geograph_types.worker.faults import FetchFault, ServerRefusalError, ServerUnavailableError
from geograph_types.worker.label_server import LabelServer
from geograph_types.worker.labeller import Labeller
from geograph_types.worker.outbox import KINDS, Batch, Outbox
from geograph_types.worker.pace import Pace, repeat
from geograph_types.worker.protocol import Answer
from geograph_types.worker.rows import RowResult, SortedRows, sort_rows
from geograph_types.worker.tally import Listeners

T = TypeVar("T")

PATIENCE: Final = 8
"""How often a request is made where the number of rounds is limited, and images are asked for that
are all said not to be there; waits double meanwhile."""

BATCH_ROWS: Final = 1000
"""Photos in one list at most; a round has fewer, unless it was told otherwise."""

BAD_LIST: Final = frozenset({400, 409, 413, 422})
"""Statuses by which a server refuses what is in a list, not the worker."""

TRIES: Final = 3
"""Rounds in which an image may fail to come, where its server answers, before it has failed."""


class Worker:
    """One worker; not to be used by several threads."""

    def __init__(
        self,
        server: LabelServer,
        labeller: Labeller,
        outbox: Outbox,
        pace: Pace,
        stop: Stop,
        listeners: Listeners,
    ) -> None:
        """Do nothing yet."""
        self.tally = listeners.tally
        self._server = server
        self._labeller = labeller
        self._outbox = outbox
        self._pace = pace
        self._stop = stop
        self._tell = listeners.tell
        self._after_round = listeners.after_round
        self._tries: Counter[int] = Counter()

    def run(self, loops: int | None, limit: int, unique_number: int, embeddings: bool) -> None:
        """Work."""
        most = None if loops is None else PATIENCE
        self._wait_from_last_run()
        while loops is None or self.tally.rounds < loops:
            with self._pace.round():
                self._deliver(most)
                answer = self._again(
                    lambda: self._server.rows(limit, unique_number, embeddings), most
                )
                idle = not self._label(answer, limit)
                self._deliver(most)
                self._after_round()
                if self.tally.rounds != loops:
                    time.sleep(self._pace.rest_after(answer.sleep, idle))

    def _wait_from_last_run(self) -> None:
        """Keep the pause also where a supervisor starts a run that was killed at once."""
        since = time.time() - self._outbox.last_request()
        if 0 <= since < self._pace.pause:
            time.sleep(self._pace.pause - since)

    def _again(self, request: Callable[[], T], most: int | None) -> T:
        """Make a request until it is answered well."""

        def once() -> T:
            try:
                return request()
            except (ServerUnavailableError, ServerRefusalError):
                self._pace.disturb()
                self.tally.failures += 1
                raise

        return repeat(once, self._pace.first_wait, most)

    def _label(self, answer: Answer, limit: int) -> bool:
        """Label the rows of an answer; gives whether there was anything to do."""
        if len(answer.rows) > limit:
            self._tell(f"note: {len(answer.rows)} rows were given, {limit} asked for and used")
        given = sort_rows(answer.rows[:limit])
        self.tally.read(given, len(answer.rows[:limit]), self._tell)
        new = self._not_known(given)
        self._keep(new.failed)
        for results in self._labeller.label(new.good, answer.prefix):
            self._keep(results)
        self._postpone()
        busy = bool(new.good or new.failed or self._outbox.waiting())
        return busy and not self._labeller.postponed.unreachable

    def _not_known(self, given: SortedRows) -> SortedRows:
        """Leave out what need not be computed, and let wait again what the server has lost."""
        known = self._outbox.known(given.numbers, self._labeller.bundle)
        if known.lost:
            self._tell(f"note: the server has lost labels of {len(known.lost)} photos: sent again")
            self._outbox.send_again(known.lost)
        again = known.waiting | known.lately | known.lost | known.refused
        self.tally.repeated += len(again)
        self.tally.sent_again += len(known.lost)
        return given.without(again)

    def _keep(self, results: Sequence[RowResult]) -> None:
        """Report results and put them on disk, so that they are not computed again."""
        for result in results:
            self.tally.count(result, self._tell)
        self._outbox.store(results, self._labeller.bundle)

    def _postpone(self) -> None:
        """Leave images that could not be reached for later; give those up that never come.

        While their server does not answer at all, that is an outage and no fault of theirs. Where
        it says of all of them that they are not there, that may be one too, but not without end:
        the server would go on giving rows whose images are gone.
        """
        postponed = self._labeller.postponed
        is_answered = postponed.reached or postponed.gone
        blamed = postponed.rows + (postponed.unreachable if is_answered else [])
        self._tries.update(number for number, _ in blamed)
        tries = PATIENCE if postponed.gone else TRIES
        given_up = {number: detail for number, detail in blamed if self._tries[number] >= tries}
        fault = (FetchFault.NOT_THERE if postponed.gone else FetchFault.UNREACHABLE).value
        self._keep([RowResult.failed(number, fault, given_up[number]) for number in given_up])
        for number in given_up:
            del self._tries[number]
        missing = [*postponed.rows, *postponed.unreachable]
        later = [(number, detail) for number, detail in missing if number not in given_up]
        self.tally.leave(later, postponed, self._tell)

    def _deliver(self, most: int | None) -> None:
        """Deliver all that waits."""
        for kind in KINDS:
            while batch := self._outbox.next_batch(kind, BATCH_ROWS):
                self._deliver_batch(batch, most)

    def _deliver_batch(self, batch: Batch, most: int | None) -> None:
        """Deliver a list; where the server refuses what is in it, in halves."""

        def post() -> None:
            # A signal between the two would have the list sent again.
            with self._stop.deferred():
                self._server.deliver(batch.body, batch.key)
                self._outbox.accept(batch)
                if batch.kind == "labels":
                    self.tally.accepted += batch.size

        try:
            self._again(post, most)
        except ServerRefusalError as error:
            if error.status not in BAD_LIST:
                raise
            if batch.size > 1:
                self._outbox.split(batch)
                time.sleep(self._pace.first_wait)
                return
            (number,) = self._outbox.numbers(batch)
            self._outbox.refuse(batch)
            self.tally.refused += 1
            self._tell(
                f"error: photo {number}: the server refuses its {batch.kind} "
                f"with status {error.status}"
            )
