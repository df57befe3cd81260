"""Which photos a command is about: files, folders, or a list on standard input."""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

from geograph_types.cli.notices import note
from geograph_types.decoding.formats import RAW_SUFFIXES, SUFFIXES
from geograph_types.errors import InputError
from geograph_types.photos.find import NameFilter, PassedOver, Reason, find_photos

STANDARD_INPUT: Final = Path("-")

SHOWN: Final = {
    Reason.LINK: "links to folders are not followed",
    Reason.COPIES: "folders with bins, snapshots, thumbnails or libraries are not searched",
}
"""What the summary says of those that it names."""
COUNTED: Final = {
    Reason.RAW: "RAW files beside their photos",
    Reason.HIDDEN: "hidden",
    Reason.EXCLUDED: "excluded",
    Reason.NOT_INCLUDED: "not included",
}
"""How the summary calls what it only counts."""


def photos_of(
    given: Iterable[Path], include: Iterable[str], exclude: Iterable[str], verbose: bool
) -> list[Path]:
    """List the photos that PHOTOS and patterns name, each once; "-" is a list on standard input."""
    given = list(given)
    away = [path for path in given if path != STANDARD_INPUT and not os.path.lexists(path)]
    # A photo that has gone is a row that says so. A folder would be one in place of its photos.
    folders = [path for path in away if path.suffix.casefold() not in SUFFIXES | RAW_SUFFIXES]
    if folders or len(away) == len(given):
        missing = folders or away
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise InputError(f"there is no {missing[0]}{more}: check the spelling, or mount the drive")
    paths = named_paths(given)
    names, passed_over = NameFilter(include, exclude), passed_over_shown(verbose)
    found = find_photos(paths, names, passed_over)
    photos = list({os.path.abspath(path): path for path in found}.values())  # noqa: PTH100
    report_passed_over(passed_over)
    unused_include, unused_exclude = names.unused()
    # A pattern of a configuration file is for all folders.
    source = click.get_current_context().get_parameter_source("exclude")
    if unused_exclude and source is not ParameterSource.DEFAULT_MAP:
        raise InputError(
            f"--exclude {unused_exclude[0]!r} fits nothing in {', '.join(map(str, given))}: "
            "check the spelling, or leave it out"
        )
    which = f" that fit {', '.join(map(repr, unused_include))}" if unused_include else ""
    if not photos:
        raise InputError(
            f"no photos{which} in {', '.join(map(str, given))}: name files, or folders with "
            f"{', '.join(sorted(SUFFIXES))}"
        )
    if which:
        note(f"note: there are no photos{which}")
    return photos


def passed_over_shown(verbose: bool) -> PassedOver:
    """Count what is passed over, and name each if that is asked for."""
    if not verbose:
        return PassedOver()
    return PassedOver(lambda path, reason: note(f"passed over {path}: {reason}"))


def report_passed_over(passed_over: PassedOver) -> None:
    """Write what folders have beside the photos that are meant."""
    counts, first = passed_over.counts, passed_over.first
    for reason, text in SHOWN.items():
        if number := counts[reason]:
            note(
                f"note: {number} {text}, such as {first[reason]}: name those folders too if their "
                "photos are meant"
            )
    suffixes = passed_over.suffixes.most_common()
    others = ", ".join(f"{number} {suffix or 'without suffix'}" for suffix, number in suffixes)
    parts = [others] * bool(others)
    parts += [f"{counts[reason]} {text}" for reason, text in COUNTED.items() if counts[reason]]
    if parts:
        note(f"note: passed over ('--verbose' lists them): {'; '.join(parts)}")


def report_other_rows(labels: Path, rows: Iterable[Path], photos: Iterable[Path]) -> None:
    """Write how many rows of a labels file are of none of the photos, by their `label_key`."""
    others = set(rows).difference(photos)
    if others:
        note(f"note: {len(others)} rows of {labels} name no photo here, such as {min(others)}")


def named_paths(given: Iterable[Path]) -> list[Path]:
    """Return files and folders as they are named; "-" is a list of them on standard input."""
    return [path for one in given for path in (_listed() if one == STANDARD_INPUT else [one])]


def _listed() -> Iterator[Path]:
    """Read a path a line; where there is a NUL, as `find -print0` writes, they end with that."""
    data = sys.stdin.buffer.read()
    if b"\0" not in data:
        data = data.replace(b"\r\n", b"\n").removesuffix(b"\r").replace(b"\n", b"\0")
    yield from (Path(os.fsdecode(name)) for name in data.split(b"\0") if name)
