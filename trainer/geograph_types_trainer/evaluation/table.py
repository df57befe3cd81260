"""The tables of an evaluation, and the evaluation as plain text."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.evaluation.bootstrap import DRAWS
from geograph_types_trainer.evaluation.results import (
    DroneScore,
    Evaluation,
    HeadEvaluation,
    Interval,
    StateEvaluation,
    TagPrecision,
)

Heads: TypeAlias = tuple[tuple[str, HeadEvaluation], ...]

WIDTH: Final = 120
"""In columns, if the output is not a terminal."""

RULES: Final = {
    "0.5": "threshold 0.5",
    "own": "its own thresholds",
    "validation": "calibration and thresholds from validation",
}
SEEN: Final = {
    None: "",
    "trained": ", some of which the head was trained on",
    "tuned": " that the head was tuned on",
}
MEANS: Final = ("micro", "macro", "weighted", "samples")
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
    for label, head in heads:
        yield from _of_head(label, head, bool(evaluation.validation_rows))
    columns: tuple[str, ...] = ("head", "distance", "thresholds", *MEANS)
    means = [
        (label, state.state, RULES[scores.rule], *_rates(*(mean.f1 for mean in scores.means)))
        for label, head in heads
        for state in head.states
        for scores in state.scores
    ]
    yield Figures("means of F1", columns, means)
    columns = ("head", "distance", "micro-F1", "macro-F1", "rows whose tags flip")
    distances = [
        (label, one.distance, *_rates(one.micro_f1, one.macro_f1), f"{one.flipped:.1%}")
        for label, head in heads
        for one in head.distances
    ]
    yield Figures("distance honesty (threshold 0.5)", columns, distances)
    if len(heads) > 1:
        columns = ("class", *(f"{label}, {s.state}" for label, head in heads for s in head.states))
        rows = [(name, *_f1(heads, i)) for i, name in enumerate(CLASSES)]
        yield Figures("F1 side by side", columns, rows)


def _f1(heads: Heads, index: int) -> Iterator[str]:
    for _, head in heads:
        for state in head.states:
            found = state.quoted.classes[index]
            yield f"{found.f1:.3f}" if found.support else "no rows"


def _of_head(label: str, head: HeadEvaluation, fitted: bool) -> Iterator[Figures]:
    rule = RULES[head.states[-1].quoted.rule]
    columns: tuple[str, ...] = ("F1", "95 % interval", "0.75: precision", "95 % interval")
    yield _by_state(f"{label}, {rule}", head, columns, _f1_cells, _notes(head))
    columns = ("precision", "recall", "avg precision", "threshold", "rows")
    yield _by_state(f"{label}, precision and recall", head, columns, _rate_cells)
    if head.guarantee:
        columns = ("from", "precision", "95 % interval", "coverage")
        yield _by_state(f"{label}, certain tags: {head.guarantee}", head, columns, _certain_cells)
    rows = [
        (f"{KINDS[one.kind]}, distance {state.state}", *_drone_cells(one))
        for state in head.states
        for one in state.drone
    ]
    columns = ("From Drone is", "F1", "precision", "recall", "avg precision", "rows")
    yield Figures(f"{label}, true and pseudo drone", columns, rows)
    rows = []
    for state in head.states:
        errors = _rates(*(one.error for one in state.calibration))
        rows.append((f"{state.state}, as they are", *errors))
        if fitted:
            errors = _rates(*(one.error_after for one in state.calibration))
            rows.append((f"{state.state}, scaled on validation", *errors))
    columns = ("distance, probabilities", *CLASSES)
    yield Figures(f"{label}, expected calibration error", columns, rows)


def _by_state(
    title: str,
    head: HeadEvaluation,
    columns: tuple[str, ...],
    cells: Callable[[StateEvaluation, int], tuple[str, ...]],
    note: str = "",
) -> Figures:
    """Put the states beside each other, a row a class; the first column of each names it."""
    names = (f"{state.state}: {columns[0]}" for state in head.states)
    top = tuple(name for first in names for name in (first, *columns[1:]))
    rows = []
    for i, name in enumerate(CLASSES):
        found = (cells(state, i) for state in head.states)
        rows.append((name, *(cell for part in found for cell in part)))
    return Figures(title, ("class", *top), rows, note)


def _f1_cells(state: StateEvaluation, index: int) -> tuple[str, ...]:
    found = state.quoted.classes[index]
    if not found.support:
        return ("no rows", "-", "-", "-")
    return (f"{found.f1:.3f}", _ends(found.f1_interval), *_precision_cells(state.at_075[index]))


def _precision_cells(found: TagPrecision) -> tuple[str, ...]:
    return (*_rates(found.precision), _ends(found.interval) if found.tagged else "no tags")


def _rate_cells(state: StateEvaluation, index: int) -> tuple[str, ...]:
    found = state.quoted.classes[index]
    digits = 3 if found.threshold >= 0.1 else 4
    rates = _rates(found.precision, found.recall, found.average_precision)
    return (*rates, f"{found.threshold:.{digits}f}", str(found.support))


def _certain_cells(state: StateEvaluation, index: int) -> tuple[str, ...]:
    found = state.certain[index]
    if found is None:
        return ("none", "-", "-", "-")
    return (f"{found.threshold:.3f}", *_precision_cells(found), f"{found.coverage:.0%}")


def _notes(head: HeadEvaluation) -> str:
    note = ""
    for state in head.states:
        classes = state.quoted.classes
        if absent := [one.name for one in classes if not one.support]:
            note += f"No rows, and so 0 in the mean ({state.state}): {', '.join(absent)}. "
        drawn = [f"{c.name} {c.empty_draws}" for c in classes if c.support and c.empty_draws]
        if drawn:
            note += f"Of {DRAWS} draws behind an interval ({state.state}), F1 is 0 where none has "
            note += f"the class: {', '.join(drawn)}. "
    return note.strip()


def _drone_cells(found: DroneScore) -> tuple[str, ...]:
    if not found.support:
        return ("no rows", "-", "-", "-", "0")
    rates = _rates(found.f1, found.precision, found.recall, found.average_precision)
    return (*rates, str(found.support))


def _ends(interval: Interval) -> str:
    return f"{interval[0]:.3f}-{interval[1]:.3f}"


def _rates(*values: float | None) -> tuple[str, ...]:
    return tuple("-" if value is None else f"{value:.3f}" for value in values)


def show_evaluation(evaluation: Evaluation) -> None:
    """Print an evaluation on standard output; the last line is the first head's."""
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
        console.print(
            f"{'; '.join(_headline(head))}; on {evaluation.rows} rows{SEEN[head.seen]}: "
            f"{escape(label)}, {RULES[head.states[-1].quoted.rule]}",
            soft_wrap=True,
        )


def _headline(head: HeadEvaluation) -> Iterator[str]:
    """Return macro-F1 and the precision at 0.75, each in both states."""
    named = [(state, f"distance {state.state}") for state in head.states]
    means = ((state.quoted.mean("macro"), name) for state, name in named)
    macro = (f"{mean.f1:.3f} ({_ends(mean.f1_interval or (0, 1))}) {name}" for mean, name in means)
    yield f"macro-F1 {', '.join(macro)}"
    tags = ((state.at_075[-1], name) for state, name in named)
    shares = (f"{one.precision or 0:.3f} ({_ends(one.interval)}) {name}" for one, name in tags)
    yield f"precision at 0.75 {', '.join(shares)}"
