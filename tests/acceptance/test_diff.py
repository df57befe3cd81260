"""`score --diff` over 100,000 rows: its counts are those of plain numpy."""

from pathlib import Path

import numpy as np
import pytest
import torch

from geograph_types import TypeTagger
from geograph_types.cli.main import main
from geograph_types_trainer.checkpoint.write import save_checkpoint
from geograph_types_trainer.head import TypeHead

ROWS = 100_000
TAGS = ("Aerial", "Close Look", "Cross Grid", "Extra", "Geograph", "Inside", "From Drone")


def test_counts_of_two_heads_in_the_released_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors = np.random.default_rng(31).normal(0, 0.45, (ROWS, 512)).astype(np.float32)
    np.save(tmp_path / "rows.npy", vectors)
    tags = []
    for seed in (5, 6):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            head = TypeHead().eval()
        checkpoint, bundle = tmp_path / f"{seed}.pth", tmp_path / f"bundle{seed}"
        save_checkpoint(head, checkpoint, epoch=3, loss=0.5)
        assert main(["export", "head", str(checkpoint), "--bundle", str(bundle)]) == 0
        scores = TypeTagger(bundle, threads=1).score(vectors, [None] * ROWS)
        decided = scores >= 0.5
        guessed = ~decided.any(axis=1)
        decided[guessed, scores[guessed].argmax(axis=1)] = True
        tags.append(decided)
    before, after = tags
    capsys.readouterr()
    arguments = ["score", "--diff", str(tmp_path / "bundle5"), str(tmp_path / "bundle6")]
    assert main([*arguments, str(tmp_path / "rows.npy")]) == 0
    printed = capsys.readouterr().out.splitlines()
    changed = int((before != after).any(axis=1).sum())
    print(f"\n{changed} of {ROWS} photos change by numpy; {printed[1]}")
    assert printed[1].startswith(f"{changed} of {ROWS} photos change their tags")
    for number, tag in enumerate(TAGS):
        gained = int((after & ~before)[:, number].sum())
        lost = int((before & ~after)[:, number].sum())
        (line,) = [one for one in printed[3:11] if one.startswith(tag)]
        assert line.removeprefix(tag).split() == [str(gained), str(lost), f"{gained - lost:+d}"]
