"""`evaluate`, and the way of heads into runs and out of them."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from geograph_types.cli.main import main
from geograph_types.session import Session
from geograph_types.taxonomy import CLASSES
from geograph_types_export.graphs.builder import serialise
from geograph_types_export.graphs.head import head_graph
from geograph_types_export.verify.graphs import verify_head
from geograph_types_trainer.checkpoint.read import read_checkpoint
from geograph_types_trainer.checkpoint.write import save_checkpoint
from geograph_types_trainer.evaluation.calibration import Platt
from geograph_types_trainer.evaluation.results import Evaluation
from geograph_types_trainer.head import TypeHead
from geograph_types_trainer.head_weights import calibrated, head_logits
from geograph_types_trainer.metrics import sigmoid


def test_the_command_judges_checkpoint_run_and_bundle_alike(
    checkpoint: Path,
    head_bundle: Path,
    dataset: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, written, page = tmp_path / "run", tmp_path / "e.json", tmp_path / "e.html"
    assert main(["checkpoint", "import", str(checkpoint), "--out", str(run)]) == 0
    words = ["evaluate", str(head_bundle), str(dataset), "--against", str(run)]
    words += ["--against", str(checkpoint), "--json", str(written), "--html", str(page)]
    capsys.readouterr()
    assert main(words) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[-1].startswith("macro-F1 ")
    assert str(page) in shown.err
    heads = json.loads(written.read_bytes())["heads"]
    assert [head["kind"] for head in heads] == ["bundle", "run", "checkpoint"]
    for head in heads[1:]:
        for ours, theirs in zip(head["distances"], heads[0]["distances"], strict=True):
            assert ours["micro_f1"] == pytest.approx(theirs["micro_f1"], abs=0.01)
    assert page.read_text().startswith("<!doctype html>")


def test_a_bundle_is_judged_without_torch(head_bundle: Path, dataset: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from geograph_types.cli.main import run\n"
        f"sys.argv = ['g', 'evaluate', {str(head_bundle)!r}, {str(dataset)!r}, '--split', 'all']\n"
        "run()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "on 800 rows" in done.stdout.splitlines()[-1]


def test_calibration_and_thresholds_can_be_kept_in_the_run(
    checkpoint: Path, dataset: Path, tmp_path: Path
) -> None:
    run, before, after = tmp_path / "run", tmp_path / "before.json", tmp_path / "after.json"
    assert main(["checkpoint", "import", str(checkpoint), "--out", str(run)]) == 0
    words = ["evaluate", str(run), str(dataset)]
    assert main([*words, "--keep", "--json", str(before)]) == 0
    assert main([*words, "--json", str(after)]) == 0
    old, new = (
        msgspec.json.decode(file.read_bytes(), type=Evaluation).heads[0] for file in (before, after)
    )
    for now, then in zip(new.states, old.states, strict=True):
        assert [scores.rule for scores in now.scores] == ["0.5", "own", "validation"]
        for ours, theirs in zip(now.scores[1].classes, then.quoted.classes, strict=True):
            assert ours.f1 == pytest.approx(theirs.f1, abs=1e-9)
        for own, fitted in zip(now.calibration, then.calibration, strict=True):
            assert own.error == pytest.approx(fitted.error_after, abs=1e-4)


@pytest.mark.parametrize("bias", [-30.0, -12.0, -3.0, 0.0])
def test_what_is_kept_chooses_the_same_tags_wherever_the_logits_lie(
    bias: float, checkpoint: Path, dataset: Path, tmp_path: Path
) -> None:
    head = TypeHead.from_weights(read_checkpoint(checkpoint).weights)
    with torch.no_grad():
        head.last.bias += bias
    moved, run, written = tmp_path / "moved.pth", tmp_path / "run", tmp_path / "e.json"
    save_checkpoint(head, moved, epoch=1, loss=0.5)
    assert main(["checkpoint", "import", str(moved), "--out", str(run)]) == 0
    f1 = []
    for keep in (["--keep"], []):
        assert main(["evaluate", str(run), str(dataset), "--json", str(written), *keep]) == 0
        [found] = msgspec.json.decode(written.read_bytes(), type=Evaluation).heads
        f1.append([state.scores[1].mean("macro").f1 for state in found.states])
    assert f1[0] == pytest.approx(f1[1], abs=1e-3)


def test_a_kept_run_and_its_bundle_say_that_they_are_tuned(
    checkpoint: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    assert main(["checkpoint", "import", str(checkpoint), "--out", str(run)]) == 0
    assert main(["evaluate", str(run), str(dataset), "--keep"]) == 0
    assert main(["export", "head", str(run), "--bundle", str(bundle)]) == 0
    for head in (run, bundle):
        capsys.readouterr()
        assert main(["evaluate", str(head), str(dataset), "--split", "val"]) == 0
        assert "rows that the head was tuned on" in capsys.readouterr().out.splitlines()[-1]


def test_keeping_needs_validation_rows(
    checkpoint: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(["checkpoint", "import", str(checkpoint), "--out", str(run)]) == 0
    assert main(["evaluate", str(run), str(dataset), "--split", "val", "--keep"]) == 2
    assert "no calibration to keep" in capsys.readouterr().err


def test_a_head_is_calibrated_at_each_distance(checkpoint: Path, tmp_path: Path) -> None:
    weights = read_checkpoint(checkpoint).weights
    buckets = np.arange(23)
    platt = Platt(*np.random.default_rng(1).uniform(0.5, 2, (3, len(CLASSES))))
    lines = platt.scale, platt.shifts(buckets)
    twice = calibrated(calibrated(weights, *lines), *lines)
    embeddings = np.random.default_rng(2).normal(0, 0.5, (23, 512)).astype(np.float32)
    plain = sigmoid(head_logits(weights, embeddings, buckets))
    expected = platt.apply(platt.apply(plain, buckets), buckets)
    model = serialise(head_graph(twice))
    assert verify_head(model, "head.onnx", twice).maximum_difference <= 1e-6
    inputs = {"image_embeds": embeddings, "distance_bucket": buckets}
    found = Session(model, "cpu").run("probabilities", **inputs)
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_a_run_goes_out_and_in_unchanged(checkpoint: Path, tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out.pth"
    assert main(["checkpoint", "import", str(checkpoint), "--out", str(run)]) == 0
    assert main(["checkpoint", "export", str(run), str(out)]) == 0
    first, second = read_checkpoint(checkpoint), read_checkpoint(out)
    assert (first.epoch, first.loss) == (second.epoch, second.loss)
    for name, value in first.weights.items():
        assert np.array_equal(value, second.weights[name])


def test_an_import_overwrites_nothing(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["checkpoint", "import", str(checkpoint), "--out", str(tmp_path)]) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("head", "words"),
    [("nothing", "does not exist"), ("empty", "is not a run"), ("text.pth", "not a zip archive")],
)
def test_what_is_no_head_is_refused(
    head: str, words: str, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.pth").write_text("hello")
    assert main(["evaluate", str(tmp_path / head), str(dataset)]) == 2
    assert words in capsys.readouterr().err


def test_a_head_that_is_named_twice_is_refused(
    head_bundle: Path, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", f"{head_bundle}/", str(dataset), "--against", str(head_bundle)]) == 2
    assert "a head is given twice" in capsys.readouterr().err
