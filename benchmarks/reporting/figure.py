"""One measured figure, in the same form for all benchmarks."""

import msgspec

from measuring.spread import Spread


class Figure(msgspec.Struct, frozen=True):
    """One measured figure.

    Attributes:
        group: what is compared; figures of a group have one unit and belong in one picture.
        name: of the contender.
        unit: of the figure.
        ours: it is of this project's code.
        more_is_better: as of a rate.
        rounds: how often it was measured.
        spread: over the rounds; one measurement alone has equal quartiles.
    """

    group: str
    name: str
    unit: str
    ours: bool
    more_is_better: bool
    rounds: int
    spread: Spread
