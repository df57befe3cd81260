"""Run contenders in turn, round by round, so that whatever else the machine does falls on all."""

import random
from collections.abc import Iterable, Iterator


def turns(names: Iterable[str], rounds: int) -> Iterator[tuple[int, str]]:
    """Return the number of each round, from 0, with every name once, in a new order each round."""
    order = list(names)
    shuffled = random.Random(0)
    for number in range(rounds):
        shuffled.shuffle(order)
        yield from ((number, name) for name in list(order))
