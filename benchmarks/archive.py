"""How fast stored embeddings are scored here, and in how much memory, in one alternating run.

    python benchmarks/archive.py [--rows 4000000] [--rounds 3] [--work DIR] [--json FILE]

Every round runs each of these once, in a new order, in a process of its own:

* `score` over float16 Parquet, all rows;
* `score` over float16 Parquet, a tenth of them, for its memory;
* a loop that scores one embedding at a time in torch, over the first rows of the same file;
* what the released scripts do with gzipped JSON Lines, line by line, over a part;
* `score` over gzipped JSON Lines;
* `gzip -dc` of the same file.

The times of `score` and `gzip` are those of whole processes; the loops' leave out the imports. They
have one thread: more make them slower. The head has random weights, which changes no time. Files
are written first: 1.1 kB a row, 4.4 GB for 4 million.
"""

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
import numpy as np

from measuring.child import run_child
from measuring.command_line import (
    count_option,
    json_option,
    own_work_option,
    rounds_option,
    say,
    work_folder,
)
from measuring.rounds import turns
from reporting.figures import Results, report
from train import DISTANCES, peak_megabytes, seconds_to_unzip, write_rows

PARQUET: Final = "score, Parquet"
SMALL: Final = "score, Parquet, a tenth"
LOOP: Final = "torch, one at a time"
SCRIPT: Final = "released scripts, .jsonl.gz line by line"
JSON: Final = "score, .jsonl.gz"
UNZIP: Final = "gzip -dc"
IN_PARQUET: Final = "embeddings in Parquet"
IN_LINES: Final = "gzipped JSON Lines"
BYTES_A_ROW: Final = 1100
BATCH_ROWS: Final = 8192
POOL_BATCHES: Final = 8
"""Batches of different vectors; the file repeats them, which reading does not notice."""
LOOP_ROWS: Final = 10_000
LINES: Final = 200_000
SMALL_SHARE: Final = 10
RELEASED_WAY: Final = Path(__file__).parent / "row_by_row" / "scoring.py"


@click.command(epilog="Example: python benchmarks/archive.py --rows 1000000")
@count_option("--rows", 4_000_000, "Of Parquet.", least=50_000)
@count_option("--lines", LINES, "Of gzipped JSON Lines.", least=LOOP_ROWS)
@rounds_option(3)
@own_work_option
@json_option
def main(rows: int, lines: int, rounds: int, work: Path | None, out: Path | None) -> None:
    """Measure `score` over stored embeddings."""
    with work_folder(work) as folder:
        needed = rows * BYTES_A_ROW * (1 + 1 / SMALL_SHARE)
        if shutil.disk_usage(folder).free < needed:
            raise click.ClickException(
                f"{folder} has less than {needed / 1e9:.1f} GB free: give --work or fewer --rows"
            )
        results = measure(folder, rows, lines, rounds)
    report(results, out)


