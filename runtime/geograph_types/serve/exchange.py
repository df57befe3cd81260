"""One request and its answer, as ASGI passes them on."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from starlette.types import Message, Receive, Send

SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'none'; img-src blob: data: 'self'; script-src 'self'; style-src 'self'; "
        b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)


class Exchange:
    """Pass a request and its answer on; an answer before the end of a body ends the connection.

    It ends when the rest of the body has been read, or some seconds later: if it were closed at
    once, the system would tell the client that the connection broke, and the client would not read
    the answer.
    """

    def __init__(
        self,
        receive: Receive,
        send: Send,
        headers: dict[str, str],
        count: Callable[[int], None],  # called with the status of the answer
        seconds: float,  # for the rest of a body that nobody wants
    ) -> None:
        self._receive = receive
        self._send = send
        self._count = count
        self._seconds = seconds
        self._has_more = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        # Who waits for leave to send a body sends none after a refusal.
        self._is_coming = "expect" not in headers

    async def receive(self) -> Message:
        self._is_coming = True
        message = await self._receive()
        self._has_more = message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._count(message["status"])
            message["headers"] = [*message.get("headers", ()), *SECURITY_HEADERS]
            message["headers"] += [(b"connection", b"close")] if self._has_more else []
            self._is_coming = self._is_coming and message["status"] != 408
        elif self._has_more and self._is_coming and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    while self._has_more:
                        await self.receive()
            message = {"type": "http.response.body"}
        await self._send(message)
