"""Tagged photos as the columns of a shard."""

from collections.abc import Sequence

import numpy as np

from geograph_types.archive.items import InputItem
from geograph_types.archive.job import StoredType
from geograph_types.distance.distance import bucket_text
from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.files.table import Column, Table, column_of
from geograph_types.photos.columns import COLUMNS, as_cells
from geograph_types.photos.embed import EmbeddedPhoto
from geograph_types.photos.labels import id_from_name
from geograph_types.photos.result import PhotoResult


def photo_table(
    items: Sequence[InputItem],
    embedded: Sequence[EmbeddedPhoto],
    results: Sequence[PhotoResult],
    stored: StoredType,
) -> Table:
    """Return the columns of `tag`'s results, and those that `score` needs to score them again."""
    cells = [as_cells(result) for result in results]
    columns = {
        name: column_of([row[name] for row in cells], kind) for name, kind in COLUMNS.items()
    }
    ids = [item.labels.gridimage_id if item.labels else id_from_name(item.name) for item in items]
    columns["gridimage_id"] = np.array(ids, np.int64)
    predictions = [result.prediction for result in results]
    texts = [bucket_text(one.distance.bucket) if one else None for one in predictions]
    columns["distance"] = column_of(texts, "text")
    if stored != "none":
        columns["embeddings"] = _vectors(embedded, np.dtype(stored))
    return columns


def _vectors(embedded: Sequence[EmbeddedPhoto], kind: np.dtype[np.floating]) -> Column:
    vectors = np.zeros((len(embedded), EMBEDDING_DIMENSION), kind)
    missing = np.ones(vectors.shape, np.bool_)
    for row, photo in enumerate(embedded):
        if photo.embedding is not None:
            vectors[row], missing[row] = photo.embedding, False
    masked: Column = np.ma.masked_array(vectors, missing)
    return masked
