"""Errors of the export; each is one line that says what to do next."""

import re
from pathlib import Path
from typing import Final

from geograph_types.errors import GeographTypesError

CREDENTIALS: Final = re.compile(r"(//|(?<!\S))[^/?#\s]*@")
"""Of addresses in a text, also of those that lack their scheme."""


class WeightsError(GeographTypesError):
    """Encoder weights that cannot be had, or are not those of CLIP ViT-B/32.

    Attributes:
        source: what was asked for: "openai", or a file's path.
    """

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(f"weights {source}: {problem}")
        self.source = source


class DriftError(GeographTypesError):
    """A graph does not compute what its reference in torch computes; it was not written.

    Attributes:
        part: the file that was checked.
    """

    def __init__(self, part: str, problem: str) -> None:
        super().__init__(
            f"{part} differs from torch ({problem}) and is not accepted: please report this, with "
            "the versions that 'geograph-types doctor' prints"
        )
        self.part = part


class RecheckError(GeographTypesError):
    """An int8 encoder does not pass the gate on the photos that it was judged on again.

    Attributes:
        part: the file that was checked.
    """

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
    """The folder for fetched heads cannot be used.

    Attributes:
        folder: as it was given.
    """

    def __init__(self, folder: Path, problem: str) -> None:
        super().__init__(f"cache {folder} {problem}")
        self.folder = folder


class DownloadError(GeographTypesError):
    """A file that cannot be fetched.

    Attributes:
        url: its address.
        file: where it belongs.
        problem: why it cannot be fetched.
    """

    def __init__(self, url: str, file: Path, problem: str) -> None:
        problem = without_password(problem)
        super().__init__(
            f"{file.name} cannot be fetched from {without_password(url)} ({problem}): connect to "
            f"a network and run again, or copy it into {file.parent}, or give its path in place "
            "of its name"
        )
        self.url = url
        self.file = file
        self.problem = problem


class DigestError(GeographTypesError):
    """A server sent another file than was published; it was not kept.

    Attributes:
        url: its address.
        file: where the published one belongs.
        expected: SHA-256 of the published file.
        got: SHA-256 of what came.
    """

    def __init__(self, url: str, file: Path, expected: str, got: str) -> None:
        super().__init__(
            f"{without_password(url)} gave another file than {file.name} (SHA-256 {got} and not "
            f"{expected}), which was not kept: look at your mirror or proxy, or copy the published "
            f"file into {file.parent}, or give its path in place of its name"
        )
        self.url = url
        self.file = file
        self.expected = expected
        self.got = got


def without_password(text: str) -> str:
    """Leave out what addresses carry before their hosts; errors end up in logs."""
    return CREDENTIALS.sub(r"\1", text)
