"""What tells whether a photo has to be opened: the file as it is, and how embeddings are made."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Encoding", "FileStamp", "PendingPhoto"]


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What tells without opening a file that it has not changed.

    Attributes:
        size: bytes.
        mtime_ns: when it was last written, in nanoseconds since 1970.
    """

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> "FileStamp | None":
        """Read it from the system; `None` where there is no such file."""
        try:
            status = path.stat()
        except (OSError, ValueError):
            return None
        return cls(status.st_size, status.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Encoding:
    """What embeddings depend on beside the photo.

    Attributes:
        encoder: sha256 of the encoder's file.
        exact: large JPEG files were decoded in full.
    """

    encoder: str
    exact: bool


@dataclass(frozen=True, slots=True)
class PendingPhoto:
    """A photo that is to be opened.

    Attributes:
        path: the photo.
        stamp: as it was before it was opened, so that a change meanwhile is seen the next time.
    """

    path: Path
    stamp: FileStamp | None
