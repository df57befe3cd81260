"""`score --diff`: its counts are those of plain numpy over what two heads say in torch."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from geograph_types.cli.main import main
from geograph_types.files.parquet_table import new_table
from geograph_types.stored.batch import DatasetBatch
from geograph_types_trainer.checkpoint.write import save_checkpoint
from geograph_types_trainer.head import TypeHead

ROWS = 3000
TAGS = ("Aerial", "Close Look", "Cross Grid", "Extra", "Geograph", "Inside", "From Drone")


def seeded_head(seed: int) -> TypeHead:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return TypeHead().eval()


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("heads")
    for seed in (5, 6):
        save_checkpoint(seeded_head(seed), folder / f"{seed}.pth", epoch=3, loss=0.5)
        arguments = ["export", "head", str(folder / f"{seed}.pth")]
        assert main([*arguments, "--bundle", str(folder / f"bundle{seed}")]) == 0
    return [folder / "bundle5", folder / "bundle6"]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    vectors = np.random.default_rng(8).normal(0, 0.45, (ROWS, 512)).astype(np.float32)
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    ids, weights = np.arange(ROWS) + 70, np.ones(ROWS, np.float32)
    batch = DatasetBatch(ids, ["Extra"] * ROWS, ["16"] * ROWS, vectors, weights, ["tra"] * ROWS)
    with new_table(path) as table:
        table.write(batch.columns())
    return path, vectors


def tags_in_torch(seed: int, vectors: np.ndarray) -> np.ndarray:
    """Thresholds of a half; the most probable class where none reaches its own."""
    buckets = torch.full((len(vectors),), 5)
    with torch.inference_mode():
        scores = seeded_head(seed).probabilities(torch.from_numpy(vectors), buckets).numpy()
    # No score lies so near to its threshold that the last bits would decide.
    assert np.abs(scores - 0.5).min() > 1e-8
    tags: np.ndarray = scores >= 0.5
    guessed = ~tags.any(axis=1)
    tags[guessed, scores[guessed].argmax(axis=1)] = True
    return tags


def names(tags: np.ndarray) -> list[str]:
    return [name for name, has in zip(TAGS, tags, strict=True) if has]


def test_counts_and_rows(
    bundles: list[Path],
    rows: tuple[Path, np.ndarray],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, vectors = rows
    before, after = (tags_in_torch(seed, vectors) for seed in (5, 6))
    changed = np.flatnonzero((before != after).any(axis=1))
    out = tmp_path / "changes.parquet"
    common = ["score", "--diff", *map(str, bundles), str(path)]
    assert main([*common, "--out", str(out)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[1].startswith(f"{len(changed)} of {ROWS} photos change their tags")
    for number, tag in enumerate(TAGS):
        gained = int((after & ~before)[:, number].sum())
        lost = int((before & ~after)[:, number].sum())
        (line,) = [one for one in printed[3:11] if one.startswith(tag)]
        assert line.removeprefix(tag).split() == [str(gained), str(lost), f"{gained - lost:+d}"]
    flows = Counter(
        f"{', '.join(names(before[i]))} -> {', '.join(names(after[i]))}" for i in changed
    )
    top = [line.split(maxsplit=1) for line in printed if "->" in line][2:]
    assert len(top) == 10
    assert {flow: int(count) for count, flow in top}.items() <= flows.items()
    assert [int(count) for count, _ in top] == [count for _, count in flows.most_common(10)]
    told = pq.read_table(out).to_pylist()
    assert [one["gridimage_id"] for one in told] == (changed + 70).tolist()
    for one, index in zip(told, changed, strict=True):
        assert one["before"] == names(before[index])
        assert one["after"] == names(after[index])
        assert one["gained"] == names(after[index] & ~before[index])
        assert one["lost"] == names(before[index] & ~after[index])
    assert main([*common, "--out", str(tmp_path / "changes.jsonl")]) == 0
    lines = (tmp_path / "changes.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == told


def test_a_bundle_changes_nothing_against_itself(
    bundles: list[Path],
    rows: tuple[Path, np.ndarray],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    same = ["score", "--diff", str(bundles[0]), str(bundles[0]), str(rows[0])]
    out = tmp_path / "none.parquet"
    assert main([*same, "--out", str(out)]) == 0
    assert f"0 of {ROWS} photos change their tags (0.00%)" in capsys.readouterr().out
    assert pq.read_table(out).num_rows == 0


def test_bad_rows_are_named_and_left_out(
    bundles: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors = np.random.default_rng(2).normal(0, 0.45, (4, 512))
    vectors[2] = 0
    np.save(tmp_path / "rows.npy", vectors)
    arguments = ["score", "--diff", *map(str, bundles), str(tmp_path / "rows.npy")]
    assert main(arguments) == 1
    told = capsys.readouterr()
    assert "row 3: zero_vector" in told.err
    assert "3 rows compared, 1 failed: 1 zero_vector" in told.err
    assert " of 3 photos change" in told.out
    assert main([*arguments, "--out", str(tmp_path / "out.csv")]) == 2
