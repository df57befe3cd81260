"""The command `serve`."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from geograph_types.cli.config import config_option
from geograph_types.cli.options import (
    FiniteRange,
    bundle_option,
    existing_file,
    precision_option,
    threads_option,
)

if TYPE_CHECKING:
    from geograph_types.tagger import PrecisionChoice


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """End at once on SIGTERM, before the server takes it over.

    As process 1 of a container, a process without a handler would not hear the signal.
    """
    # An exception could be caught, or wait for threads, inside an import; nothing is lost yet.
    before = signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@click.command(epilog="Example: geograph-types serve --bundle model --port 8000")
@bundle_option
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, help="0: a free one.")
@click.option(
    "--token-file",
    type=existing_file,
    metavar="FILE",
    help="Answer only requests with the token in this file.",
)
@click.option("--no-auth", is_flag=True, help="Answer everybody, even on a public address.")
@click.option(
    "--allow-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="Answer to this host name too, at any port, as behind a proxy; repeatable.",
)
@click.option(
    "--idle-unload",
    type=FiniteRange(1),
    metavar="SECONDS",
    help="Unload the model after this time without work; the next request loads it again.",
)
@click.option(
    "--body-limit",
    type=FiniteRange(0.001, 1024),
    default=20,
    metavar="MIB",
    help="Largest request.",
)
@click.option(
    "--memory-limit",
    type=FiniteRange(1),
    default=160,
    metavar="MIB",
    help="Memory for decoding photos; a photo that takes more is refused.",
)
@click.option(
    "--receive-timeout",
    type=FiniteRange(0.1, 3600),
    default=10,
    metavar="SECONDS",
    help="Time for a request's headers, and for slow bodies.",
)
@click.option(
    "--idle-timeout",
    type=click.IntRange(1, 3600),
    default=5,
    metavar="SECONDS",
    help="Time between two requests on a connection.",
)
@click.option(
    "--queue-seconds",
    type=FiniteRange(0, 30),
    default=0,
    metavar="SECONDS",
    help="Let a request wait for a place; otherwise it is refused at once if there is none.",
)
@precision_option
@threads_option
@config_option
@ended_by_sigterm()
def serve(
    bundle: Path,
    host: str,
    port: int,
    token_file: Path | None,
    no_auth: bool,
    allowed_hosts: tuple[str, ...],
    idle_unload: float | None,
    body_limit: float,
    memory_limit: float,
    receive_timeout: float,
    idle_timeout: int,
    queue_seconds: float,
    precision: "PrecisionChoice",
    threads: int | None,
) -> int:
    """Answer over HTTP: tags and embeddings of photos, scores of embeddings, and a page at /.

    On an address that other machines can reach (--host), only requests with the token are
    answered. On SIGTERM it answers what it has accepted, and stops.
    """
    from concurrent.futures import ThreadPoolExecutor

    from geograph_types.bundle import Bundle
    from geograph_types.cli.notices import note, warn_of_stand_in
    from geograph_types.serve.model import Model
    from geograph_types.serve.settings import MEBIBYTE, Limits, ServeSettings, read_token
    from geograph_types.session import load_backend
    from geograph_types.system.memory import keep_little_memory

    settings = ServeSettings(
        host=host,
        port=port,
        token=None if token_file is None else read_token(token_file),
        no_auth=no_auth,
        allowed_hosts=tuple(name.casefold().strip("[]") for name in allowed_hosts),
        idle_unload=idle_unload,
        limits=Limits(
            body_bytes=round(body_limit * MEBIBYTE),
            buffered_bytes=round(1.6 * body_limit * MEBIBYTE),
            decoding_bytes=round(memory_limit * MEBIBYTE),
            receive_seconds=receive_timeout,
            idle_seconds=idle_timeout,
            queue_seconds=queue_seconds,
        ),
    )
    keep_little_memory()
    model = Model(Bundle.open(bundle), threads, precision)
    # Imports in two threads hinder each other, so this one comes before the others.
    load_backend()
    with ThreadPoolExecutor(model.streams, "model") as loader:
        # The model is loaded while the web framework is imported.
        loading = loader.submit(model.load)
        import asyncio

        from geograph_types.serve import server

        with server.listen(settings) as listening:
            warn_of_stand_in(model.bundle)
            address, port = listening.getsockname()[:2]
            note(f"listening on http://{f'[{address}]' if ':' in address else address}:{port}")
            serving = server.serve(settings, model, loader, loading, listening)
            interrupted = asyncio.run(serving)
    if interrupted:
        raise KeyboardInterrupt
    return 0
