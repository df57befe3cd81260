"""The server, as the worker sees it: one question, one delivery, and what its statuses mean."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from geograph_types.worker.address import with_parameters
from geograph_types.worker.faults import ServerRefusalError, ServerUnavailableError
from geograph_types.worker.protocol import Answer, AnswerError, read_answer
from geograph_types.worker.transport import BodyTooLargeError, Reply, RequestError, Transport

ANSWER_BYTES: Final = 32 << 20
"""A thousand rows with embeddings have 3 MB."""

ANSWER_SECONDS: Final = 120.0
ADVICE: Final = {
    401: "it wants a key, which the worker has not: ask who runs it",
    403: "it does not let this machine in: ask who runs it",
    404: "it has nothing there: check --url",
}


class LabelServer:
    """Asks for rows and delivers results, each once; repeating is the caller's decision."""

    def __init__(self, transport: Transport, url: str, asking: Callable[[], None]) -> None:
        """Ask nothing yet."""
        self.url = url
        self._transport = transport
        self._asking = asking

    def rows(self, limit: int, unique_number: int, embeddings: bool) -> Answer:
        """Ask for rows."""
        parts = urlsplit(self.url)
        parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
        parameters |= {"limit": str(limit), "unique_number": str(unique_number)}
        if embeddings:
            parameters["embeddings"] = "1"
        reply = self._ask("GET", with_parameters(parts, parameters))
        try:
            return read_answer(reply.body)
        except AnswerError as error:
            raise ServerUnavailableError(self.url, str(error)) from None

    def deliver(self, body: bytes, key: str) -> None:
        """Deliver a list; the server has accepted it when this returns."""
        self._ask("POST", self.url, body, key)

    def _ask(self, method: str, url: str, body: bytes | None = None, key: str = "") -> Reply:
        headers = {"Content-Type": "application/json", "Idempotency-Key": f'"{key}"'}
        self._asking()
        try:
            reply = self._transport.request(
                method,
                url,
                limit=ANSWER_BYTES,
                seconds=ANSWER_SECONDS,
                body=body,
                headers={"Accept": "application/json"} | (headers if body is not None else {}),
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
            advice = f"it has moved to {reply.location[:200]!r}: give that as --url if you trust it"
        raise ServerRefusalError(self.url, reply.status, advice)


def seconds_of(retry_after: str) -> float | None:
    """Read the header Retry-After, which holds seconds or a date; `None` where it is neither.

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
