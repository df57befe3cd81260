"""Charts of figures: bars with quartiles, that need no colour to be read."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from reporting.figures import Figure, panels
from reporting.run import BenchResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAR_INCHES: Final = 0.34
PANEL_INCHES: Final = 0.9
"""For the title and the axis of a panel."""
WIDTH_INCHES: Final = 8.5
LABEL_ROOM: Final = 1.35
"""How far the axis goes, as a multiple of the longest bar: its label stands behind it."""
OURS: Final[dict[str, Any]] = {"facecolor": "#404040", "hatch": ""}
OTHERS: Final[dict[str, Any]] = {"facecolor": "#f4f4f4", "hatch": "////"}
"""Full bars are ours."""
SETTINGS: Final[dict[Any, Any]] = {
    "font.size": 9,
    "hatch.linewidth": 0.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "geograph-types",
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw_charts(results: BenchResults, stem: Path) -> dict[str, str]:
    """Draw a chart of each section, `STEM-SECTION.png` and `.svg`; return the latter's names."""
    names = {}
    for section, found in results.sections.items():
        if found.figures:
            path = stem.with_name(f"{stem.name}-{section}.svg")
            _draw(found.title, found.figures, path)
            names[section] = path.name
    return names


def _draw(title: str, figures: Sequence[Figure], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    grouped = [panel for _, panel in panels(figures)]
    heights = [PANEL_INCHES + BAR_INCHES * len(panel) for panel in grouped]
    with mpl.rc_context(SETTINGS):
        chart, axes = pyplot.subplots(
            len(grouped),
            1,
            figsize=(WIDTH_INCHES, sum(heights) + PANEL_INCHES),
            height_ratios=heights,
            squeeze=False,
            layout="constrained",
        )
        chart.suptitle(f"{title} (full bars: this project; lines: quartiles)", fontsize=10)
        for axis, panel in zip(axes[:, 0], grouped, strict=True):
            _panel(axis, panel)
        chart.savefig(path.with_suffix(".png"), dpi=110, metadata={"Software": None})
        chart.savefig(path, metadata={"Date": None})
        pyplot.close(chart)


def _panel(axis: "Axes", panel: list[Figure]) -> None:
    """Draw the figures of one group, the best on top, each with its value behind its bar."""
    more_is_better = panel[0].more_is_better
    longest = max(figure.spread.high for figure in panel)
    for place, figure in enumerate(panel):
        middle = figure.spread
        axis.barh(place, middle.median, edgecolor="black", **(OURS if figure.ours else OTHERS))
        if figure.rounds > 1:
            errors = [[middle.median - middle.low], [middle.high - middle.median]]
            axis.errorbar(middle.median, place, xerr=errors, color="black", capsize=3)
        axis.text(middle.high + longest * 0.015, place, _label(middle.median), va="center")
    axis.set_yticks(range(len(panel)), [figure.name for figure in panel])
    axis.invert_yaxis()
    axis.set_xlim(0, longest * LABEL_ROOM)
    better = "more is better" if more_is_better else "less is better"
    axis.set_title(f"{panel[0].group}: {panel[0].unit}, {better}", loc="left", fontsize=9)


def _label(value: float) -> str:
    """Return three significant digits, and all digits before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
