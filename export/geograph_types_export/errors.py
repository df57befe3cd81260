"""Errors of the export; each is one line that says what to do next."""

import re
from pathlib import Path
from typing import Final

from geograph_types.errors import GeographTypesError

CREDENTIALS: Final = re.compile(r"(//|(?<!\S))[^/?#\s]*@")
"""Of addresses in a text, also of those that lack their scheme."""


class WeightsError(GeographTypesError):
    """Encoder weights that are unavailable, or not those of CLIP ViT-B/32."""

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(f"weights {source}: {problem}")
        self.source = source


class DriftError(GeographTypesError):
    """A graph does not compute what its reference computes; it was not written."""

    def __init__(self, part: str, reference: str, problem: str) -> None:
        super().__init__(
            f"{part} differs from {reference} ({problem}) and is not accepted: please report this, "
            "with the versions that 'geograph-types doctor' prints"
        )
        self.part = part


class RecheckError(GeographTypesError):
    """An int8 encoder does not pass the gate on the photos that it was judged on again."""

    def __init__(self, part: str, figures: str, fitted_to: str) -> None:
        super().__init__(
            f"{part} is not near enough to float32 on these photos ({figures}): it was fitted to "
            f"{fitted_to}, so name the folder of those with --calibration, or export it anew"
        )
        self.part = part


class GateError(GeographTypesError):
    """No int8 version of these weights is near enough to float32; none was written."""

    def __init__(self, figures: str) -> None:
        super().__init__(
            f"no int8 version is near enough to float32 ({figures}): give more photos like your "
            "own with --calibration DIR, or use --precision fp32"
        )


class CacheError(GeographTypesError):
    """The folder for fetched heads cannot be used."""

    def __init__(self, folder: Path, problem: str) -> None:
        super().__init__(f"cache {folder} {problem}")
        self.folder = folder


class DownloadError(GeographTypesError):
    """A released head that cannot be fetched, or of which a server sent another file."""

    def __init__(self, url: str, file: Path, problem: str) -> None:
        super().__init__(
            f"{file.name} cannot be fetched from {without_password(url)} "
            f"({without_password(problem)}): connect to a network and run again, or copy it into "
            f"{file.parent}, or give its path in place of its name"
        )
        self.file = file


def without_password(text: str) -> str:
    """Leave out what addresses carry before their hosts; errors end up in logs."""
    return CREDENTIALS.sub(r"\1", text)
