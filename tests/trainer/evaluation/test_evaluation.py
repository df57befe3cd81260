"""Heads are judged on held-out rows: scores, drone, distance honesty, calibration, table, page."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from geograph_types.distance.distance import BUCKET_COUNT, UNKNOWN_BUCKET
from geograph_types.errors import InputError
from geograph_types.taxonomy import CLASS_INDEX, CLASSES
from geograph_types.thresholds import Guarantee, Thresholds
from geograph_types_trainer.dataset.memory import TrainingData
from geograph_types_trainer.evaluation.judge import evaluate
from geograph_types_trainer.evaluation.page import evaluation_page
from geograph_types_trainer.evaluation.predictor import Predictor
from geograph_types_trainer.evaluation.results import Evaluation
from geograph_types_trainer.evaluation.table import show_evaluation

ROWS = 600
DRONE = CLASS_INDEX["From Drone"]
SEVEN = len(CLASSES)


def drawn_data(splits: tuple[int, ...] = (0, 1, 2, 2)) -> TrainingData:
    """Draw rows whose labels stand, noisily, in the first seven dimensions."""
    generator = np.random.default_rng(4)
    labels = (generator.random((ROWS, SEVEN)) < 0.3).astype(np.uint8)
    embeddings = generator.normal(0, 0.3, (ROWS, 512)).astype(np.float32)
    embeddings[:, :SEVEN] += 4.0 * labels - 2.0 + generator.normal(0, 1.5, labels.shape)
    return TrainingData(
        embeddings=embeddings,
        buckets=generator.integers(0, BUCKET_COUNT, ROWS),
        labels=labels,
        weights=np.ones(ROWS, np.float32),
        splits=np.resize(np.array(splits, np.int8), ROWS),
        ids=np.arange(ROWS),
        pseudo_drone=(labels[:, DRONE] == 1) & (generator.random(ROWS) < 0.5),
        sha256="0" * 64,
        bad_rows={},
    )


def sigmoid(logits: NDArray[np.floating]) -> NDArray[np.float32]:
    return (1 / (1 + np.exp(-logits))).astype(np.float32)


def looking(embeddings: NDArray[np.float32], buckets: NDArray[np.int64]) -> NDArray[np.float32]:
    """Judge by the picture alone."""
    return sigmoid(embeddings[:, :SEVEN])


def shifted(embeddings: NDArray[np.float32], buckets: NDArray[np.int64]) -> NDArray[np.float32]:
    """Judge by the picture, far too timidly."""
    return sigmoid(2 * embeddings[:, :SEVEN] - 6)


def measuring(embeddings: NDArray[np.float32], buckets: NDArray[np.int64]) -> NDArray[np.float32]:
    """Judge by the distance where it is known to be long."""
    found = looking(embeddings, buckets)
    found[(buckets > 9) & (buckets < UNKNOWN_BUCKET)] = 0.9
    return found


def predictor(predict: Any = looking, thresholds: Thresholds | None = None) -> Predictor:
    return Predictor(f"heads/{predict.__name__}", "run", thresholds, predict)


def judged(*predicts: Any, split: Any = "tes") -> Evaluation:
    return evaluate([predictor(one) for one in predicts], drawn_data(), "rows", split)


def test_scores_are_those_of_the_split() -> None:
    data = drawn_data()
    found = evaluate([predictor()], data, "rows")
    rows = data.rows_of("tes")
    assert (found.rows, found.validation_rows) == (len(rows), len(data.rows_of("val")))
    known, unknown = found.heads[0].states
    assert (known.rows, unknown.rows) == ((data.buckets[rows] != 22).sum(), len(rows))
    plain = unknown.scores[0]
    tags = looking(data.embeddings[rows].astype(np.float32), data.buckets[rows]) >= 0.5
    hits = (tags & (data.labels[rows] == 1)).sum(axis=0)
    f1 = 2 * hits / (tags.sum(axis=0) + data.labels[rows].sum(axis=0))
    np.testing.assert_allclose([one.f1 for one in plain.classes], f1)
    assert [one.support for one in plain.classes] == data.labels[rows].sum(axis=0).tolist()
    assert plain.mean("macro").f1 == pytest.approx(f1.mean())
    assert all(one.f1_interval[0] <= one.f1 <= one.f1_interval[1] for one in plain.classes)
    assert known.scores[0] != plain


def test_thresholds_come_from_validation_and_go_to_test() -> None:
    for found in judged(shifted).heads[0].states:
        assert [scores.rule for scores in found.scores] == ["0.5", "validation"]
        assert found.quoted.mean("macro").f1 > found.scores[0].mean("macro").f1 + 0.2


def test_own_thresholds_are_scored_beside_the_others() -> None:
    own = Thresholds.uniform(0.4)
    [found] = evaluate([predictor(looking, own)], drawn_data(), "rows", "val").heads
    for state in found.states:
        assert [scores.rule for scores in state.scores] == ["0.5", "own"]
        assert all(one.threshold == 0.4 for one in state.quoted.classes)


@pytest.mark.parametrize(("split", "rows"), [("val", ROWS // 4), ("all", ROWS)])
def test_nothing_is_fitted_where_its_rows_are_judged(split: Any, rows: int) -> None:
    found = judged(looking, split=split)
    assert (found.rows, found.validation_rows) == (rows, 0)
    for state in found.heads[0].states:
        assert state.quoted.rule == "0.5"
        assert all(one.error_after is None for one in state.calibration)
    assert found.heads[0].guarantee is None


def test_a_split_without_rows_is_an_error_that_names_the_way_out() -> None:
    with pytest.raises(InputError, match=r"no rows of split 'tes'.*all"):
        evaluate([predictor()], drawn_data(splits=(0, 1)), "rows")


def test_without_validation_rows_nothing_is_fitted() -> None:
    found = evaluate([predictor()], drawn_data(splits=(0, 2)), "rows")
    assert found.validation_rows == 0
    assert len(found.heads[0].states[0].scores) == 1


def test_nothing_that_the_test_rows_say_moves_what_is_kept() -> None:
    data = drawn_data()
    other = replace(data, labels=data.labels.copy())
    other.labels[data.rows_of("tes")] ^= 1
    kept = []
    for one in (data, other):
        [head] = evaluate([predictor()], one, "rows", promise=Guarantee(0.8, 0.8)).heads
        states = head.states
        lines = [[c.line for c in state.calibration] for state in states]
        certain = [[c and c.threshold for c in state.certain] for state in states]
        kept.append((lines, certain, [[c.threshold for c in s.quoted.classes] for s in states]))
    assert kept[0] == kept[1]
    assert any(any(state) for state in kept[0][1])


def test_rows_whose_distance_is_never_known_have_one_state() -> None:
    data = replace(drawn_data(), buckets=np.full(ROWS, UNKNOWN_BUCKET))
    found = evaluate([predictor()], data, "rows")
    assert [state.state for state in found.heads[0].states] == ["unknown"]
    assert "looking, distance known" not in evaluation_page(found)


def test_true_and_pseudo_drone_are_scored_apart() -> None:
    data = drawn_data()
    true, pseudo = evaluate([predictor()], data, "rows").heads[0].states[1].drone
    rows = data.rows_of("tes")
    drone = data.labels[rows, DRONE] == 1
    assert (true.kind, pseudo.kind) == ("true", "pseudo")
    assert true.support + pseudo.support == drone.sum()
    assert pseudo.support == data.pseudo_drone[rows].sum()


def test_a_head_that_reads_the_distance_is_found_out() -> None:
    honest, dishonest = judged(looking, measuring).heads
    assert [one.distance for one in honest.distances] == ["recorded", "unknown", "other row"]
    assert [one.flipped for one in honest.distances] == [0, 0, 0]
    assert honest.distances[0].micro_f1 == honest.distances[2].micro_f1
    assert dishonest.distances[0].flipped == 0
    assert min(one.flipped for one in dishonest.distances[1:]) > 0.3


def test_calibration_helps_a_timid_head() -> None:
    found = judged(shifted).heads[0].states[1].calibration
    assert all((one.error_after or 1) < one.error for one in found)
    assert all(one.line is not None and one.line[0] < 1 for one in found)
    assert all(sum(step.rows for step in one.bins) == ROWS // 2 for one in found)


def test_the_same_rows_give_the_same_result() -> None:
    assert judged(looking, measuring) == judged(looking, measuring)


def test_an_evaluation_survives_json() -> None:
    found = judged(looking, measuring)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Evaluation) == found


@pytest.mark.parametrize(
    ("paths", "labels"),
    [
        (["a/head", "b/other"], ["head", "other"]),
        (["a/head", "b/head", "b/other"], ["a/head", "b/head", "other"]),
        (["/a/a/runs/head", "/a/b/runs/head"], ["a/runs/head", "b/runs/head"]),
        ([f"{'long' * 20}-a", f"{'long' * 20}-b"], [f"{'long' * 20}-a", f"{'long' * 20}-b"]),
        (["head", "a/head", "/head"], ["head", "a/head", "/head"]),
    ],
)
def test_heads_have_the_shortest_names_that_tell_them_apart(
    paths: list[str], labels: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    heads = [Predictor(path, "run", None, looking) for path in paths]
    found = evaluate(heads, drawn_data(), "rows")
    assert list(found.labels) == labels
    show_evaluation(found)
    shown = capsys.readouterr().out
    assert all(f" rows: {label}, calibration and threshold" in shown for label in labels)
    assert "…" not in shown


def shown(evaluation: Evaluation, capsys: pytest.CaptureFixture[str]) -> str:
    show_evaluation(evaluation)
    return capsys.readouterr().out


SAME, OTHER = "0" * 64, "1" * 64


@pytest.mark.parametrize(
    ("split", "trained_on", "tuned_on", "source", "words"),
    [
        ("tes", SAME, SAME, None, None),
        ("all", SAME, None, None, "some of which the head was trained on"),
        ("val", SAME, None, None, "rows that the head was tuned on"),
        ("val", OTHER, SAME, None, "rows that the head was tuned on"),
        ("all", OTHER, SAME, None, "rows that the head was tuned on"),
        ("all", "2" * 64, None, "2" * 64, "some of which the head was trained on"),
        ("all", OTHER, OTHER, "2" * 64, None),
        ("all", None, None, None, None),
        ("val", "not recorded", None, None, None),
    ],
)
def test_the_headline_says_what_the_rows_served_for_before(
    split: Any,
    trained_on: str | None,
    tuned_on: str | None,
    source: str | None,
    words: str | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = replace(drawn_data(), metadata={"source_sha256": source} if source else {})
    head = replace(predictor(), trained_on=trained_on, tuned_on=tuned_on)
    found = evaluate([head], data, "rows", split)
    headline, page = shown(found, capsys).splitlines()[-1], evaluation_page(found)
    if words:
        assert words in headline and words in page
    else:
        assert "the head was" not in headline + page


@pytest.mark.parametrize(
    ("kept", "split", "words"),
    [
        ({"tes": {"rows": (60, 600), "From Drone": (6, 60)}}, "tes", "10% of the rows, every"),
        (
            {"tes": {"rows": (60, 600), "From Drone": (60, 60)}},
            "tes",
            "10% of the rows but 100% of From Drone, so",
        ),
        ({"tra": {"rows": (9, 99)}, "val": {"rows": (1, 1)}}, "all", "10% of the rows, every"),
        ({"tra": {"rows": (60, 600), "Inside": (9, 9)}}, "tes", None),
        ({"tes": "many"}, "tes", None),
        (None, "tes", None),
    ],
)
def test_a_sample_says_that_it_is_one(
    kept: Any, split: Any, words: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    data = replace(drawn_data(), metadata={"kept": kept} if kept else {})
    found = evaluate([predictor()], data, "rows", split)
    table, page = shown(found, capsys), evaluation_page(found)
    if words:
        assert f"a sample of {words}" in table and f"a sample of {words}" in page
    else:
        assert "sample of" not in table + page


def test_a_class_without_rows_and_one_with_few_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    data = drawn_data()
    data.labels[:, DRONE] = 0
    rows = data.rows_of("tes")
    data.labels[rows, 0] = 0
    data.labels[rows[:2], 0] = 1
    found = evaluate([predictor()], data, "rows")
    drawn = found.heads[0].states[1].quoted.classes[0].empty_draws
    assert 80 < drawn < 200  # of 1,000; exp(-2) of them are expected
    table, page = shown(found, capsys), evaluation_page(found)
    for text in (table, page):
        assert "No rows, and so 0 in the mean (unknown): From Drone." in text
        assert f"Aerial {drawn}" in text
    assert re.search(r"^From Drone +no rows", table, re.MULTILINE)
    assert "no rows" in page


def test_the_table_ends_with_macro_f1(capsys: pytest.CaptureFixture[str]) -> None:
    show_evaluation(judged(looking, measuring))
    lines = capsys.readouterr().out.splitlines()
    assert all(any(line.startswith(name) for line in lines) for name in CLASSES)
    assert lines[-1].startswith("macro-F1 0.")
    assert "looking" in lines[-1]
    assert "300 rows" in lines[-1]
    assert all(words in lines[-1] for words in ("0.75", "distance known", "distance unknown"))


class Page(HTMLParser):
    """Collects what a page would fetch or run, and whether its elements close."""

    def __init__(self) -> None:
        super().__init__()
        self.foreign: list[str] = []
        self.open: list[str] = []
        self.unnamed_plots = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.foreign += [f"{tag} {key}" for key in given if key in ("src", "href", "onload")]
        self.foreign += [tag] * (tag in ("script", "link", "iframe"))
        self.unnamed_plots += tag == "svg" and not given.get("aria-label")
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else() -> None:
    text = evaluation_page(judged(looking, measuring, shifted, looking, measuring))
    page = Page()
    page.feed(text)
    assert (page.open, page.foreign, page.unnamed_plots) == ([], [], 0)
    assert "url(" not in text and "@import" not in text
    assert all(text.count(name) > 3 for name in CLASSES)


def test_the_page_escapes_names() -> None:
    odd = Predictor("<b>&head", "run", None, looking)
    text = evaluation_page(evaluate([odd], drawn_data(), "<i>rows", "all"))
    assert "<b>&head" not in text and "<i>" not in text
    assert "&lt;b&gt;&amp;head" in text
