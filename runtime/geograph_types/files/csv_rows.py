"""Rows of a CSV file as people and spreadsheets write them: any separator, UTF-8 or UTF-16."""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from geograph_types.errors import InputError

SEPARATORS: Final = (",", ";", "\t")

DECLARATION: Final = "sep="
"""Of a first line with which Excel is told the separator."""

UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_rows(path: Path) -> tuple[list[str], Iterator[tuple[str, dict[str, str]]]]:
    """Read the columns' names and the rows, each with its place for messages, without empty ones.

    Names are in lower case, with underscores in place of blanks. Cells are stripped.
    """
    text = _text(path)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    rows = _cells(path, lines)
    _, first = next(rows, ("", [""]))
    if first[0].casefold().startswith(DECLARATION):
        _, first = next(rows, ("", [""]))
    names = ["_".join(cell.casefold().replace("-", " ").split()) for cell in first]
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise InputError(f"{path} has the column {twice[0]!r} twice: remove one of them")
    return list(filter(None, names)), _rows(names, rows)


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    try:
        text = data.decode("utf-16" if data.startswith(UTF_16) else "utf-8-sig")
        bad = text.find("\0")  # UTF-16 without its mark is full of them
    except UnicodeDecodeError as error:
        bad = error.start
    if bad >= 0:
        raise InputError(
            f"{path} is not a CSV file in UTF-8 or UTF-16 (near byte {bad}): save it as 'CSV UTF-8'"
        )
    return text


def _separator(text: str) -> str:
    """Find what separates columns: what a line `sep=;` names, or makes most of the first line."""
    first = text.lstrip("\r\n").partition("\n")[0].strip(' "\r')
    if first.casefold().startswith(DECLARATION):
        return first[len(DECLARATION) :][:1] or "\t"
    return max(SEPARATORS, key=first.count)


def _cells(path: Path, reader: Iterator[list[str]]) -> Iterator[tuple[str, list[str]]]:
    """Read rows that have any cell filled."""
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield f"{path}, line {reader.line_num}", cells  # type: ignore[attr-defined]
    except csv.Error:
        where = f"line {reader.line_num}"  # type: ignore[attr-defined]
        raise InputError(
            f"{path} is not a CSV file at {where}: check its quotation marks"
        ) from None


def _rows(
    names: list[str], rows: Iterator[tuple[str, list[str]]]
) -> Iterator[tuple[str, dict[str, str]]]:
    for where, cells in rows:
        if any(cells[len(names) :]):
            raise InputError(f"{where} has more cells than the first line has columns")
        padded = cells + [""] * (len(names) - len(cells))
        yield where, dict(zip(names, padded, strict=False))
