"""A picture of how tags change between two bundles: gains and losses by tag, and the main flows.

One SVG file without scripts, fonts or links, so that it opens anywhere.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from geograph_types.stored.compare import Flow, TagChanges
from geograph_types.tags import FINAL_TAGS

WIDTH: Final = 1040
MARGIN: Final = 32
BAR_HEIGHT: Final = 16
BAR_STEP: Final = 26
BAR_REACH: Final = 300
"""Longest bar to either side of the middle."""
NAMES_WIDTH: Final = 120

SHOWN_FLOWS: Final = 14
FLOW_HEIGHT: Final = 360
"""Height of all flows together, without the gaps between them."""
NODE_WIDTH: Final = 12
NODE_GAP: Final = 12
NODE_LEAST: Final = 5.0
"""Least height of a flow, so that it can be seen."""
SHOWN_TAGS: Final = 3
"""Of a set; the bands' titles name them all."""
LEFT: Final = 320
RIGHT: Final = WIDTH - LEFT - NODE_WIDTH

COLOURS: Final = dict(
    zip(
        FINAL_TAGS,
        ("#0072b2", "#009e73", "#7b5ea7", "#8c8c8c", "#56a0d3", "#d55e00", "#c49a00"),
        strict=True,
    )
)
"""Told apart by people who do not see all colours, too."""
GAINED: Final = "#0072b2"
LOST: Final = "#d55e00"
STYLE: Final = (
    "text{font:14px system-ui,sans-serif;fill:#222}.title{font-size:20px;font-weight:600}"
    ".head{font-size:16px;font-weight:600}.note{fill:#666}.end{text-anchor:end}"
    ".middle{text-anchor:middle}"
)


@dataclass(slots=True)
class Node:
    """A set of tags on one side of the flows.

    Attributes:
        tags: of the set.
        photos: that leave or reach it in the flows that are drawn.
        top: its upper edge.
        height: of all its flows.
        filled: how much of the height flows have taken.
    """

    tags: tuple[str, ...]
    photos: int = 0
    top: float = 0.0
    height: float = 0.0
    filled: float = 0.0


def draw_changes(changes: TagChanges, old: str, new: str) -> str:
    """Draw gains and losses by tag, and below them the flows of most photos from set to set.

    Args:
        changes: counts.
        old: label of the bundle before.
        new: label of the bundle after.

    Returns:
        An SVG document.
    """
    share = changes.changed / changes.photos if changes.photos else 0.0
    bars_top = MARGIN + 96
    flows_top = bars_top + len(FINAL_TAGS) * BAR_STEP + 84
    flows = list(changes.flows())
    drawn, height = _draw_flows(flows[:SHOWN_FLOWS], flows_top)
    title = f"{changes.changed:,} of {changes.photos:,} photos change their tags ({share:.1%})"
    rest = sum(flow.photos for flow in flows[SHOWN_FLOWS:])
    note = f"{rest:,} photos change in {len(flows[SHOWN_FLOWS:])} other ways" if rest else ""
    bottom = flows_top + height
    body = [
        _text(MARGIN, MARGIN + 12, title, "title"),
        _text(MARGIN, MARGIN + 36, f"from {old} to {new}", "note"),
        _text(MARGIN, bars_top - 20, "Photos that lose or gain each tag", "head"),
        *_draw_bars(changes, bars_top),
        _text(MARGIN, flows_top - 44, "Most frequent changes", "head"),
        _text(LEFT - 10, flows_top - 16, "before", "note end"),
        _text(RIGHT + NODE_WIDTH + 10, flows_top - 16, "after", "note"),
        *drawn,
        _text(WIDTH / 2, bottom + 20, note, "note middle"),
    ]
    full = round(bottom + 20 + MARGIN)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {full}" '
        f'width="{WIDTH}" height="{full}" role="img"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style>"
        f'<rect width="{WIDTH}" height="{full}" fill="#fff"/>' + "\n".join(body) + "</svg>\n"
    )


