"""Measure the trainer: conversion against `gzip -dc`, an epoch against a DataLoader, and memory.

    python benchmarks/train.py --rows 430000 [--json FILE]

Everything is measured in one run on one file of synthetic rows in the published schema, `--repeats`
times in turn. What the released scripts do with each line is timed on the first 40,000 rows, its
time taken in proportion. The DataLoader decodes base64 row by row and feeds the same model, batch
size, optimizer and loss; it is timed likewise.
"""

import base64
import gzip
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from measuring.child import run_child
from measuring.command_line import count_option, json_option, own_work_option, say, work_folder
from reporting.figures import Results, report

CONVERT: Final = "convert"
TRAIN: Final = "train"
EPOCH: Final = "epoch"
TAGS: Final = ("Geograph", "Close Look", "Cross Grid", "Inside", "Aerial", "Extra", "From Above")
DISTANCES: Final = ("", "0", "4", "64", "256", "1024", "8192", "Unknown")
BATCH_SIZE: Final = 1024
DATALOADER_ROWS: Final = 40_000
SCRIPT_ROWS: Final = 40_000
RELEASED_WAY: Final = Path(__file__).parent / "row_by_row" / "decoding.py"


@click.command()
@count_option("--rows", 430_000, "Of the dataset.", least=2000)
@count_option("--repeats", 1, "How often everything but memory is measured.")
@own_work_option
@json_option
def main(rows: int, repeats: int, work: Path | None, out: Path | None) -> None:
    """Run all measurements and print tables."""
    results = Results()
    with work_folder(work) as folder:
        source, dataset = folder / f"{rows}.jsonl.gz", folder / f"{rows}.parquet"
        if not source.exists():
            say(f"writing {rows} rows ...")
            write_rows(source, rows)
        unzip, convert, scripts = [], [], []
        for _ in range(repeats):
            unzip.append(seconds_to_unzip(source))
            convert.append(in_child(CONVERT, source, dataset))
            scripts.append(seconds_of_script(source, rows))
        train = in_child(TRAIN, dataset, folder)
        epochs = [in_child(EPOCH, dataset, source) for _ in range(repeats)]
    reading, epoch, memory = f"reading {rows:,} rows", "an epoch", "memory at most"
    results.add(reading, "dataset convert", "s", _all(convert, "seconds"), ours=True)
    results.add(reading, "gzip -dc", "s", unzip)
    results.add(reading, "released scripts", "s", scripts)
    results.add(epoch, "train", "s", _all(epochs, "ours"), ours=True)
    results.add(epoch, "base64 in a DataLoader", "s", _all(epochs, "loader"))
    megabytes = [max(_all(convert, "megabytes"))]
    results.add(memory, "dataset convert", "MB", megabytes, ours=True)
    results.add(memory, "train", "MB", [train["megabytes"]], ours=True)
    report(results, out)


def _all(runs: list[dict[str, float]], figure: str) -> list[float]:
    return [run[figure] for run in runs]


def write_rows(path: Path, count: int) -> None:
    """Write rows in the published schema; their embeddings are noise about a common vector."""
    rng = np.random.default_rng(1)
    common = rng.normal(size=512) * 0.4
    with gzip.open(path, "wt", compresslevel=3) as stream:
        for first in range(0, count, 8192):
            size = min(8192, count - first)
            vectors = (common + rng.normal(size=(size, 512)) * 0.3).astype("<f4")
            for index in range(size):
                row = {
                    "gridimage_id": first + index,
                    "types": TAGS[(first + index) % len(TAGS)],
                    "distance": DISTANCES[int(rng.integers(len(DISTANCES)))],
                    "embeddings": base64.b64encode(vectors[index].tobytes()).decode(),
                    "weight": 1.0,
                    "split": "val" if index % 10 == 0 else "tra",
                }
                stream.write(json.dumps(row) + "\n")


def seconds_to_unzip(path: Path) -> float:
    start = time.perf_counter()
    subprocess.run(["gzip", "-dc", str(path)], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def seconds_of_script(path: Path, rows: int) -> float:
    """Time the released scripts' way with a part of the rows, for all of them."""
    count = min(rows, SCRIPT_ROWS)
    return run_child(RELEASED_WAY, path, count)["seconds"] * rows / count


def in_child(part: str, *paths: Path) -> dict[str, float]:
    """Measure a part of this script."""
    say(f"measuring {part} ...")
    return run_child(__file__, part, *paths)


def peak_megabytes() -> float:
    """Read the highest resident memory of this process (Linux)."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def measure_convert(source: Path, target: Path) -> dict[str, float]:
    from geograph_types.cli.main import main as program

    status = program(["dataset", "convert", str(source), str(target)])
    if status:
        raise SystemExit(status)
    return {"megabytes": peak_megabytes()}


def measure_train(dataset: Path, folder: Path) -> dict[str, float]:
    from geograph_types.cli.main import main as program

    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    status = program(["train", str(dataset), "--out", str(run), "--epochs", "2"])
    if status:
        raise SystemExit(status)
    return {"megabytes": peak_megabytes()}


def measure_epoch(dataset: Path, source: Path) -> dict[str, float]:
    import torch

    from geograph_types_trainer.dataset.memory import TrainingData
    from geograph_types_trainer.recipe import RECIPES
    from geograph_types_trainer.training.loop import Training

    recipe = RECIPES["released"].with_settings({"batch_size": BATCH_SIZE}, "benchmark")
    data = TrainingData.load(dataset)
    training = Training(data, recipe, torch.device("cpu"))
    rows = len(data.rows_of("tra"))
    start = time.perf_counter()
    training.run_epoch()
    ours = time.perf_counter() - start
    measured, count = seconds_with_dataloader(source)
    return {"ours": ours, "loader": measured * rows / count}


def seconds_with_dataloader(source: Path) -> tuple[float, int]:
    """Train on rows from a DataLoader that decodes each by itself; return seconds and rows."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits
    from torch.utils.data import DataLoader, Dataset

    from geograph_types_trainer.head import TypeHead
    from geograph_types_trainer.labels import target_of

    class Rows(Dataset[tuple[Any, ...]]):
        def __init__(self, rows: list[dict[str, Any]]) -> None:
            self.rows = rows
            self.targets = [target_of(row["types"], row["distance"]) for row in rows]

        def __len__(self) -> int:
            return len(self.rows)

        def __getitem__(self, index: int) -> tuple[Any, ...]:
            row, target = self.rows[index], self.targets[index]
            vector = np.frombuffer(base64.b64decode(row["embeddings"]), "<f4").copy()
            labels = torch.tensor(list(target.labels), dtype=torch.float32)
            return torch.from_numpy(vector), target.bucket, labels, np.float32(row["weight"])

    rows = Rows(list(first_training_rows(source)))
    head = TypeHead()
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
    start = time.perf_counter()
    for vectors, buckets, labels, weights in DataLoader(rows, BATCH_SIZE, shuffle=True):
        logits = head(vectors, buckets)
        each = binary_cross_entropy_with_logits(logits, labels, reduction="none")
        loss = (each.mean(dim=1) * weights).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - start, len(rows)


def first_training_rows(source: Path) -> Iterator[dict[str, Any]]:
    count = 0
    with gzip.open(source) as stream:
        for line in stream:
            row = json.loads(line)
            if row["split"] == "tra":
                yield row
                count += 1
            if count == DATALOADER_ROWS:
                return


PARTS: Final = {CONVERT: measure_convert, TRAIN: measure_train, EPOCH: measure_epoch}

if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in PARTS:
        print(json.dumps(PARTS[sys.argv[1]](*map(Path, sys.argv[2:]))))
    else:
        main()
