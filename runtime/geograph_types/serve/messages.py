"""What requests and answers hold, in JSON."""

import msgspec


class ImageRequest(msgspec.Struct, frozen=True):
    """A photo to be embedded.

    Attributes:
        image: the photo's file, in base64.
        model: "clip", the only one.
    """

    image: str
    model: str = "clip"


class TagRequest(msgspec.Struct, frozen=True):
    """A photo to be tagged.

    Attributes:
        image: the photo's file, in base64.
        distance: metres; nothing, or Unknown, where it is not known.
        camera: where it stood: a grid reference, or "latitude, longitude".
        subject: where it was, likewise.
    """

    image: str
    distance: float | str | None = None
    camera: str | None = None
    subject: str | None = None


class ScoreRequest(msgspec.Struct, frozen=True):
    """Stored embeddings to be scored; both lists are read later, row by row.

    Attributes:
        embeddings: rows of 512 numbers.
        distances: metres, or null, for each of them.
    """

    embeddings: msgspec.Raw
    distances: msgspec.Raw


class DistanceAnswer(msgspec.Struct, frozen=True):
    """The distance that the head was given, and what it rests on.

    Attributes:
        metres: null where it is unknown.
        bucket: 0 to 22; 22 is unknown.
        basis: metres, positions, reference_too_coarse or unknown.
        source: given, exif, given_and_exif or unknown.
        cross_grid: whether camera and subject stand in different 1 km squares, or why that is not
            known: crossed, not_crossed, too_close_to_a_line, reference_too_coarse or unknown.
    """

    metres: float | None
    bucket: int
    basis: str
    source: str
    cross_grid: str


class TagAnswer(msgspec.Struct, frozen=True):
    """The tags of one photo, and what they rest on.

    Attributes:
        tags: final tags, with Cross Grid in place of the model's Cross Far.
        low_confidence: no class reached its threshold: `tags` holds the best guess.
        probabilities: by class.
        distance: that the head was given.
        model: name and version of the bundle.
        stand_in: the encoder has seeded weights, so the tags mean nothing on real photos.
        warnings: what could not be used, though the photo was tagged.
        embedding: 512 numbers, where they were asked for.
    """

    tags: list[str]
    low_confidence: bool
    probabilities: dict[str, float]
    distance: DistanceAnswer
    model: str
    stand_in: bool
    warnings: list[str] = []
    embedding: list[float] | msgspec.UnsetType = msgspec.UNSET


class ScoreAnswer(msgspec.Struct, frozen=True):
    """Probabilities and tags of stored embeddings, a row each.

    Attributes:
        classes: names of the columns.
        probabilities: rows of seven.
        tags: final tags of each row.
        low_confidence: of each row.
        model: name and version of the bundle.
        stand_in: the encoder of the bundle has seeded weights.
    """

    classes: list[str]
    probabilities: list[list[float]]
    tags: list[list[str]]
    low_confidence: list[bool]
    model: str
    stand_in: bool


class StatusAnswer(msgspec.Struct, frozen=True):
    """How the service is.

    Attributes:
        status: ok, or ready.
    """

    status: str
