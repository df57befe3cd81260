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
from geograph_types.serve.connections import guarded
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
    """Open the socket.

    Raises:
        InputError: the address is taken, or is none of this machine's.
    """
    host = settings.host.strip("[]")
    try:
        family, *_ = socket.getaddrinfo(host, settings.port, type=socket.SOCK_STREAM)[0]
        return socket.create_server((host, settings.port), family=family, backlog=BACKLOG)
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
    """Serve until a signal comes.

    Args:
        settings: what the operator chose.
        model: that is being loaded.
        loader: in which it is loaded, and then run.
        loading: of the model; an error of it ends the service.
        listening: from `listen`.

    Returns:
        Whether the service was interrupted from the keyboard.

    Raises:
        GeographTypesError: the model could not be loaded.
    """
    metrics = Metrics()
    service = Service(model, loader, settings.limits, metrics)
    app = make_app(service, settings.limits)
    paths = frozenset(app.openapi()["paths"])
    config = uvicorn.Config(
        Gate(app, settings, service.admission, metrics, paths),
        http=guarded(settings.limits, metrics),
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=max(1, round(settings.limits.idle_seconds)),
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = _Server(config)
    loading.add_done_callback(lambda done: server.stop_after(done.exception()))
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
    is_tidy = True
    while True:
        await asyncio.sleep(TICK_SECONDS)
        model = service.model
        if service.admission.waiting:
            is_tidy = False
            continue
        idle = settings.idle_unload
        if idle is not None and model.is_loaded and monotonic() - model.last_used > idle:
            await loop.run_in_executor(loader, model.unload)
        elif not is_tidy:
            await loop.run_in_executor(loader, return_freed_memory)
            is_tidy = True


class _Server(uvicorn.Server):
    """uvicorn's server, which ends without ending the process by the same signal."""

    was_interrupted = False

    def stop_after(self, error: BaseException | None) -> None:
        """Stop where something failed."""
        if error is not None:
            self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at the first signal; a second one from the keyboard does not wait."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_at, number)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _stop_at(self, number: int) -> None:
        if number == signal.SIGINT:
            self.force_exit = self.was_interrupted
            self.was_interrupted = True
        self.should_exit = True
