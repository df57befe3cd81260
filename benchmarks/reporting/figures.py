"""Every benchmark's results as figures of one form, for tables, charts and comparison."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from installed_size import SizeResults
from measuring.spread import spread
from preparation import PreparationResults
from reporting.archive import JSON, LOOP, PARQUET, SCRIPT, UNZIP, ArchiveResults
from reporting.encoder import EncoderResults
from reporting.figure import Figure
from reporting.train import TrainResults
from service.results import ServerResults
from start import StartResults
from tagging import TaggingResults


def _least(group: str, name: str, unit: str, ours: bool, values: Sequence[float]) -> Figure:
    return Figure(group, name, unit, ours, False, len(values), spread(values))


def _most(group: str, name: str, unit: str, ours: bool, values: Sequence[float]) -> Figure:
    return Figure(group, name, unit, ours, True, len(values), spread(values))


def _milliseconds(seconds: Sequence[float]) -> list[float]:
    return [1000 * one for one in seconds]


def encoder_figures(data: bytes) -> Iterator[Figure]:
    """Read what `encoder.py` writes."""
    for speed in msgspec.json.decode(data, type=EncoderResults).speeds:
        group = f"batch {speed.batch}, threads {speed.threads}"
        ours = speed.contender.startswith("ours")
        yield _least(group, speed.contender, "ms a photo", ours, _milliseconds(speed.seconds))


def start_figures(data: bytes) -> Iterator[Figure]:
    """Read what `encoder.py --start` writes."""
    for start in msgspec.json.decode(data, type=StartResults).starts:
        ours = start.way.startswith("ours")
        yield _least("to the first tag", start.way, "s", ours, start.seconds)
        yield _least("memory then", start.way, "MB", ours, start.resident)
        yield _least("memory at most", start.way, "MB", ours, start.peak)


def preparation_figures(data: bytes) -> Iterator[Figure]:
    """Read what `preparation.py` writes."""
    for step in msgspec.json.decode(data, type=PreparationResults).steps:
        ours = step.name.startswith("ours")
        values = _milliseconds(step.seconds)
        yield _least(f"photos of {step.size}", step.name, "ms a photo", ours, values)


def tagging_figures(data: bytes) -> Iterator[Figure]:
    """Read what `tagging.py` writes."""
    for way in msgspec.json.decode(data, type=TaggingResults).ways:
        ours = way.way.startswith("ours")
        yield _most(f"photos of {way.size}", way.way, "photos a second", ours, way.photos_a_second)
        yield _least(f"memory at most, {way.size}", way.way, "MB", ours, [way.megabytes])


def archive_figures(data: bytes) -> Iterator[Figure]:
    """Read what `archive.py` writes."""
    groups = {
        PARQUET: "embeddings in Parquet",
        LOOP: "embeddings in Parquet",
        JSON: "gzipped JSON Lines",
        SCRIPT: "gzipped JSON Lines",
        UNZIP: "gzipped JSON Lines",
    }
    for one in msgspec.json.decode(data, type=ArchiveResults).contenders:
        ours = one.name.startswith("score")
        if one.name in groups:
            rate = [one.rows / seconds / 1000 for seconds in one.seconds]
            yield _most(groups[one.name], one.name, "thousand rows a second", ours, rate)
        if one.megabytes:
            yield _least("memory at most", one.name, "MB", ours, one.megabytes)


def train_figures(data: bytes) -> Iterator[Figure]:
    """Read what `train.py` writes."""
    results = msgspec.json.decode(data, type=TrainResults)
    reading, epoch, memory = f"reading {results.rows:,} rows", "an epoch", "memory at most"
    yield _least(reading, "dataset convert", "s", True, results.convert)
    yield _least(reading, "gzip -dc", "s", False, results.unzip)
    yield _least(reading, "released scripts", "s", False, results.scripts)
    yield _least(epoch, "train", "s", True, results.ours)
    yield _least(epoch, "base64 in a DataLoader", "s", False, results.loader)
    yield _least(memory, "dataset convert", "MB", True, [results.convert_megabytes])
    yield _least(memory, "train", "MB", True, [results.train_megabytes])


def size_figures(data: bytes) -> Iterator[Figure]:
    """Read what `installed_size.py` writes."""
    for one in msgspec.json.decode(data, type=SizeResults).deployments:
        ours = one.name.startswith("ours")
        yield _least("installed, without models", one.name, "MB", ours, [one.total])


def server_figures(data: bytes) -> Iterator[Figure]:
    """Read what `server.py` writes."""
    results = msgspec.json.decode(data, type=ServerResults)
    for service in results.services:
        name, starts, best = service.name, service.starts, service.best
        ours = name.startswith("ours")
        yield _least("until ready", name, "s", ours, starts.ready)
        yield _least("memory after a photo", name, "MB", ours, starts.idle)
        yield _most("highest sustained rate", name, "photos a second", ours, [best.asked])
        if best.accepted is not None:
            latency = _milliseconds([best.accepted.median])
            yield _least("median latency at that rate", name, "ms", ours, latency)
    group, unit = "clients that wait", "photos a second"
    served = [load.served for load in results.clients]
    yield _most(group, "ours, 8 clients", unit, True, served)
    yield _most(group, "ours, in process", unit, True, results.library)


READERS: Final[dict[str, Callable[[bytes], Iterator[Figure]]]] = {
    "encoder": encoder_figures,
    "start": start_figures,
    "size": size_figures,
    "preparation": preparation_figures,
    "tagging": tagging_figures,
    "archive": archive_figures,
    "train": train_figures,
    "server": server_figures,
}
"""By section."""


def read_figures(section: str, path: Path) -> list[Figure]:
    """Read the figures of a section from the file that its script wrote."""
    return list(READERS[section](path.read_bytes()))
