"""The bundle's manifest: what it says, and the contract that this runtime holds it to."""

import hashlib
from typing import Final, Literal, TypeAlias

import msgspec

from geograph_types.distance.distance import BUCKET_COUNT, UNKNOWN_BUCKET
from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.preprocess import CROP, MEAN, STD
from geograph_types.taxonomy import CLASSES
from geograph_types.thresholds import Thresholds

SCHEMA_VERSION: Final = 2
DIGEST_HEX: Final = 64

Role: TypeAlias = Literal["encoder", "head", "tagger", "card"]
Precision: TypeAlias = Literal["fp32", "fp16", "int8"]
STEMS: Final[dict[Role, str]] = {"encoder": "visual", "tagger": "tagger"}
NAMES: Final[dict[Role, str]] = {"head": "head.onnx", "card": "MODEL_CARD.md"}

Scalar: TypeAlias = str | int | float | bool | None


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field that the schema does not name is an error, not an extension."""


class TensorSpec(_Strict, frozen=True):
    """An input or output of a graph; a dimension given by name is free."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


PIXELS: Final = TensorSpec("pixels", "uint8", ("batch", CROP, CROP, 3))
EMBEDS: Final = TensorSpec("image_embeds", "float32", ("batch", EMBEDDING_DIMENSION))
BUCKET: Final = TensorSpec("distance_bucket", "int64", ("batch",))
LOGITS: Final = TensorSpec("logits", "float32", ("batch", len(CLASSES)))
PROBABILITIES: Final = TensorSpec("probabilities", "float32", ("batch", len(CLASSES)))


def tensor_contract(role: Role) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Return the inputs and outputs that a file of this role must have."""
    match role:
        case "encoder":
            return (PIXELS,), (EMBEDS,)
        case "head":
            return (EMBEDS, BUCKET), (LOGITS, PROBABILITIES)
        case "tagger":
            return (PIXELS, BUCKET), (PROBABILITIES, EMBEDS)
        case "card":
            return (), ()


def file_name(role: Role, precision: Precision | None = None) -> str:
    """Return the name of the file of a role, and of a precision if it is an encoder or tagger."""
    return NAMES[role] if precision is None else f"{STEMS[role]}.{precision}.onnx"


class BundleFile(_Strict, frozen=True):
    """One file of the bundle beside the manifest."""

    path: str  # in the bundle's folder, as `file_name` returns it
    role: Role
    precision: Precision | None  # of an encoder or tagger; `None` for other roles
    size: int
    sha256: str  # lower-case hexadecimal
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()

    def __post_init__(self) -> None:
        if len(self.sha256) != DIGEST_HEX or set(self.sha256) - set("0123456789abcdef"):
            raise ValueError(f"{self.path!r}: the digest is not a SHA-256 in hexadecimal")
        if (self.role in STEMS) != (self.precision is not None):
            raise ValueError(f"{self.path!r}: encoders and taggers, nothing else, have a precision")
        if self.path != (name := file_name(self.role, self.precision)):
            raise ValueError(f"the file {self.path!r} is not named {name}")
        if (self.inputs, self.outputs) != tensor_contract(self.role):
            raise ValueError(f"{self.path}: its inputs and outputs are not those of a {self.role}")


class EmbeddingContract(_Strict, frozen=True):
    """What the encoder gives and the head takes."""

    dimension: int = EMBEDDING_DIMENSION
    normalised: bool = False


class DistanceContract(_Strict, frozen=True):
    """How a distance becomes the head's second input."""

    buckets: int = BUCKET_COUNT
    unknown: int = UNKNOWN_BUCKET


class PreprocessingContract(_Strict, frozen=True):
    """How a photo becomes pixels; normalisation happens inside the encoder's graph."""

    crop: int = CROP
    resize: str = "shortest edge, bicubic, antialiased"
    mean: tuple[float, float, float] = MEAN
    std: tuple[float, float, float] = STD


class EncoderSource(_Strict, frozen=True):
    """Where the encoder's weights come from."""

    weights: str  # their name: "openai", "random:SEED", or a file's name
    sha256: str  # of the weights as they were read
    stand_in: bool  # seeded weights of the right architecture whose features mean nothing


