"""An evaluation as plain text."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.evaluation.results import Evaluation, HeadEvaluation, Scores

WIDTH = 120
"""In columns, if the output is not a terminal."""

RULES = {
    "0.5": "threshold 0.5",
    "own": "its own thresholds",
    "validation": "thresholds from validation",
}


def show_evaluation(evaluation: Evaluation) -> None:
    """Print an evaluation on standard output; the last line is the macro-F1 of the first head."""
    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else WIDTH, highlight=False)
    for label, head in zip(evaluation.labels, evaluation.heads, strict=True):
        console.print(_classes(label, head.quoted))
        console.print(_drone(head))
        console.print(_calibration(head))
    console.print(_means(evaluation))
    console.print(_distances(evaluation))
    if len(evaluation.heads) > 1:
        console.print(_side_by_side(evaluation))
    console.print()
    for label, head in reversed(tuple(zip(evaluation.labels, evaluation.heads, strict=True))):
        console.print(_last_line(evaluation.rows, label, head.quoted), soft_wrap=True)


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, title_style="bold")
    for i, name in enumerate(columns):
        # Folded: what tells two long names apart may be at their ends.
        table.add_column(name, justify="left" if i == 0 else "right", overflow="fold")
    return table


def _classes(name: str, scores: Scores) -> Table:
    columns = ("class", "F1", "95 % interval", "precision", "recall", "avg precision", "threshold")
    table = _table(f"\n{escape(name)}, {RULES[scores.rule]}", (*columns, "rows"))
    for found in scores.classes:
        table.add_row(
            found.name,
            _share(found.f1),
            f"{found.f1_low:.3f} to {found.f1_high:.3f}",
            _share(found.precision),
            _share(found.recall),
            _share(found.average_precision),
            f"{found.threshold:.3f}",
            str(found.support),
        )
    return table


def _drone(head: HeadEvaluation) -> Table:
    columns = ("From Drone is", "F1", "precision", "recall", "avg precision", "rows")
    table = _table("\ntrue and pseudo drone", columns)
    for found in head.drone:
        table.add_row(
            "set by a moderator" if found.kind == "true" else "taken from From Above",
            _share(found.f1),
            _share(found.precision),
            _share(found.recall),
            _share(found.average_precision),
            str(found.support),
        )
    return table


def _calibration(head: HeadEvaluation) -> Table:
    table = _table("\nexpected calibration error", ("probabilities", *CLASSES))
    table.add_row("as it is", *(_share(found.error) for found in head.calibration))
    if any(found.error_after is not None for found in head.calibration):
        table.add_row(
            "scaled on validation", *(_share(found.error_after) for found in head.calibration)
        )
    return table


def _means(evaluation: Evaluation) -> Table:
    table = _table("\nmeans of F1", ("head", "thresholds", "micro", "macro", "weighted", "samples"))
    for label, head in zip(evaluation.labels, evaluation.heads, strict=True):
        for scores in head.scores:
            means = (_share(mean.f1) for mean in scores.means)
            table.add_row(escape(label), RULES[scores.rule], *means)
    return table


def _distances(evaluation: Evaluation) -> Table:
    title = "\ndistance honesty (threshold 0.5)"
    table = _table(title, ("head", "distance", "micro-F1", "macro-F1", "rows whose tags flip"))
    for label, head in zip(evaluation.labels, evaluation.heads, strict=True):
        for found in head.distances:
            table.add_row(
                escape(label),
                found.distance,
                _share(found.micro_f1),
                _share(found.macro_f1),
                f"{found.flipped:.1%}",
            )
    return table


def _side_by_side(evaluation: Evaluation) -> Table:
    table = _table("\nF1 side by side", ("class", *map(escape, evaluation.labels)))
    for i, name in enumerate(CLASSES):
        found = (head.quoted.classes[i].f1 for head in evaluation.heads)
        table.add_row(name, *(_share(f1) for f1 in found))
    return table


def _last_line(rows: int, label: str, scores: Scores) -> str:
    macro = scores.mean("macro")
    return (
        f"macro-F1 {macro.f1:.3f} ({macro.f1_low:.3f} to {macro.f1_high:.3f}) on {rows} "
        f"rows: {escape(label)}, {RULES[scores.rule]}"
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