def _draw_bars(changes: TagChanges, top: float) -> Iterator[str]:
    """Draw losses to the left of the tags' names and gains to their right, on one scale."""
    gained, lost = changes.gained, changes.lost
    most = max(*gained.values(), *lost.values(), 1)
    middle = WIDTH / 2
    for number, tag in enumerate(FINAL_TAGS):
        y = top + number * BAR_STEP
        line = y + BAR_HEIGHT - 3
        left, right = middle - NAMES_WIDTH / 2, middle + NAMES_WIDTH / 2
        less, more = (BAR_REACH * count / most for count in (lost[tag], gained[tag]))
        yield _text(middle, line, tag, "middle")
        yield _rect(left - less, y, less, BAR_HEIGHT, LOST)
        yield _text(left - less - 6, line, f"-{lost[tag]:,}" if lost[tag] else "0", "end")
        yield _rect(right, y, more, BAR_HEIGHT, GAINED)
        yield _text(right + more + 6, line, f"+{gained[tag]:,}" if gained[tag] else "0")


def _draw_flows(flows: Sequence[Flow], top: float) -> tuple[list[str], float]:
    """Draw flows as bands as wide as their photos are many; gives their height too."""
    scale = FLOW_HEIGHT / max(1, sum(flow.photos for flow in flows))
    widths = [max(NODE_LEAST, flow.photos * scale) for flow in flows]
    before: dict[tuple[str, ...], Node] = {}
    after: dict[tuple[str, ...], Node] = {}
    for flow, width in zip(flows, widths, strict=True):
        for side, tags in ((before, flow.before), (after, flow.after)):
            node = side.setdefault(tags, Node(tags))
            node.photos += flow.photos
            node.height += width
    bottom = max(_stack(before.values(), top), _stack(after.values(), top))
    places = {tags: number for number, tags in enumerate(after)}
    bands = []
    # Bands leave a set in the order in which they arrive, so that they cross as little as can be.
    for flow, width in sorted(
        zip(flows, widths, strict=True), key=lambda pair: places[pair[0].after]
    ):
        start, end = before[flow.before], after[flow.after]
        y0, y1 = start.top + start.filled + width / 2, end.top + end.filled + width / 2
        start.filled += width
        end.filled += width
        bands.append(_band(y0, y1, width, flow))
    labels = [
        part
        for x, text_x, style, side in (
            (LEFT, LEFT - 10, "end", before),
            (RIGHT, RIGHT + NODE_WIDTH + 10, "", after),
        )
        for node in side.values()
        for part in _node(x, text_x, style, node)
    ]
    return bands + labels, bottom - top


def _stack(nodes: Iterable[Node], top: float) -> float:
    """Put nodes below each other; gives the lower edge."""
    for node in nodes:
        node.top = top
        top += max(node.height, BAR_HEIGHT) + NODE_GAP
    return top


def _node(x: float, text_x: float, style: str, node: Node) -> Iterator[str]:
    yield _rect(x, node.top, NODE_WIDTH, node.height, COLOURS[node.tags[0]])
    more = len(node.tags) - SHOWN_TAGS
    name = ", ".join(node.tags[:SHOWN_TAGS]) + (f" +{more}" if more > 0 else "")
    name += f" ({node.photos:,})"
    yield _text(text_x, node.top + node.height / 2 + 5, name, style)


def _band(y0: float, y1: float, width: float, flow: Flow) -> str:
    start, end, middle = LEFT + NODE_WIDTH, RIGHT, WIDTH / 2
    name = f"{', '.join(flow.before)} → {', '.join(flow.after)}: {flow.photos:,}"
    return (
        f'<path d="M{start} {y0:.1f}C{middle} {y0:.1f} {middle} {y1:.1f} {end} {y1:.1f}" '
        f'fill="none" stroke="{COLOURS[flow.before[0]]}" stroke-width="{width:.1f}" '
        f'stroke-opacity="0.45"><title>{escape(name)}</title></path>'
    )


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'
    )


def _text(x: float, y: float, text: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}">{escape(text)}</text>'
