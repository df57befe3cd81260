"""Tag one photo with the runtime: python ours.py PRECISION THREADS BUNDLE PHOTO."""

import sys
from pathlib import Path

from geograph_types import TypeTagger

_, precision, threads, bundle, photo = sys.argv
tagger = TypeTagger(bundle, device="cpu", precision=precision, threads=int(threads))
print(tagger.tag(photo).tags, flush=True)
print(Path("/proc/self/status").read_text())