def measure(folder: Path, rows: int, line_count: int, rounds: int) -> Results:
    """Write what is missing, and give every contender a turn a round."""
    checkpoint, bundle = make_head(folder)
    large, small = (make_parquet(folder, count) for count in (rows, rows // SMALL_SHARE))
    lines = folder / f"{line_count}.jsonl.gz"
    if not lines.exists():
        say(f"writing {lines.name} ...")
        write_rows(lines, line_count)
    ways: dict[str, tuple[str, int, Callable[[], dict[str, float]]]] = {
        PARQUET: (IN_PARQUET, rows, lambda: run_child(__file__, "score", large, bundle)),
        SMALL: ("", rows // SMALL_SHARE, lambda: run_child(__file__, "score", small, bundle)),
        LOOP: (IN_PARQUET, LOOP_ROWS, lambda: run_child(__file__, "loop", large, checkpoint)),
        SCRIPT: (
            IN_LINES,
            LOOP_ROWS,
            lambda: run_child(RELEASED_WAY, lines, checkpoint, LOOP_ROWS),
        ),
        JSON: (IN_LINES, line_count, lambda: run_child(__file__, "score", lines, bundle)),
        UNZIP: (IN_LINES, line_count, lambda: {"seconds": seconds_to_unzip(lines)}),
    }
    results = Results()
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for number, name in turns(ways, rounds):
        say(f"round {number + 1} of {rounds}: {name}")
        found[name].append(ways[name][2]())
    for name, (group, count, _) in ways.items():
        ours = name.startswith("score")
        if group:
            rates = [count / one["seconds"] / 1000 for one in found[name]]
            unit = "thousand rows per second"
            results.add(group, name, unit, rates, more_is_better=True, ours=ours)
        if name != UNZIP:
            megabytes = [one["megabytes"] for one in found[name]]
            results.add("memory at most", name, "MB", megabytes, ours=ours)
    growth = max(one["megabytes"] for one in found[PARQUET])
    growth -= min(one["megabytes"] for one in found[SMALL])
    results.notes.append(f"memory at all rows beyond that at a tenth: {growth:.0f} MB")
    return results


def make_head(folder: Path) -> tuple[Path, Path]:
    """Make a head in the released form, and a bundle of it."""
    import torch

    from geograph_types.cli.main import main as program
    from geograph_types_trainer.checkpoint.write import save_checkpoint
    from geograph_types_trainer.head import TypeHead

    checkpoint, bundle = folder / "head.pth", folder / "bundle"
    torch.manual_seed(5)
    save_checkpoint(TypeHead().eval(), checkpoint, epoch=1, loss=0.5)
    shutil.rmtree(bundle, ignore_errors=True)
    if program(["export", "head", str(checkpoint), "--bundle", str(bundle)]):
        raise click.ClickException("the head cannot be exported")
    return checkpoint, bundle


def make_parquet(folder: Path, rows: int) -> Path:
    """Write rows of float16 embeddings, noise about a common vector."""
    from geograph_types.files.parquet_table import new_table
    from geograph_types.stored.batch import DatasetBatch

    path = folder / f"{rows}.parquet"
    if path.exists():
        return path
    say(f"writing {path.name} ...")
    rng = np.random.default_rng(1)
    common = rng.normal(size=512) * 0.4
    shape = (POOL_BATCHES, BATCH_ROWS, 512)
    pool = (common + rng.standard_normal(shape, np.float32) * 0.3).astype(np.float16)
    with new_table(path) as dataset:
        for number, first in enumerate(range(0, rows, BATCH_ROWS)):
            count = min(BATCH_ROWS, rows - first)
            texts = [DISTANCES[place] for place in rng.integers(len(DISTANCES), size=count)]
            dataset.write(
                DatasetBatch(
                    ids=np.arange(first, first + count),
                    types=["Geograph"] * count,
                    distances=texts,
                    embeddings=pool[number % POOL_BATCHES][:count],
                    weights=np.ones(count, np.float32),
                    splits=["tra"] * count,
                ).columns("float16")
            )
    return path


def run_score(rows: Path, bundle: Path) -> dict[str, float]:
    from geograph_types.cli.main import main as program

    out = rows.with_name(f"{rows.name}.scored.parquet")
    status = program(["score", str(rows), "--bundle", str(bundle), "--out", str(out)])
    if status:
        raise SystemExit(status)
    return {"megabytes": peak_megabytes()}


def run_loop(rows: Path, checkpoint: Path) -> dict[str, float]:
    """Score the first rows as they come, each by itself."""
    import torch

    from geograph_types.distance.distance import Distance
    from geograph_types.stored.read import read_dataset
    from geograph_types_trainer.checkpoint.read import read_checkpoint
    from geograph_types_trainer.head import TypeHead

    torch.set_num_threads(1)
    head = TypeHead.from_weights(read_checkpoint(checkpoint).weights)
    start = time.perf_counter()
    done = 0
    with torch.inference_mode():
        for batch in read_dataset(rows):
            for vector, text in zip(batch.embeddings, batch.distances, strict=True):
                embedding = torch.from_numpy(vector.astype(np.float32))[None, :]
                bucket = torch.tensor([Distance.parse(text).bucket])
                head.probabilities(embedding, bucket).tolist()
                done += 1
                if done == LOOP_ROWS:
                    seconds = time.perf_counter() - start
                    return {"seconds": seconds, "megabytes": peak_megabytes()}
    raise click.ClickException(f"{rows} has fewer than {LOOP_ROWS} rows")


PARTS: Final = {"score": run_score, "loop": run_loop}

if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in PARTS:
        print(json.dumps(PARTS[sys.argv[1]](*map(Path, sys.argv[2:]))))
    else:
        main()
