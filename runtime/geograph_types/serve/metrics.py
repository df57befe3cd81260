"""Figures of the service, for Prometheus; the only module that imports prometheus_client."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic

import prometheus_client as prometheus

NAMESPACE = "geograph_types"
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
STAGES = (
    "Time that a request spends: receive, decode (with the wait for a thread), "
    "embed (with the wait for a batch), score."
)


class Metrics:
    """Counters and clocks of one service; memory and descriptors are the process collector's."""

    def __init__(self) -> None:
        registry = self._registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=registry)
        counter = partial(prometheus.Counter, namespace=NAMESPACE, registry=registry)
        histogram = partial(
            prometheus.Histogram, namespace=NAMESPACE, registry=registry, buckets=SECONDS
        )
        self._stages = histogram("stage_seconds", STAGES, ["stage"])
        self.answers = counter("requests", "Answers, by path and status.", ["path", "status"])
        self.refusals = counter("refusals", "Refused requests, by reason.", ["reason"])
        self.batches = histogram(
            "batch_photos", "Photos in a run of the encoder.", buckets=range(1, 9)
        )
        self.runs = histogram("run_seconds", "Time of a run of the encoder.")

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage of a request, if it succeeds."""
        start = monotonic()
        yield
        self._stages.labels(name).observe(monotonic() - start)

    def show(self, name: str, description: str, value: Callable[[], float]) -> None:
        """Add a gauge that is read whenever the figures are."""
        gauge = prometheus.Gauge(name, description, namespace=NAMESPACE, registry=self._registry)
        gauge.set_function(value)

    def page(self) -> bytes:
        return prometheus.generate_latest(self._registry)
