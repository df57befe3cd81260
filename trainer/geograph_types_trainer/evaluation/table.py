"""The tables of an evaluation, and the evaluation as plain text."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.evaluation.bootstrap import DRAWS
from geograph_types_trainer.evaluation.results import (
    ClassScore,
    DroneScore,
    Evaluation,
    HeadEvaluation,
)

WIDTH: Final = 120
"""In columns, if the output is not a terminal."""

RULES: Final = {
    "0.5": "threshold 0.5",
    "own": "its own thresholds",
    "validation": "thresholds from validation",
}
SEEN: Final = {
    None: "",
    "trained": ", some of which the head was trained on",
    "tuned": " that the head was tuned on",
}
KINDS: Final = {"true": "set by a moderator", "pseudo": "taken from From Above"}


@dataclass(frozen=True)
class Figures:
    """A table: its first column names the rows."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    note: str = ""


def tables(evaluation: Evaluation) -> Iterator[Figures]:
    """Lay an evaluation out as tables."""
    heads = tuple(zip(evaluation.labels, evaluation.heads, strict=True))
    columns: tuple[str, ...]
    for label, head in heads:
        yield _classes(label, head)
        columns = ("From Drone is", "F1", "precision", "recall", "avg precision", "rows")
        drone = [_drone_row(one) for one in head.drone]
        yield Figures(f"{label}, true and pseudo drone", columns, drone)
        calibration = [("as it is", *_rates(*(one.error for one in head.calibration)))]
        if evaluation.validation_rows:
            after = _rates(*(one.error_after for one in head.calibration))
            calibration.append(("scaled on validation", *after))
        columns = ("probabilities", *CLASSES)
        yield Figures(f"{label}, expected calibration error", columns, calibration)
    means = [
        (label, RULES[scores.rule], *_rates(*(mean.f1 for mean in scores.means)))
        for label, head in heads
        for scores in head.scores
    ]
    columns = ("head", "thresholds", "micro", "macro", "weighted", "samples")
    yield Figures("means of F1", columns, means)
    distances = [
        (label, one.distance, *_rates(one.micro_f1, one.macro_f1), f"{one.flipped:.1%}")
        for label, head in heads
        for one in head.distances
    ]
    columns = ("head", "distance", "micro-F1", "macro-F1", "rows whose tags flip")
    yield Figures("distance honesty (threshold 0.5)", columns, distances)
    if len(heads) > 1:
        side_by_side = [
            (name, *(_class_row(head.quoted.classes[i])[1] for _, head in heads))
            for i, name in enumerate(CLASSES)
        ]
        yield Figures("F1 side by side", ("class", *evaluation.labels), side_by_side)


def _classes(label: str, head: HeadEvaluation) -> Figures:
    columns = ("class", "F1", "95 % interval", "precision", "recall", "avg precision", "threshold")
    rows = [_class_row(one) for one in head.quoted.classes]
    absent = [one.name for one in head.quoted.classes if not one.support]
    note = f"No rows, and so 0 in the mean: {', '.join(absent)}. " if absent else ""
    drawn = [
        f"{one.name} {one.empty_draws}"
        for one in head.quoted.classes
        if one.support and one.empty_draws
    ]
    if drawn:
        note += f"Of {DRAWS} draws behind an interval, F1 is 0 where none has the class: "
        note += f"{', '.join(drawn)}."
    return Figures(f"{label}, {RULES[head.quoted.rule]}", (*columns, "rows"), rows, note)


def _class_row(found: ClassScore) -> tuple[str, ...]:
    threshold = f"{found.threshold:.3g}" if found.threshold < 0.1 else f"{found.threshold:.3f}"
    if not found.support:
        return (found.name, "no rows", "-", "-", "-", "-", threshold, "0")
    return (
        found.name,
        *_rates(found.f1),
        f"{found.f1_low:.3f} to {found.f1_high:.3f}",
        *_rates(found.precision, found.recall, found.average_precision),
        threshold,
        str(found.support),
    )


def _drone_row(found: DroneScore) -> tuple[str, ...]:
    if not found.support:
        return (KINDS[found.kind], "no rows", "-", "-", "-", "0")
    rates = _rates(found.f1, found.precision, found.recall, found.average_precision)
    return (KINDS[found.kind], *rates, str(found.support))


def _rates(*values: float | None) -> tuple[str, ...]:
    return tuple("-" if value is None else f"{value:.3f}" for value in values)


def show_evaluation(evaluation: Evaluation) -> None:
    """Print an evaluation on standard output; the last line is the macro-F1 of the first head."""
    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else WIDTH, highlight=False)
    for figures in tables(evaluation):
        title = f"\n{escape(figures.title)}"
        table = Table(
            title=title, title_justify="left", box=None, pad_edge=False, title_style="bold"
        )
        for i, name in enumerate(figures.columns):
            # Folded: what tells two long names apart may be at their ends.
            table.add_column(escape(name), justify="right" if i else "left", overflow="fold")
        for row in figures.rows:
            table.add_row(*map(escape, row))
        console.print(table)
        if figures.note:
            console.print(figures.note, soft_wrap=True)
    console.print()
    if evaluation.sample_remark:
        console.print(f"The file is {evaluation.sample_remark}.", soft_wrap=True)
    for label, head in reversed(tuple(zip(evaluation.labels, evaluation.heads, strict=True))):
        macro = head.quoted.mean("macro")
        console.print(
            f"macro-F1 {macro.f1:.3f} ({macro.f1_low:.3f} to {macro.f1_high:.3f}) on "
            f"{evaluation.rows} rows{SEEN[head.seen]}: {escape(label)}, {RULES[head.quoted.rule]}",
            soft_wrap=True,
        )
