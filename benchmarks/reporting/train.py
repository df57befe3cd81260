"""What `train.py` measures, and how it is shown."""

from collections.abc import Iterator

import msgspec

from measuring.machine import Machine
from measuring.spread import ratio, spread


class TrainResults(msgspec.Struct, frozen=True):
    """One run of the benchmark; seconds for all rows, of every round.

    Attributes:
        before: the machine before measuring.
        after: the machine after it.
        rows: of the dataset.
        unzip: `gzip -dc`.
        convert: `dataset convert`.
        scripts: the released scripts' way to read the rows.
        ours: an epoch, with validation.
        loader: an epoch with base64 decoded in a DataLoader.
        convert_megabytes: the most memory of `dataset convert`.
        train_megabytes: the most memory of `train`.
    """

    before: Machine
    after: Machine
    rows: int
    unzip: list[float]
    convert: list[float]
    scripts: list[float]
    ours: list[float]
    loader: list[float]
    convert_megabytes: float
    train_megabytes: float

    def markdown(self) -> Iterator[str]:
        """Show it, line by line."""
        yield from self.before.markdown(self.after)
        yield f"* {self.rows:,} rows, {len(self.convert)} rounds"
        yield ""
        yield "| | seconds (quartiles) | time / ours |"
        yield "|---|---|---|"
        for name, seconds, ours in (
            ("dataset convert", self.convert, self.convert),
            ("gzip -dc", self.unzip, self.convert),
            ("released scripts, line by line", self.scripts, self.convert),
            ("an epoch, with validation", self.ours, self.ours),
            ("an epoch with base64 in a DataLoader", self.loader, self.ours),
        ):
            yield f"| {name} | {spread(seconds).text(1)} | {ratio(seconds, ours).text(2)} |"
        yield ""
        yield f"* `dataset convert`, memory at most: {self.convert_megabytes:.0f} MB"
        yield f"* `train`, memory at most: {self.train_megabytes:.0f} MB"
