"""Tag photos with the runtime: python ours.py BUNDLE LIST; prints the seconds that it took."""

import sys
import time
from pathlib import Path

from geograph_types import TypeTagger
from geograph_types.photos.embed import embed_photos

_, bundle, listed = sys.argv
paths = [Path(line) for line in Path(listed).read_text().splitlines()]
tagger = TypeTagger.for_many(bundle, device="cpu", precision="int8")
tagger.tag(paths[0])
start = time.perf_counter()
for photo in embed_photos(tagger, paths):
    if photo.embedding is None:
        raise SystemExit(str(photo.error))
    tagger.predict(photo.embedding[None], [None])
print(time.perf_counter() - start)
