"""Plots of the evaluation page, as SVG that keeps its text readable at any width.

A plot that grows with the page has positions in percent and its text in the HTML around it, so
that nothing shrinks on a narrow screen. Colours are classes of the page's style sheet (`h0`, `h1`,
... by head), which has a light and a dark theme.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from geograph_types_trainer.evaluation.results import ReliabilityBin

LINE_HEIGHT: Final = 22
COLOURS: Final = 4
"""Head colours in the style sheet; further heads reuse them."""

SIDE: Final = 150
MARGIN: Final = 32
SMALLEST_DOT: Final = 1.5
DOT_GROWTH: Final = 5.0


@dataclass(frozen=True, slots=True)
class Mark:
    """One head's value on a scale from 0 to 1, perhaps with its interval."""

    head: int  # its number, from 0
    value: float
    low: float | None = None
    high: float | None = None


def colour(head: int) -> str:
    """Return the style class of a head."""
    return f"h{head % COLOURS}"


def track(marks: Sequence[Mark], description: str) -> str:
    """Draw values on a scale from 0 to 1, one line each, as wide as the page allows."""
    height = LINE_HEIGHT * len(marks)
    grid = "".join(
        f'<line class="grid" x1="{at}%" x2="{at}%" y1="0" y2="{height}"/>'
        for at in (0, 25, 50, 75, 100)
    )
    lines = "".join(_mark(mark, i) for i, mark in enumerate(marks))
    return (
        f'<svg class="track" height="{height}" role="img" aria-label="{escape(description)}">'
        f"{grid}{lines}</svg>"
    )


def _mark(mark: Mark, line: int) -> str:
    y = LINE_HEIGHT * line + LINE_HEIGHT // 2
    parts = [f'<g class="{colour(mark.head)}">']
    if mark.low is not None and mark.high is not None:
        parts.append(f'<line x1="{mark.low:.2%}" x2="{mark.high:.2%}" y1="{y}" y2="{y}"/>')
    parts.append(f'<circle cx="{mark.value:.2%}" cy="{y}" r="5"/></g>')
    return "".join(parts)


def scale_row() -> str:
    """Return the numbers of the scale under tracks."""
    return (
        '<div class="scale" aria-hidden="true"><span>0</span><span>0.5</span><span>1</span></div>'
    )


def reliability_plot(
    name: str, head: int, before: Sequence[ReliabilityBin], after: Sequence[ReliabilityBin]
) -> str:
    """Draw observed shares against promised probabilities of one class.

    The curve `before` scaling is solid, and the area of its dots grows with their rows; the one
    `after` scaling is dashed and may be empty.
    """
    size = SIDE + 2 * MARGIN
    far = MARGIN + SIDE
    ticks = "".join(
        f'<text x="{_x(at):.0f}" y="{far + 16}" text-anchor="middle">{at:g}</text>'
        f'<text x="{MARGIN - 8}" y="{_y(at) + 4:.0f}" text-anchor="end">{at:g}</text>'
        for at in (0.0, 0.5, 1.0)
    )
    points = [(found.promised, found.observed) for found in before]
    most = max((found.rows for found in before), default=1)
    dots = "".join(
        f'<circle cx="{_x(found.promised):.1f}" cy="{_y(found.observed):.1f}" '
        f'r="{SMALLEST_DOT + DOT_GROWTH * math.sqrt(found.rows / most):.1f}"/>'
        for found in before
    )
    scaled = [(found.promised, found.observed) for found in after]
    return (
        f'<svg class="reliability" viewBox="0 0 {size} {size}" width="{size}" height="{size}" '
        f'role="img" aria-label="{escape(name)}: observed share by promised probability">'
        f'<rect class="frame" x="{MARGIN}" y="{MARGIN}" width="{SIDE}" height="{SIDE}"/>'
        f'<line class="grid" x1="{MARGIN}" y1="{far}" x2="{far}" y2="{MARGIN}"/>{ticks}'
        f'<g class="{colour(head)}">{_curve(points, "")}{_curve(scaled, "dashed")}{dots}</g></svg>'
    )


def _curve(points: Sequence[tuple[float, float]], style: str) -> str:
    if not points:
        return ""
    path = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in points)
    return f'<polyline class="{style}" points="{path}"/>'


def _x(value: float) -> float:
    return MARGIN + SIDE * value


def _y(value: float) -> float:
    return MARGIN + SIDE * (1 - value)
