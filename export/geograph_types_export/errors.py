"""Errors of the export; each is one line that says what to do next."""

from geograph_types.errors import GeographTypesError

__all__ = ["DriftError", "GateError", "WeightsError"]


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


class GateError(GeographTypesError):
    """No int8 version of these weights is near enough to float32; none was written."""

    def __init__(self, figures: str) -> None:
        super().__init__(
            f"no int8 version is near enough to float32 ({figures}): give more photos like your "
            "own with --calibration DIR, or use --precision fp32"
        )
