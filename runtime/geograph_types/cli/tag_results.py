"""What `tag` prints of its results: lines, a table, and a summary."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from geograph_types.cli.notices import note
from geograph_types.cli.tally import Tally
from geograph_types.errors import OutputError
from geograph_types.files.text import displayable
from geograph_types.photos.outputs import json_line, new_results
from geograph_types.photos.result import PhotoResult


@contextmanager
def result_output(out: Path | None, quiet: bool) -> Iterator[Callable[[PhotoResult], None]]:
    """Write to a file; or on standard output a table on a terminal, JSON Lines elsewhere."""
    if out:
        with new_results(out) as write:
            yield write
    elif quiet:
        yield lambda _: None
    elif sys.stdout.isatty():
        table = ResultTable()
        yield table.add
        table.show()
    else:
        yield lambda result: _print(json_line(result))
        _print(b"", flush=True)


def _print(data: bytes, flush: bool = False) -> None:
    try:
        sys.stdout.buffer.write(data)
        if flush:
            sys.stdout.buffer.flush()
    except BrokenPipeError:  # whoever read it has left
        raise
    except OSError as error:
        raise OutputError(Path("standard output"), error.strerror or str(error)) from None


class PhotoTally:
    """Photos by what became of them, and by what is wrong with positions in their EXIF."""

    def __init__(self) -> None:
        self._tally = Tally("photos", "tagged")
        self._problems: Counter[str] = Counter()  # by kind
        self._examples: dict[str, str] = {}  # a photo of each kind

    def add(self, result: PhotoResult) -> None:
        self._tally.total += 1
        if result.error is not None:
            self._tally.fail(result.error.fault.value, result.error)
        for problem in result.problems:
            # What stands in brackets differs from photo to photo.
            kind = problem.partition(" (")[0]
            self._problems[kind] += 1
            self._examples.setdefault(kind, f"{result.path}: {problem}")

    def finish(self) -> int:
        for kind, number in self._problems.most_common():
            more = f" (and {number - 1} more photos)" if number > 1 else ""
            note(f"note: {self._examples[kind]}{more}; not used for the distance")
        return self._tally.finish()


BAR_WIDTH = 10


class ResultTable:
    """Photos with their tags, best probability and distance."""

    def __init__(self) -> None:
        from rich.table import Table

        self._table = Table(box=None, pad_edge=False)
        for heading in ("photo", "tags", "most probable", "", "distance"):
            self._table.add_column(heading, overflow="fold")

    def add(self, result: PhotoResult) -> None:
        from rich.markup import escape

        name = escape(displayable(str(result.path)))
        if result.prediction is None:
            self._table.add_row(name, f"[red]{result.error.fault if result.error else ''}[/red]")
            return
        prediction = result.prediction
        best = max(prediction.probabilities, key=prediction.probabilities.__getitem__)
        probability = prediction.probabilities[best]
        marked = (f"{tag} ✓" if tag in prediction.certain else tag for tag in prediction.tags)
        tags = ", ".join(marked) + (" ?" if prediction.low_confidence else "")
        metres = prediction.distance.metres
        far = prediction.distance.basis.value if metres is None else f"{metres:.0f} m"
        bar = "█" * round(probability * BAR_WIDTH)
        self._table.add_row(name, tags, f"{best} {probability:.2f}", bar, far)

    def show(self) -> None:
        from rich.console import Console

        Console().print(self._table)
