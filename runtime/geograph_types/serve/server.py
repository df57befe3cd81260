"""Run the service: listen, load, answer, and stop when what was accepted is answered."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic

import uvicorn

from geograph_types.errors import InputError
from geograph_types.serve.app import make_app
from geograph_types.serve.connections import HEAD_LIMIT, Connection
from geograph_types.serve.gate import Gate
from geograph_types.serve.metrics import Metrics
from geograph_types.serve.model import Model
from geograph_types.serve.service import Service
from geograph_types.serve.settings import ServeSettings
from geograph_types.system.memory import return_freed_memory

BACKLOG = 1024
STOP_SECONDS = 30
TICK_SECONDS = 1.0


def listen(settings: ServeSettings) -> socket.socket:
    """Open the socket; all addresses of IPv6 (::) include those of IPv4."""
    host = settings.host.strip("[]")
    try:
        family, *_, address = socket.getaddrinfo(host, settings.port, type=socket.SOCK_STREAM)[0]
        is_dual = address[0] == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(
            address[:2], family=family, backlog=BACKLOG, dualstack_ipv6=is_dual
        )
    except (OSError, UnicodeError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"--host {host} --port {settings.port} is unavailable "
            f"({problem.partition(' (')[0]}): choose another"
        ) from None


async def serve(
    settings: ServeSettings,
    model: Model,
    loader: ThreadPoolExecutor,
    loading: Future[None],
    listening: socket.socket,
) -> bool:
    """Serve until a signal comes, and return whether that came from the keyboard.

    The model is being loaded in `loader`, where it is then run; an error of it ends the service.
    """
    metrics = Metrics()
    service = Service(model, loader, settings.limits, metrics)
    app = make_app(service, settings.limits)
    config = uvicorn.Config(
        Gate(app, settings, service),
        http=type("Limited", (Connection,), {"limits": settings.limits, "metrics": metrics}),
        h11_max_incomplete_event_size=HEAD_LIMIT,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="error",  # what is wrong with requests is in the answers
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=max(1, round(settings.limits.idle_seconds)),
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = _Server(config)
    loading.add_done_callback(server.stop_after)
    chores = asyncio.create_task(_do_chores(settings, service, loader))
    try:
        await server.serve(sockets=[listening])
    finally:
        chores.cancel()
        service.close()
    if error := loading.exception():
        raise error
    return server.was_interrupted


async def _do_chores(settings: ServeSettings, service: Service, loader: ThreadPoolExecutor) -> None:
    """Return memory after work, and drop the model after long idleness."""
    loop = asyncio.get_running_loop()
    model, idle = service.model, settings.idle_unload
    is_tidy = True
    while True:
        await asyncio.sleep(TICK_SECONDS)
        if service.admission.waiting:
            is_tidy = False
        elif idle is not None and model.is_loaded and monotonic() - model.last_used > idle:
            await loop.run_in_executor(loader, model.unload)
        elif not is_tidy:
            await loop.run_in_executor(loader, return_freed_memory)
            is_tidy = True


class _Server(uvicorn.Server):
    """uvicorn's server, which does not end the process by the signal that stopped it."""

    was_interrupted = False

    async def on_tick(self, counter: int) -> bool:
        """Check all connections, ten times a second."""
        for connection in tuple(self.server_state.connections):
            if isinstance(connection, Connection):
                connection.check()
        return await super().on_tick(counter)

    def stop_after(self, loading: Future[None]) -> None:
        self.should_exit |= loading.exception() is not None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at the first signal; a second one from the keyboard does not wait."""
        with super().capture_signals():
            yield
            self.was_interrupted = signal.SIGINT in self._captured_signals
            self._captured_signals.clear()
