"""What requests and answers hold, in JSON; the API documentation is made of these."""

from typing import Annotated

import msgspec
from msgspec import Meta

from geograph_types.embedding import EMBEDDING_DIMENSION

MAX_ROWS = 10_000

Base64 = Annotated[str, Meta(description="The photo's file, in base64.")]
File = Meta(extra_json_schema={"contentMediaType": "application/octet-stream"})
Metres = Annotated[float, Meta(ge=0)]
Place = Annotated[str | None, Meta(description='A grid reference, or "latitude, longitude".')]
Vector = Annotated[
    list[float], Meta(min_length=EMBEDDING_DIMENSION, max_length=EMBEDDING_DIMENSION)
]
ModelName = Annotated[str, Meta(description="Name and version of the bundle.")]
StandIn = Annotated[
    bool, Meta(description="The encoder has seeded weights: tags of real photos mean nothing.")
]


class ImageRequest(msgspec.Struct, frozen=True):
    """A photo to be embedded."""

    image: Base64
    model: Annotated[str, Meta(description='"clip", the only one.')] = "clip"


class TagRequest(msgspec.Struct, frozen=True):
    """A photo to be tagged."""

    image: Base64
    distance: Annotated[
        float | str | None, Meta(description="Metres; empty or Unknown if not known.")
    ] = None
    camera: Place = None
    subject: Place = None


class TagForm(msgspec.Struct, frozen=True):
    """A photo to be tagged, as a form."""

    photo: Annotated[str, File, Meta(description="The photo's file.")]
    distance: Annotated[str, Meta(description="Metres; empty or Unknown if not known.")] = ""
    camera: Annotated[str, Meta(description="TQ 299 804, or 51.5081, -0.1281.")] = ""
    subject: Annotated[str, Meta(description="As camera.")] = ""


class ScoreRequest(msgspec.Struct, frozen=True):
    """Stored embeddings to be scored; both lists have as many rows."""

    embeddings: Annotated[
        list[Vector],
        Meta(description="Raw CLIP embeddings, not normalised.", max_length=MAX_ROWS),
    ]
    distances: Annotated[list[Metres | None], Meta(description="Metres; null if unknown.")]


class ScoreForm(msgspec.Struct, frozen=True):
    """Stored embeddings to be scored, as a form."""

    embeddings: Annotated[
        str, File, Meta(description="Little-endian float32 numbers, 512 to a row.")
    ]
    distances: Annotated[str, Meta(description="A JSON list, as in the JSON request.")]


class DistanceAnswer(msgspec.Struct, frozen=True):
    """The distance that the head was given, and what it rests on."""

    metres: Annotated[float | None, Meta(description="Null if unknown.")]
    bucket: Annotated[int, Meta(description="0 to 22; 22 is unknown.")]
    basis: Annotated[str, Meta(description="metres, positions, reference_too_coarse or unknown.")]
    source: Annotated[str, Meta(description="given, exif, given_and_exif or unknown.")]
    cross_grid: Annotated[
        str,
        Meta(
            description="Whether camera and subject stand in different 1 km squares: crossed, "
            "not_crossed, too_close_to_a_line, reference_too_coarse or unknown."
        ),
    ]


class TagAnswer(msgspec.Struct, frozen=True):
    """The tags of one photo, and what they rest on."""

    tags: Annotated[
        list[str], Meta(description="Final tags, with Cross Grid in place of Cross Far.")
    ]
    certain: Annotated[
        list[str], Meta(description="Those of the tags that hold with the bundle's guarantee.")
    ]
    low_confidence: Annotated[
        bool, Meta(description="No class reached its threshold: `tags` holds the best guess.")
    ]
    probabilities: Annotated[dict[str, float], Meta(description="By class.")]
    distance: DistanceAnswer
    model: ModelName
    stand_in: StandIn
    warnings: Annotated[
        list[str], Meta(description="What could not be used, although the photo was tagged.")
    ] = []
    embedding: Annotated[
        list[float] | msgspec.UnsetType, Meta(description="512 numbers, if they were asked for.")
    ] = msgspec.UNSET


class ScoreAnswer(msgspec.Struct, frozen=True):
    """Probabilities and tags of stored embeddings, a row each."""

    classes: Annotated[list[str], Meta(description="Names of the columns.")]
    probabilities: Annotated[list[list[float]], Meta(description="Rows of seven.")]
    tags: Annotated[list[list[str]], Meta(description="Final tags of each row.")]
    certain: Annotated[list[list[str]], Meta(description="Of each row, as for `/tag`.")]
    low_confidence: Annotated[list[bool], Meta(description="Of each row, as for `/tag`.")]
    model: ModelName
    stand_in: StandIn


class StatusAnswer(msgspec.Struct, frozen=True):
    """The state of the service."""

    status: Annotated[str, Meta(description="ok, or ready.")]
