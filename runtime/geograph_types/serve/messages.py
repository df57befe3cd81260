"""What requests and answers hold, in JSON; the API documentation is made of these."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

CROSS_GRID = Meta(
    description="Whether camera and subject stand in different 1 km squares: crossed, not_crossed, "
    "too_close_to_a_line, reference_too_coarse or unknown."
)
Base64 = Annotated[str, Meta(description="The photo's file, in base64.")]
File = Meta(extra_json_schema={"contentMediaType": "application/octet-stream"})
DISTANCE = Meta(description="Metres; empty or Unknown if not known.")
Metres = Annotated[float, Meta(ge=0)]
Place = Annotated[str | None, Meta(description='A grid reference, or "latitude, longitude".')]
Vector = Annotated[list[float], Meta(min_length=512, max_length=512)]
ModelName = Annotated[str, Meta(description="Name and version of the bundle.")]
StandIn = Annotated[bool, Meta(description="Seeded weights: tags of real photos mean nothing.")]


class ImageRequest(Struct, frozen=True):
    """A photo to be embedded."""

    image: Base64
    model: Annotated[str, Meta(description='"clip", the only one.')] = "clip"


class TagRequest(Struct, frozen=True):
    """A photo to be tagged."""

    image: Base64
    distance: Annotated[float | str | None, DISTANCE] = None
    camera: Place = None
    subject: Place = None


class TagForm(Struct, frozen=True):
    """A photo to be tagged, as a form."""

    photo: Annotated[str, File, Meta(description="The photo's file.")]
    distance: Annotated[str, DISTANCE] = ""
    camera: Annotated[str, Meta(description="TQ 299 804, or 51.5081, -0.1281.")] = ""
    subject: Annotated[str, Meta(description="As camera.")] = ""


class ScoreRequest(Struct, frozen=True):
    """Stored embeddings to be scored: both lists have as many rows, 10,000 at most."""

    embeddings: Annotated[list[Vector], Meta(description="Raw, as CLIP makes them.")]
    distances: Annotated[list[Metres | None], Meta(description="Metres; null if unknown.")]


class ScoreForm(Struct, frozen=True):
    """Stored embeddings to be scored, as a form."""

    embeddings: Annotated[str, File, Meta(description="Little-endian float32, 512 to a row.")]
    distances: Annotated[str, Meta(description="A JSON list, as in the JSON request.")]


class DistanceAnswer(Struct, frozen=True):
    """The distance that the head was given, and what it rests on."""

    metres: Annotated[float | None, Meta(description="Null if unknown.")]
    bucket: Annotated[int, Meta(description="0 to 22; 22 is unknown.")]
    basis: Annotated[str, Meta(description="metres, positions, reference_too_coarse or unknown.")]
    source: Annotated[str, Meta(description="given, exif, given_and_exif or unknown.")]
    cross_grid: Annotated[str, CROSS_GRID]


class TagAnswer(Struct, frozen=True):
    """The tags of one photo, and what they rest on."""

    tags: Annotated[list[str], Meta(description="Final: Cross Grid in place of Cross Far.")]
    certain: Annotated[list[str], Meta(description="Of these, by the bundle's guarantee.")]
    low_confidence: Annotated[bool, Meta(description="No class reached its threshold: a guess.")]
    probabilities: Annotated[dict[str, float], Meta(description="By class.")]
    distance: DistanceAnswer
    model: ModelName
    stand_in: StandIn
    warnings: Annotated[list[str], Meta(description="What else could not be used.")] = []
    embedding: Annotated[list[float] | UnsetType, Meta(description="If asked for.")] = UNSET


class ScoreAnswer(Struct, frozen=True):
    """Probabilities and tags of stored embeddings, a row each."""

    classes: Annotated[list[str], Meta(description="Names of the columns.")]
    probabilities: Annotated[list[list[float]], Meta(description="Rows of seven.")]
    tags: Annotated[list[list[str]], Meta(description="Final tags of each row.")]
    certain: Annotated[list[list[str]], Meta(description="Of each row, as for `/tag`.")]
    low_confidence: Annotated[list[bool], Meta(description="Of each row, as for `/tag`.")]
    model: ModelName
    stand_in: StandIn


class StatusAnswer(Struct, frozen=True):
    """The state of the service."""

    status: Annotated[str, Meta(description="ok, or ready.")]
