"""Run a job: finished shards are passed over, the others go to an engine."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import TypeAlias

from geograph_types.archive.items import Shard
from geograph_types.archive.job import EngineError, Job, Outcome
from geograph_types.archive.shard_file import finished_counts

Engine: TypeAlias = Callable[[Job, Sequence[Shard]], Iterator[Outcome]]


def run_job(job: Job, shards: Sequence[Shard], engine: Engine) -> Iterator[Outcome]:
    """Make the shards that are missing, and yield the outcome of each, finished ones first."""
    waiting = []
    for shard in shards:
        if counts := finished_counts(job, shard):
            yield Outcome(shard.index, counts.rows, counts.failed, made=False)
        else:
            waiting.append(shard)
    with closing(engine(job, waiting)) as outcomes:  # type: ignore[type-var]
        for outcome in outcomes:
            if outcome.stops:
                raise EngineError(str(outcome.problem))
            yield outcome
