"""Files of stored embeddings: one, or all of a folder."""

from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from geograph_types.errors import InputError
from geograph_types.files.text import without_surrogates

SUFFIXES: Final = (".parquet", ".jsonl", ".jsonl.gz", ".npy")
SHARD_SUFFIX: Final = ".scores.parquet"
"""What an input's name gets as the name of its scores."""


@dataclass(frozen=True, slots=True)
class RowFile:
    """One file of stored embeddings."""

    path: Path
    place: Path  # its path from the folder that was given

    @property
    def name(self) -> str:
        """Its place as text; bytes that are not UTF-8 are escaped."""
        return without_surrogates(self.place.as_posix())

    def shard(self, folder: Path) -> Path:
        """Name the file of its scores in a folder; no two inputs share one."""
        return folder / self.place.with_name(self.place.name + SHARD_SUFFIX)


def find_row_files(rows: Path) -> list[RowFile]:
    """List the files to score: the one that was given, or those of a folder and its folders.

    In a folder, files are told by their endings; hidden ones and scores are passed over.
    """
    if not rows.is_dir():
        if not rows.exists():
            raise InputError(f"{rows} cannot be read: there is no such file or folder")
        return [RowFile(rows, Path(rows.name))]
    places = (path.relative_to(rows) for path in sorted(rows.rglob("*")))
    found = [RowFile(rows / place, place) for place in places if is_row_file(place)]
    found = [file for file in found if file.path.is_file()]
    if not found:
        raise InputError(
            f"no rows in {rows}: name a file, or a folder with files of {', '.join(SUFFIXES)}"
        )
    return found


def is_row_file(place: PurePath) -> bool:
    """Check whether a path in a folder is a file of embeddings, and not hidden."""
    hidden = any(part[0] == "." for part in place.parts)
    return not hidden and place.name.endswith(SUFFIXES) and not place.name.endswith(SHARD_SUFFIX)
