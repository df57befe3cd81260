"""Shards made by actors of Ray; the only module that imports ray."""

import logging
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec
from numpy.typing import NDArray

from geograph_types.archive.items import Shard
from geograph_types.archive.job import EngineError, Job, Outcome
from geograph_types.archive.shard_maker import ShardMaker
from geograph_types.errors import InputError, MissingExtraError
from geograph_types.system.cpu import usable_cpus

OBJECT_STORE: Final = 80 << 20
"""Bytes; actors read photos and write shards themselves: only lists of shards pass through."""

LONGEST_FOLDER: Final = 24
"""Characters: Ray's sockets lie 70 deeper, and the system's limit is 107."""

BLOCKS: Final = 4096
"""Blocks at most; each is a task, whose shards come one after the other."""

ANSWER_SECONDS: Final = 10.0

QUIET: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
}
LOOPBACK: Final = {
    # Ray's own switch for machines that are no cluster: every process binds to 127.0.0.1. It is
    # read when ray is first imported.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}


class ShardActor:
    """A shard maker as Ray Data calls it: batches of encoded shards in, encoded outcomes out."""

    def __init__(self, job: Job) -> None:
        self._maker = ShardMaker(job)

    def __call__(self, batch: Mapping[str, NDArray[Any]]) -> dict[str, list[bytes]]:
        """Make the shards of a batch."""
        shards = [msgspec.msgpack.decode(one, type=Shard) for one in batch["shard"]]
        return {"outcome": [msgspec.msgpack.encode(self._maker(shard)) for shard in shards]}


@contextmanager
def ray_session(address: str | None, cpus: int) -> Iterator[None]:
    """Connect to the Ray of this process if there is one, to a cluster, or to a Ray started here.

    A Ray that is started here has no dashboard, sends no usage statistics, listens on 127.0.0.1
    only, and leaves no files; its actors get `cpus` processors.
    """
    if find_spec("ray") is None:
        raise MissingExtraError("ray", "ray")
    if address:
        _check_answer(address)
    with _environment(QUIET if address else QUIET | LOOPBACK):
        import ray

        if ray.is_initialized():
            yield
            return
        folder = None if address else Path(tempfile.mkdtemp(prefix="gt-", dir=_short_folder()))
        try:
            with _without_stderr():
                _start(address, cpus, folder)
            yield
        finally:
            ray.shutdown()
            if folder:
                shutil.rmtree(folder, ignore_errors=True)


def _check_answer(address: str) -> None:
    """Find out quickly whether anything listens there; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and int(port) < 1 << 16):
        raise InputError(f"--ray-address {address}: give HOST:PORT, as 'ray start' prints it")
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except OSError as error:
        raise _no_answer(address, error.strerror or str(error)) from None


def _no_answer(address: str | None, detail: str) -> EngineError:
    where = f"at {address}" if address else "on this machine"
    advice = "check with 'ray status' that it runs there" if address else "try --engine local"
    return EngineError(f"Ray {where} does not answer ({detail}): {advice}")


def _start(address: str | None, cpus: int, folder: Path | None) -> None:
    import ray

    own: dict[str, Any] = {
        "num_cpus": cpus,
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE,
        "_temp_dir": str(folder),
    }
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=address or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if address else own),
        )
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise _no_answer(address, _first_line(error)) from None
    if signal.getsignal(signal.SIGTERM) is not before:
        # Ray's own handler ends this process without a summary.
        signal.signal(signal.SIGTERM, before)


def run_on_ray(
    job: Job, shards: Sequence[Shard], actors: int | None, address: str | None
) -> Iterator[Outcome]:
    """Make shards with a pool of actors, and yield outcomes as they come.

    An actor that dies is started again, and its shard is made again, without limit: that is Ray
    Data's own setting. Finished shards stay. `actors` is `None` for as many as Ray has room for.
    """
    if not shards:
        return
    threads = job.settings.threads
    with ray_session(address, (actors or max(1, usable_cpus() // threads)) * threads):
        import ray

        needs = _needs(job)
        there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        room = min(int(there.get(name, 0) // number) for name, number in needs.items())
        if room < 1:
            wanted = ", ".join(f"{number} {name}" for name, number in needs.items())
            raise InputError(f"Ray has no machine with {wanted} for an actor: ask for fewer")
        try:
            yield from _outcomes(job, shards, min(actors or room, len(shards)))
        except ray.exceptions.RayError as error:
            raise EngineError(
                f"Ray gave up ({_first_line(error)}): run the same command again to continue"
            ) from None


def _needs(job: Job) -> dict[str, int]:
    return {"GPU": 1} if job.settings.device == "cuda" else {"CPU": job.settings.threads}


def _outcomes(job: Job, shards: Sequence[Shard], actors: int) -> Iterator[Outcome]:
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    needs = _needs(job)
    rows = [{"shard": msgspec.msgpack.encode(shard)} for shard in shards]
    made = ray.data.from_items(rows, override_num_blocks=min(len(rows), BLOCKS)).map_batches(
        ShardActor,
        fn_constructor_args=(job,),
        batch_size=1,
        # Other actors could not take over shards that wait in the queue of a slow one.
        compute=ray.data.ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=1),
        num_cpus=needs.get("CPU", 0),
        num_gpus=needs.get("GPU", 0),
    )
    for row in made.iter_rows():
        yield msgspec.msgpack.decode(row["outcome"], type=Outcome)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _short_folder() -> str | None:
    return "/tmp" if len(tempfile.gettempdir()) > LONGEST_FOLDER else None


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Keep off the terminal what Ray's C++ code prints as it starts; errors are raised."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
