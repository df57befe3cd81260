"""Load a service: python -m service.load PORT FILE (--rate R | --clients N) --seconds S.

FILE holds whole HTTP requests, as msgspec writes a list of bytes, to be sent in turn. With a rate
the load is open: requests are due at constant intervals, whatever has become of those before, and
latency counts from when a request was due. With clients, each waits for its answer before it sends
the next. One `Load` as JSON is printed.

This shares the processors with the service, so it does little: requests are built beforehand, of
answers only the head is read, and its own time is reported.
"""

import argparse
import asyncio
import gc
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import msgspec

from service.answers import TIMED_OUT, Answer, summarise
from service.exchange import NO_ANSWER, Exchange


class Sender:
    """Sends requests over as many connections as it takes, and keeps those that may go on."""

    def __init__(self, port: int, requests: list[bytes], time_limit: float) -> None:
        self.answers: list[Answer] = []
        self._port = port
        self._requests: Iterator[bytes] = cycle(requests)
        self._time_limit = time_limit
        self._idle: list[Exchange] = []
        self._start = time.perf_counter()

    @property
    def now(self) -> float:
        """Seconds since this was made."""
        return time.perf_counter() - self._start

    async def send(self, due: float) -> None:
        """Send the next request and note its answer."""
        late = self.now - due
        connection: Exchange | None = None
        try:
            async with asyncio.timeout(self._time_limit):
                connection = await self._connection()
                status = await connection.ask(next(self._requests))
        except TimeoutError:
            status = TIMED_OUT
            if connection is not None:
                connection.abort()
        except OSError:
            status = NO_ANSWER
        self.answers.append(Answer(due, late, self.now - due, status))
        if connection is not None and connection.usable:
            self._idle.append(connection)

    async def _connection(self) -> Exchange:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(Exchange, "127.0.0.1", self._port)
        return made

    async def at_rate(self, rate: float, seconds: float) -> None:
        """Send at constant intervals, and wait for all answers."""
        tasks: set[asyncio.Task[None]] = set()
        for number in range(max(1, round(rate * seconds))):
            due = number / rate
            await asyncio.sleep(max(0.0, due - self.now))
            task = asyncio.create_task(self.send(due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)

    async def by_clients(self, clients: int, seconds: float) -> None:
        """Have so many clients send one request after the other."""

        async def client() -> None:
            while self.now < seconds:
                await self.send(self.now)

        await asyncio.gather(*(client() for _ in range(clients)))


def main() -> None:
    """Send, and print what came back."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--clients", type=int)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--time-limit", type=float, default=10.0)
    given = parser.parse_args()
    requests = msgspec.msgpack.decode(given.file.read_bytes(), type=list[bytes])

    async def run() -> Sender:
        sender = Sender(given.port, requests, given.time_limit)
        if given.rate is not None:
            await sender.at_rate(given.rate, given.seconds)
        else:
            await sender.by_clients(given.clients, given.seconds)
        return sender

    # Garbage would be looked for among all answers, in the middle of the load.
    gc.disable()
    before = time.process_time()
    sender = asyncio.run(run())
    load = summarise(sender.answers, given.seconds, time.process_time() - before)
    sys.stdout.buffer.write(msgspec.json.encode(load))


if __name__ == "__main__":
    main()
