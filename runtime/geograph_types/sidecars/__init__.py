"""Tags in XMP files beside photos, and out of them again."""

from pathlib import Path
from typing import ClassVar

from geograph_types.errors import GeographTypesError

__all__ = ["SidecarError"]


class SidecarError(GeographTypesError):
    """One sidecar that could not be read or written, and was not touched."""

    exit_status: ClassVar[int] = 1

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"sidecar {path}: {problem}")
        self.path = path
