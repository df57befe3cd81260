"""Kinds of bad rows that a server may give its workers, each with the reason that is expected."""

import base64
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from fake_geograph import FakeGeograph


def draw_vector(seed: int) -> np.ndarray:
    """Draw an embedding like CLIP's."""
    values = np.random.default_rng(seed).normal(0, 0.45, 512).astype("<f4")
    values[92] = -6.3
    return values


GOOD = draw_vector(21)


def encoded(vector: np.ndarray, kind: str = "<f4") -> str:
    return base64.b64encode(vector.astype(kind).tobytes()).decode()


def with_value(value: float) -> np.ndarray:
    vector = GOOD.copy()
    vector[3] = value
    return vector


def changed(**changes: Any) -> Callable[[int], dict[str, Any]]:
    plain = {"distance": "16", "embeddings": encoded(GOOD)} | changes
    return lambda number: {"gridimage_id": number} | plain


def bare(number: int) -> dict[str, Any]:
    return {"gridimage_id": number, "distance": "16"}


NAMED: dict[str, tuple[str, Callable[[int], dict[str, Any]]]] = {
    "neither embeddings nor image": ("wrong_schema", bare),
    "embeddings as a list": ("wrong_schema", changed(embeddings=[0.5] * 512)),
    "embeddings as a number": ("wrong_schema", changed(embeddings=7)),
    "a distance as a list": ("wrong_schema", changed(distance=[16])),
    "a distance as true": ("wrong_schema", changed(distance=True)),
    "a megabyte as distance": ("wrong_schema", changed(distance="9" * 1_000_000)),
    "a path as an object": ("wrong_schema", changed(fullpath={"a": 1})),
    "no base64": ("bad_base64", changed(embeddings="not base64 at all!")),
    "no bytes": ("wrong_length", changed(embeddings="")),
    "511 numbers": ("wrong_length", changed(embeddings=encoded(GOOD[:-1]))),
    "513 numbers": ("wrong_length", changed(embeddings=encoded(np.append(GOOD, 0)))),
    "float16": ("wrong_length", changed(embeddings=encoded(GOOD, "<f2"))),
    "NaN": ("not_finite", changed(embeddings=encoded(with_value(np.nan)))),
    "infinity": ("not_finite", changed(embeddings=encoded(with_value(np.inf)))),
    "a norm beyond float32": ("not_finite", changed(embeddings=encoded(with_value(3e38)))),
    "all zeros": ("zero_vector", changed(embeddings=encoded(GOOD * 0))),
    "normalised": ("normalised_vector", changed(embeddings=encoded(GOOD / np.linalg.norm(GOOD)))),
    "a distance below 0": ("bad_distance", changed(distance="-5")),
    "a number below 0": ("bad_distance", changed(distance=-5)),
    "a word as distance": ("bad_distance", changed(distance="banana")),
}
"""They say which photo they are of."""


def line(**changes: Any) -> bytes:
    return json.dumps(changed(**changes)(7)).encode()


NAMELESS: dict[str, tuple[str, bytes]] = {
    "no object": ("wrong_schema", b"[1, 2, 3]"),
    "null": ("wrong_schema", b"null"),
    "no id": ("wrong_schema", b'{"distance": "16"}'),
    "an id as a word": ("wrong_schema", line(gridimage_id="seven")),
    "an id below 0": ("wrong_schema", line(gridimage_id=-1)),
    "an id of 0": ("wrong_schema", line(gridimage_id=0)),
    "an id of 65 bits": ("wrong_schema", line(gridimage_id=2**64)),
    "an id with a part": ("wrong_schema", line(gridimage_id=1.5)),
    "an id as markup": ("wrong_schema", line(gridimage_id="1<script>")),
}
"""They do not, so nothing can be sent of them."""


def make_row(number: int, **changes: Any) -> dict[str, Any]:
    """A row with a stored embedding."""
    return {
        "gridimage_id": number,
        "distance": "16",
        "embeddings": encoded(draw_vector(number)),
    } | changes


def fill(api: FakeGeograph, count: int) -> None:
    """Put rows into a server, numbered from 1."""
    api.rows |= {number: make_row(number) for number in range(1, count + 1)}
