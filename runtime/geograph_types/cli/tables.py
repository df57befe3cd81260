"""Tables for people at a terminal."""

from geograph_types.files.text import displayable
from geograph_types.photos.result import PhotoResult

__all__ = ["ResultTable"]

BAR_WIDTH = 10


class ResultTable:
    """Photos with their tags, best probability and distance."""

    def __init__(self) -> None:
        """Start an empty table."""
        from rich.table import Table

        self._table = Table(box=None, pad_edge=False)
        for heading in ("photo", "tags", "most probable", "", "distance"):
            self._table.add_column(heading, overflow="fold")

    def add(self, result: PhotoResult) -> None:
        """Add a photo's line."""
        from rich.markup import escape

        name = escape(displayable(str(result.path)))
        if result.prediction is None:
            self._table.add_row(name, f"[red]{result.error.fault if result.error else ''}[/red]")
            return
        prediction = result.prediction
        best = max(prediction.probabilities, key=prediction.probabilities.__getitem__)
        probability = prediction.probabilities[best]
        tags = ", ".join(prediction.tags) + (" ?" if prediction.low_confidence else "")
        metres = prediction.distance.metres
        far = prediction.distance.basis.value if metres is None else f"{metres:.0f} m"
        bar = "█" * round(probability * BAR_WIDTH)
        self._table.add_row(name, tags, f"{best} {probability:.2f}", bar, far)

    def show(self) -> None:
        """Print the table on standard output."""
        from rich.console import Console

        Console().print(self._table)
