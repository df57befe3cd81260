"""The server, as the worker sees it: one question, one delivery, and what its statuses mean."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from geograph_types.system.hosts import shown_address
from geograph_types.worker.address import with_parameters
from geograph_types.worker.faults import ServerRefusalError, ServerUnavailableError
from geograph_types.worker.protocol import Answer, AnswerError, read_answer
from geograph_types.worker.transport import BodyTooLargeError, Reply, RequestError, Transport

ANSWER_BYTES: Final = 32 << 20
"""A thousand rows with embeddings have 3 MB."""

ANSWER_SECONDS: Final = 120.0
DELIVERY_SECONDS: Final = 60.0
"""So long may a signal have to wait: systemd kills after 90 seconds."""

ADVICE: Final = {
    401: "it requires a key, which the worker does not have: ask who runs it",
    403: "it does not let this machine in: ask who runs it",
    404: "there is nothing at this address: check --url",
}


class LabelServer:
    """Asks for rows and delivers results, each once; repeating is the caller's decision."""

    def __init__(
        self,
        transport: Transport,
        url: str,
        *,
        limit: int,
        unique_number: int,
        embeddings: bool,
    ) -> None:
        """Ask nothing yet; `url` is as `server_url` returns it, the others are its parameters."""
        self.url = url
        self.limit = limit
        parameters = {"limit": str(limit), "unique_number": str(unique_number)}
        parameters |= {"embeddings": "1"} if embeddings else {}
        self._question = with_parameters(url, parameters)
        self._transport = transport
        self.before_request: Callable[[], None] = lambda: None

    def rows(self) -> Answer:
        """Ask for rows."""
        reply = self._ask("GET", self._question, ANSWER_SECONDS)
        try:
            return read_answer(reply.body)
        except AnswerError as error:
            raise ServerUnavailableError(self.url, str(error)) from None

    def deliver(self, body: bytes, key: str) -> None:
        """Deliver a list, with the same key whenever this list is delivered again."""
        self._ask("POST", self.url, DELIVERY_SECONDS, body, key)

    def _ask(
        self, method: str, url: str, seconds: float, body: bytes | None = None, key: str = ""
    ) -> Reply:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers |= {"Content-Type": "application/json", "Idempotency-Key": f'"{key}"'}
        self.before_request()
        try:
            reply = self._transport.request(
                method, url, limit=ANSWER_BYTES, seconds=seconds, body=body, headers=headers
            )
        except RequestError as error:
            raise ServerUnavailableError(self.url, str(error)) from None
        except BodyTooLargeError:
            problem = f"its answer has over {ANSWER_BYTES >> 20} MB"
            raise ServerUnavailableError(self.url, problem) from None
        if reply.succeeded:
            return reply
        if reply.status >= 500 or reply.is_busy:
            problem = f"status {reply.status}"
            raise ServerUnavailableError(self.url, problem, seconds_of(reply.retry_after))
        advice = ADVICE.get(reply.status, "check --url, and ask who runs it")
        if reply.redirects and reply.location:
            target = shown_address(reply.location)[:200]
            advice = f"it has moved to {target!r}: use that as --url if you trust it"
        raise ServerRefusalError(self.url, reply.status, advice)


def seconds_of(retry_after: str) -> float | None:
    """Read the header Retry-After, seconds or a date; `None` if it is neither.

    Source: RFC 9110, section 10.2.3.
    """
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return float(math.ceil(max(0.0, (date - datetime.now(UTC)).total_seconds())))