class HeadSource(_Strict, frozen=True):
    """Where the head comes from."""

    name: str
    sha256: str
    dataset_sha256: str | None = None  # of the data that it was trained on, if known
    configuration: dict[str, Scalar] = {}
    metrics: dict[str, float] = {}


class Fidelity(_Strict, frozen=True):
    """How near a file comes to its reference, measured before it was accepted."""

    path: str
    reference: str  # what it was compared with
    samples: int
    minimum_cosine: float | None  # between vectors; `None` for a head
    maximum_difference: float  # absolute, of any output
    # After the reference's mean vector was taken off both: all photos share a large common part,
    # which flatters plain cosines.
    centred_cosine_mean: float | None = None
    centred_cosine_p1: float | None = None  # its 1st percentile
    # The share of tags that differ with the bundle's head; `None` without one.
    flipped_tags: float | None = None
    # Parts of a quantised encoder that stay in float32, each with what it would cost in mean
    # centred cosine.
    kept_float32: dict[str, float] = {}
    calibration: str | None = None  # the photos that a quantised encoder was fitted to


class Manifest(_Strict, frozen=True):
    """All that a bundle says of itself.

    A bundle may hold an encoder, a head, or both; what needs the missing part says so.
    """

    schema_version: int
    name: str
    version: str  # changes with any file
    classes: tuple[str, ...]  # in the order of the head's outputs
    thresholds: Thresholds
    embedding: EmbeddingContract
    distance: DistanceContract
    preprocessing: PreprocessingContract
    files: tuple[BundleFile, ...]
    encoder: EncoderSource | None
    head: HeadSource | None
    fidelity: tuple[Fidelity, ...]
    sha256: str = ""  # of the manifest with this field empty

    def __post_init__(self) -> None:
        expected: tuple[tuple[str, object, object], ...] = (
            ("classes", self.classes, CLASSES),
            ("embedding", self.embedding, EmbeddingContract()),
            ("distance", self.distance, DistanceContract()),
            ("preprocessing", self.preprocessing, PreprocessingContract()),
        )
        for what, given, wanted in expected:
            if given != wanted:
                raise ValueError(f"its {what} differs from this runtime's ({given} for {wanted})")
        paths = [file.path for file in self.files]
        kinds = [(file.role, file.precision) for file in self.files]
        if len(set(paths)) < len(paths) or len(set(kinds)) < len(kinds):
            raise ValueError("it names a file, or a role and precision, twice")
        for role, source in (("encoder", self.encoder), ("head", self.head)):
            if any(file.role == role for file in self.files) != (source is not None):
                raise ValueError(f"its {role} has no file, or its file no source")

    def find(self, role: Role, precision: Precision | None = None) -> BundleFile | None:
        """Return the file of a role and precision, if there is one."""
        for file in self.files:
            if (file.role, file.precision) == (role, precision):
                return file
        return None

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """The precisions in which there is an encoder."""
        return tuple(
            file.precision
            for file in self.files
            if file.role == "encoder" and file.precision is not None
        )


def encode_manifest(manifest: Manifest) -> bytes:
    """Write a manifest as indented JSON, with its own digest; the same one gives the same bytes."""
    bare = _encoded(msgspec.structs.replace(manifest, sha256=""))
    return _encoded(msgspec.structs.replace(manifest, sha256=hashlib.sha256(bare).hexdigest()))


def _encoded(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


class _Schema(msgspec.Struct):
    """What tells the versions of manifests apart."""

    schema_version: int


def decode_manifest(data: bytes) -> Manifest:
    """Read a manifest and hold it to this runtime's contract."""
    try:
        schema = msgspec.json.decode(data, type=_Schema).schema_version
        if schema != SCHEMA_VERSION:
            raise msgspec.ValidationError(
                f"its schema version is {schema}, and this runtime reads {SCHEMA_VERSION}: make it "
                "anew with 'geograph-types bundle build --head HEAD --weights WEIGHTS --bundle DIR'"
            )
        manifest = msgspec.json.decode(data, type=Manifest)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(str(error)) from None
    if encode_manifest(manifest) != data:
        raise msgspec.ValidationError(
            "its digest is not its own: it is damaged or was changed by hand; "
            "export or copy the bundle again"
        )
    return manifest
