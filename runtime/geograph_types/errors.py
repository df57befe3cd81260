"""Every error that this project raises on purpose: typed, with its data, and with the next step."""

from enum import StrEnum
from pathlib import Path
from typing import ClassVar

SHOWN_CHARACTERS = 80
"""Of a value that a message quotes: hostile ones have megabytes."""


class GeographTypesError(Exception):
    """Base of all errors of this project; its text is one line that says what to do next."""

    exit_status: ClassVar[int] = 2


class InputError(GeographTypesError, ValueError):
    """An argument, option or input file cannot be used as a whole."""


class DistanceError(InputError):
    """A distance that is neither metres, nor empty, nor unknown."""

    def __init__(self, value: object) -> None:
        shown = repr(value)
        if len(shown) > SHOWN_CHARACTERS:
            shown = f"{shown[:SHOWN_CHARACTERS]}..."
        super().__init__(
            f"{shown} is not a distance: give metres (0 or more), nothing, or 'Unknown'"
        )
        self.value = value


class GridError(InputError):
    """A position that cannot be read or cannot exist, or two on different grids."""


class EmbeddingFault(StrEnum):
    """Why a vector is not a CLIP ViT-B/32 image embedding."""

    WRONG_SHAPE = "wrong_shape"
    NOT_FINITE = "not_finite"
    ZERO = "zero_vector"
    NORMALISED = "normalised_vector"


EMBEDDING_ADVICE = {
    EmbeddingFault.WRONG_SHAPE: "an embedding is 512 float32 numbers from CLIP ViT-B/32",
    EmbeddingFault.NOT_FINITE: "it has NaN, infinity or numbers beyond float32; compute it again",
    EmbeddingFault.ZERO: "it is all zeros, as failed decoders leave it; compute it again",
    EmbeddingFault.NORMALISED: (
        "its norm is 1, so it was L2-normalised; the head was trained on raw CLIP vectors "
        "(norm about 10.8) and gives wrong tags for this one: store embeddings before normalising"
    ),
}


class EmbeddingError(InputError):
    """A vector that must not reach the head."""

    def __init__(self, fault: EmbeddingFault, row: int, detail: str = "") -> None:
        extra = f" ({detail})" if detail else ""
        super().__init__(
            f"embedding {row} is refused, {fault.value}{extra}: {EMBEDDING_ADVICE[fault]}"
        )
        self.fault = fault
        self.row = row  # of the first bad one


class PhotoFault(StrEnum):
    """Why a photo could not be used."""

    NOT_FOUND = "not_found"
    NOT_A_FILE = "not_a_file"
    UNREADABLE = "unreadable"
    EMPTY = "empty_file"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED = "unsupported_format"
    DAMAGED = "damaged"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_ELONGATED = "too_elongated"
    TOO_MUCH_MEMORY = "too_much_memory"
    TOO_SLOW = "too_slow"
    DECODER_DIED = "decoder_died"
    BAD_DISTANCE = "bad_distance"


class PhotoError(GeographTypesError):
    """One photo that could not be used; the others are not affected."""

    exit_status: ClassVar[int] = 1

    def __init__(self, photo: str, fault: PhotoFault, detail: str) -> None:
        super().__init__(f"{photo}: {fault.value}: {detail}")
        self.photo = photo  # its name, or "image" if it has none
        self.fault = fault
        self.detail = detail


class DecoderError(GeographTypesError):
    """The process in which photos are decoded cannot be started."""


class RowFault(StrEnum):
    """Why a row of stored embeddings or of a dataset could not be used."""

    NOT_JSON = "not_json"
    CUT_OFF = "cut_off_last_line"
    WRONG_SCHEMA = "wrong_schema"
    BAD_BASE64 = "bad_base64"
    WRONG_LENGTH = "wrong_length"
    NOT_FINITE = "not_finite"
    ZERO_VECTOR = "zero_vector"
    NORMALISED = "normalised_vector"
    BAD_DISTANCE = "bad_distance"
    NO_TAG = "no_tag"
    UNKNOWN_TAG = "unknown_tag"
    BAD_WEIGHT = "bad_weight"
    BAD_SPLIT = "bad_split"
    DUPLICATE_ID = "duplicate_id"


class RowError(GeographTypesError):
    """One row that could not be used; the others are not affected."""

    exit_status: ClassVar[int] = 1

    def __init__(
        self, row: int, fault: RowFault, detail: str, gridimage_id: int | None = None
    ) -> None:
        super().__init__(f"row {row}: {fault.value}: {detail}")
        self.row = row  # its number in the file, from 1
        self.fault = fault
        self.detail = detail
        self.gridimage_id = gridimage_id  # if the row still tells


class BundleError(GeographTypesError):
    """A model bundle that is missing, damaged, or made for another contract."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"bundle {path}: {problem}")
        self.path = path  # the bundle, or the file in it


class OutputError(GeographTypesError):
    """Results that could not be written; what was at their place before is still there."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"{path} cannot be written ({problem}): make room, or name another place, "
            "and run this again"
        )
        self.path = path


class BackendError(GeographTypesError):
    """onnxruntime is missing, installed twice, or refuses the model."""


class DeviceError(GeographTypesError):
    """A device that this machine or this onnxruntime does not offer."""

    def __init__(self, device: str, available: tuple[str, ...], advice: str) -> None:
        super().__init__(
            f"device {device!r} is not available (providers here: {', '.join(available)}); {advice}"
        )
        self.device = device
        self.available = available  # execution providers


class MissingExtraError(GeographTypesError):
    """An optional dependency is not installed."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(
            f"this needs {module}, which is not installed: pip install 'geograph-types[{extra}]'"
        )
        self.module = module
        self.extra = extra
