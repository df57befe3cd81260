"""`review` asks about the rows worth a look, and `train --verdicts` believes the answers."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from geograph_types.cli.main import main
from geograph_types.tags import FINAL_TAGS
from geograph_types_trainer.dataset.memory import TrainingData
from geograph_types_trainer.review.order import errors_first, lessons_first, questions
from geograph_types_trainer.review.verdicts import Verdicts
from geograph_types_trainer.run import Run

LABELS = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]], np.uint8)
SCORES = np.array([[0.9, 0.1, 0.2], [0.9, 0.2, 0.1], [0.8, 0.1, 0.0], [0.1, 0.2, 0.3]])


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def write_verdicts(file: Path, *lines: str) -> Path:
    file.write_text("\n".join(["gridimage_id,tag,verdict", *lines]))
    return file


def test_the_worst_margin_comes_first_and_its_tags_are_asked_about() -> None:
    worth, doubts = errors_first(LABELS, SCORES)
    np.testing.assert_allclose(worth, [0.15, 0.45, 0.85, 0.15])
    assert questions(doubts).tolist() == [
        [False, False, True],
        [False, True, False],
        [True, True, False],
        [False, False, True],
    ]


def test_a_rare_class_teaches_as_much_as_a_common_one() -> None:
    scores = np.full((100, 2), 0.01)
    scores[:50, 0] = 0.5
    scores[99, 1] = 0.5
    worth, _ = lessons_first(scores)
    assert worth.argmax() == 99


@pytest.mark.parametrize("purpose", ["errors", "learning"])
def test_a_dataset_becomes_a_queue_and_a_page(
    purpose: str, dataset: Path, head_bundle: Path, tmp_path: Path
) -> None:
    out, page = tmp_path / "queue.csv", tmp_path / "queue.html"
    words = ["review", str(dataset), "--bundle", str(head_bundle), "--for", purpose]
    assert main([*words, "--out", str(out), "--page", str(page), "--budget", "20"]) == 0
    queue = rows_of(out)
    assert {row["place"] for row in queue} == {str(place) for place in range(1, 21)}
    assert {row["tag"] for row in queue} <= set(FINAL_TAGS)
    shown = re.search(
        r'<script type="application/json" id="queue">(.*?)</script>', page.read_text()
    )
    assert shown and [row["tag"] for row in json.loads(shown[1])] == [row["tag"] for row in queue]


def test_results_are_a_queue_where_they_have_given_tags(
    dataset: Path, head_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores, direct, out = (tmp_path / name for name in ("scores.jsonl", "direct.csv", "out.csv"))
    options = ["--bundle", str(head_bundle), "--for", "learning", "--out"]
    assert main(["score", str(dataset), "--bundle", str(head_bundle), "--out", str(scores)]) == 0
    assert main(["review", str(dataset), *options, str(direct)]) == 0
    assert main(["review", str(scores), *options, str(out)]) == 0
    places = [
        [(row["gridimage_id"], row["tag"]) for row in rows_of(file)] for file in (out, direct)
    ]
    assert len(set(places[0]) & set(places[1])) > 0.99 * len(places[0])
    capsys.readouterr()
    assert main(["review", str(scores), "--bundle", str(head_bundle), "--out", str(out)]) == 2
    assert "use --for learning" in capsys.readouterr().err


def test_results_of_every_form_make_the_same_queue(
    bundle: Path, scenes: Path, dataset: Path, tmp_path: Path
) -> None:
    shared = ["--bundle", str(bundle)]
    labels = [*shared, "--labels", str(scenes / "labels.csv")]

    def queue(source: Path) -> list[tuple[str, ...]]:
        out = tmp_path / "queue.csv"
        words = ["review", str(source), *shared, "--for", "learning", "--out", str(out)]
        assert main(words) == 0
        names = ("place", "tag", "probability", "given", "predicted")
        return [tuple(row[name] for name in names) for row in rows_of(out)]

    tagged = [tmp_path / f"tags{suffix}" for suffix in (".jsonl", ".csv", ".parquet")]
    for file in tagged:
        assert main(["tag", str(scenes), *labels, "--out", str(file)]) == 0
    shards = tmp_path / "shards"
    archive = ["archive", "run", "--input", str(scenes), "--output", str(shards)]
    assert main([*archive, *labels]) == 0
    lines, *others = map(queue, [*tagged, shards])
    assert len(lines) >= len(list(scenes.glob("*.jpg")))
    assert [lines, lines, lines] == others
    scored = [tmp_path / "scores.jsonl", tmp_path / "scores.parquet"]
    for file in scored:
        assert main(["score", str(dataset), *shared, "--out", str(file)]) == 0
    # One rounds to seven decimals, which may turn neighbours round.
    first, second = ({row[1:] for row in queue(file)} for file in scored)
    assert len(first & second) > 0.99 * len(first)


def test_a_source_without_results_is_refused(
    head_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "bad.csv").write_text("status,p_aerial\nok,high\n")
    for source, words in (("folder", "has no Parquet files"), ("bad.csv", "row 1: not a result")):
        command = ["review", str(tmp_path / source), "--bundle", str(head_bundle)]
        assert main([*command, "--out", str(tmp_path / "q.csv")]) == 2
        assert words in capsys.readouterr().err


def test_a_catalogue_is_reviewed_and_its_verdicts_train(
    bundle: Path, scenes: Path, tmp_path: Path
) -> None:
    catalog, queue, data = (tmp_path / name for name in ("c.catalog", "queue.csv", "data.parquet"))
    labels = ["--labels", str(scenes / "labels.csv"), "--bundle", str(bundle)]
    tags = str(tmp_path / "t.csv")
    assert main(["tag", str(scenes), *labels, "--catalog", str(catalog), "--out", tags]) == 0
    assert main(["embed", str(scenes), *labels, "--out", str(data)]) == 0
    assert main(["review", str(catalog), *labels, "--out", str(queue)]) == 0
    asked = rows_of(queue)
    assert all(row["link"].startswith("file:///") for row in asked)
    answers = [f"{row['gridimage_id']},{row['tag']},yes" for row in asked]
    said = Verdicts.read(write_verdicts(tmp_path / "v.csv", *answers))
    loaded = TrainingData.load(data)
    judged = said.applied(loaded)
    assert len(said.said) == len(asked) and set(judged.ids.tolist()) >= {n for n, _ in said.said}
    places = {number: place for place, number in enumerate(judged.ids.tolist())}
    assert all(judged.labels[places[number], tag] == 1 for number, tag in said.said)


def test_verdicts_are_the_truth_with_full_weight(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = TrainingData.load(dataset)
    first, second = data.ids[:2].tolist()
    lines = f"{first},Inside,yes", f"{first},Extra,No", f"{second},Extra,skip"
    file = write_verdicts(tmp_path / "v.csv", *lines)
    judged = Verdicts.read(file).applied(data)
    assert (judged.labels[0, 5], judged.labels[0, 3], judged.weights[0]) == (1, 0, 1)
    assert np.array_equal(judged.labels[1:], data.labels[1:])
    run = tmp_path / "run"
    words = ["train", str(dataset), "--out", str(run), "--epochs", "1"]
    assert main([*words, "--verdicts", str(file)]) == 0
    assert Run.load(run).configuration["verdicts"]
    (run / "metrics.json").unlink()
    (run / "unfinished.pt").unlink(missing_ok=True)
    write_verdicts(file, f"{second},Extra,yes")
    assert main(["train", "--resume", str(run)]) == 2
    assert "has changed since" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["1,Inside,perhaps"], "yes, no or skip"),
        (["1,Outside,yes"], "not an id, one of Aerial"),
        (["1,Inside,yes", "1,Inside,no"], "is yes and no"),
        (["987654321,Inside,yes"], "no verdict on a row"),
    ],
)
def test_verdicts_that_say_nothing_are_refused(
    lines: list[str],
    words: str,
    dataset: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = write_verdicts(tmp_path / "v.csv", *lines)
    words_of = ["train", str(dataset), "--out", str(tmp_path / "run"), "--verdicts", str(file)]
    assert main(words_of) == 2
    assert words in capsys.readouterr().err
