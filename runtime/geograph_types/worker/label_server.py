"""The server, as the worker sees it: one question, one delivery, and what its statuses mean."""

from collections.abc import Callable
from typing import Final

from geograph_types.system.hosts import shown_address
from geograph_types.worker.address import with_parameters
from geograph_types.worker.faults import ServerRefusalError, ServerUnavailableError
from geograph_types.worker.protocol import Answer, AnswerError, read_answer
from geograph_types.worker.transport import Reply, RequestError, Transport

ANSWER_BYTES: Final = 32 << 20  # a thousand rows with embeddings have 3 MB
ANSWER_SECONDS: Final = 120.0
DELIVERY_SECONDS: Final = 60.0  # so long may a signal have to wait: systemd kills after 90

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
        url: str,  # as `server_url` returns it; the others are its parameters
        *,
        limit: int,
        unique_number: int,
        embeddings: bool,
    ) -> None:
        self.url = url
        self.limit = limit
        parameters = {"limit": str(limit), "unique_number": str(unique_number)}
        parameters |= {"embeddings": "1"} if embeddings else {}
        self._question = with_parameters(url, parameters)
        self._transport = transport
        self.before_request: Callable[[], None] = lambda: None

    def rows(self) -> Answer:
        reply = self._ask("GET", self._question, ANSWER_SECONDS)
        try:
            return read_answer(reply.body)
        except AnswerError as error:
            raise ServerUnavailableError(self.url, str(error)) from None

    def deliver(self, body: bytes, key: str) -> None:
        """Deliver a list, with the same key whenever this list is delivered again."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": f'"{key}"'}
        self._ask("POST", self.url, DELIVERY_SECONDS, body, headers)

    def _ask(
        self,
        method: str,
        url: str,
        seconds: float,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        headers = {"Accept": "application/json", **(headers or {})}
        self.before_request()
        try:
            reply = self._transport.request(
                method, url, limit=ANSWER_BYTES, seconds=seconds, body=body, headers=headers
            )
        except RequestError as error:
            raise ServerUnavailableError(self.url, str(error)) from None
        if reply.succeeded:
            return reply
        if reply.is_transient:
            raise ServerUnavailableError(self.url, f"status {reply.status}", reply.retry_after)
        advice = ADVICE.get(reply.status, "check --url, and ask who runs it")
        if reply.location:
            target = shown_address(reply.location)[:200]
            advice = f"it has moved to {target!r}: use that as --url if you trust it"
        raise ServerRefusalError(self.url, reply.status, advice)
