"""Files of rows by whichever way they come, whole or damaged: the same rows, or one line."""

import gzip
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from worker_rows import GOOD, changed

from geograph_types.cli.main import main
from geograph_types.errors import InputError
from geograph_types.photos.labels import read_labels
from geograph_types.stored.read import Distances, read_rows
from geograph_types_trainer.dataset.convert import convert_dataset
from geograph_types_trainer.dataset.memory import TrainingData

PROGRAM = f'"{sys.executable}" -m geograph_types.cli'
Line = Callable[[int], dict[str, Any]]


def json_lines(count: int, **fields: Any) -> bytes:
    import json

    more = {"types": "Geograph", "weight": 1, "split": "tra"} | fields
    rows = [changed(**more)(number + 1) for number in range(count)]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same 5,000 rows in each kind of file, with what makes each worth a pipe of its own."""
    folder = tmp_path_factory.mktemp("rows")
    plain = json_lines(5000)
    (folder / "rows.jsonl").write_bytes(plain)
    (folder / "rows.jsonl.gz").write_bytes(gzip.compress(plain, 1))
    convert_dataset(folder / "rows.jsonl", folder / "rows.parquet", "float32")
    np.save(folder / "rows.npy", np.tile(GOOD, (5000, 1)))
    return {path.name: path for path in folder.iterdir()}


def fifo_with(path: Path, data: bytes) -> threading.Thread:
    """A FIFO that gets its first bytes one by one."""

    def write() -> None:
        with path.open("wb", buffering=0) as stream:
            for start in range(8):
                stream.write(data[start : start + 1])
            rest = memoryview(data)[8:]
            while rest:
                rest = rest[stream.write(rest) :]

    os.mkfifo(path)
    thread = threading.Thread(target=write)
    thread.start()
    return thread


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz", "rows.parquet", "rows.npy"])
def test_pipes_have_the_rows_of_the_file(
    name: str, files: dict[str, Path], head_bundle: Path, tmp_path: Path
) -> None:
    file = files[name]
    bundle = f'--bundle "{head_bundle}"'
    score = f"{PROGRAM} score"
    os.mkfifo(tmp_path / "fifo")
    commands = [
        f'{score} "{file}" {bundle}',
        f'{score} <(cat "{file}") {bundle}',
        f'cat "{file}" | {score} /dev/stdin {bundle}',
        f'{score} /dev/stdin {bundle} < "{file}"',
        f'cat "{file}" > fifo & {score} fifo {bundle}',
    ]
    outputs = []
    for command in commands:
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True)
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    assert outputs[0].count(b"\n") == 5000
    assert len(set(outputs)) == 1


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz", "rows.parquet"])
@pytest.mark.parametrize(
    "command",
    [
        "train {data} --out {new} --epochs 1",
        "dataset convert {data} {new}",
        "dataset stats {data}",
        "dataset sample {data} {new} --rows 50",
        "evaluate {head} {data} --split all",
    ],
)
def test_datasets_are_read_whole_from_a_fifo(
    name: str,
    command: str,
    files: dict[str, Path],
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = {"data": tmp_path / "rows", "new": tmp_path / "new", "head": checkpoint}
    data = json_lines(40) + json_lines(0)
    splits = [json_lines(n, split=s) for n, s in ((40, "tra"), (0, "val"))]
    assert data == b"".join(splits)
    thread = fifo_with(table["data"], files[name].read_bytes())
    words = command.format(**table).split()
    status = main(words)
    thread.join()
    said = capsys.readouterr()
    if words[0] == "train":  # there are no rows to validate on, which shows that all were read
        assert status == 2
        assert "val" in said.err
    elif words[1] == "sample":
        assert pq.read_metadata(table["new"]).num_rows == 50
    elif words[1] == "convert":
        assert pq.read_metadata(table["new"]).num_rows == 5000
    else:
        assert status == 0
        assert "5,000" in said.out or "5000" in said.out


def test_distances_may_come_from_a_pipe_too(
    files: dict[str, Path], head_bundle: Path, tmp_path: Path
) -> None:
    texts = "\ufeff" + "16\n" * 5000
    thread = fifo_with(tmp_path / "distances", texts.encode())
    out = tmp_path / "out.parquet"
    arguments = ["score", str(files["rows.npy"]), "--distances", str(tmp_path / "distances")]
    assert main([*arguments, "--bundle", str(head_bundle), "--out", str(out)]) == 0
    thread.join()
    assert set(pq.read_table(out)["distance"].to_pylist()) == {16.0}


def flipped(data: bytes, dice: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(dice.choice([1, 1, 5, 40])):
        damaged[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(damaged)


def cut(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(1, len(data))]


def junk_inside(data: bytes, dice: random.Random) -> bytes:
    start, length = dice.randrange(len(data)), dice.randrange(1, 400)
    return data[:start] + dice.randbytes(length) + data[start + length :]


def junk_behind(data: bytes, dice: random.Random) -> bytes:
    return data + dice.randbytes(dice.randrange(1, 100))


DAMAGES = (flipped, cut, junk_inside, junk_behind)


LABELS = 'photo,distance,camera,types\na.jpg,16 m,,Inside\nb.jpg,,TQ 299 804,"Extra,Inside"\n'
FILES = ("rows.jsonl.gz", "rows.jsonl", "rows.parquet", "rows.npy", "labels.csv", "distances.txt")


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_are_an_error_of_one_line(name: str, tmp_path: Path) -> None:
    """Whatever is damaged, a reader ends with an `InputError` or names the bad rows."""
    dice = random.Random(5)
    plain = b"".join(json_lines(1, gridimage_id=number) for number in range(30))
    (tmp_path / "rows.jsonl").write_bytes(plain)
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(plain, 1))
    convert_dataset(tmp_path / "rows.jsonl", tmp_path / "rows.parquet")
    np.save(tmp_path / "rows.npy", np.tile(GOOD, (30, 1)))
    (tmp_path / "labels.csv").write_text(LABELS, "utf-16")
    (tmp_path / "distances.txt").write_text("16\n\nUnknown\n0.5\n")
    readers: dict[str, list[Callable[[Path], object]]] = {
        "labels.csv": [read_labels],
        "distances.txt": [Distances.read],
    }
    rows = [lambda path: list(read_rows(path)), TrainingData.load]
    whole, path = (tmp_path / name).read_bytes(), tmp_path / "damaged"
    refused = 0
    for number in range(int(os.environ.get("GEOGRAPH_TYPES_DAMAGES", "60"))):
        path.write_bytes(DAMAGES[number % len(DAMAGES)](whole, dice))
        for read in readers.get(name, rows):
            try:
                read(path)
            except InputError as error:
                assert "\n" not in str(error).strip()
                refused += 1
    assert refused


def test_a_damaged_gzip_stream_ends_every_command_with_status_2(
    checkpoint: Path, head_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = bytearray(gzip.compress(json_lines(500), 1))
    whole[len(whole) // 2] ^= 0x55
    path, new = tmp_path / "rows.jsonl.gz", tmp_path / "new"
    path.write_bytes(bytes(whole))
    for command in (
        f"score {path} --bundle {head_bundle} --out {new}.parquet",
        f"dataset convert {path} {new}",
        f"dataset stats {path}",
        f"dataset sample {path} {new} --rows 5",
        f"train {path} --out {new}",
        f"evaluate {checkpoint} {path}",
    ):
        assert main(command.split()) == 2, command
        assert "is cut off or damaged" in capsys.readouterr().err.splitlines()[-1]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["rows.jsonl.gz"]


def test_distances_of_another_length_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "distances").write_text("16\n0\n")
    with pytest.raises(InputError, match="2 lines for 5000"):
        list(read_rows(files["rows.npy"], Distances.read(tmp_path / "distances")))
