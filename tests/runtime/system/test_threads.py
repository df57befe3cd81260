import threading
from collections.abc import Iterator

import pytest

from geograph_types.system.threads import map_ahead, read_ahead


def test_items_come_in_order() -> None:
    assert list(read_ahead(range(100), 3)) == list(range(100))
    assert list(map_ahead(lambda x: x * x, range(100), 3)) == [x * x for x in range(100)]
    assert list(read_ahead([], 2)) == list(map_ahead(str, [], 2)) == []


def test_an_error_comes_where_its_item_would_have_come() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("second")

    for stream in (read_ahead(items(), 4), map_ahead(int, ["1", "second"], 4)):
        assert next(stream) == 1
        with pytest.raises(ValueError, match="second"):
            next(stream)


def test_no_more_is_taken_than_may_wait() -> None:
    taken, threads = 0, threading.active_count()

    def items() -> Iterator[int]:
        nonlocal taken
        taken = 0
        while True:
            taken += 1
            yield taken

    for stream in (read_ahead(items(), 3), map_ahead(int, items(), 3)):
        for number in range(1, 20):
            assert next(stream) == number
            assert taken <= number + 4
        stream.close()  # type: ignore[attr-defined]
    assert threading.active_count() == threads
