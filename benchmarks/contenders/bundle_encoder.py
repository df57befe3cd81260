"""An encoder of our bundle, as the runtime runs it."""

from contenders.interface import Encode, Given, LeftOut, Reason
from geograph_types import Bundle, TypeTagger
from geograph_types.manifest import Precision


def unless_in_bundle(given: Given, precision: Precision) -> LeftOut | None:
    """Leave a precision out that the bundle does not have."""
    if Bundle.open(given.bundle).manifest.find("encoder", precision) is not None:
        return None
    command = f"geograph-types export encoder --precision {precision}"
    return LeftOut(Reason.NOT_IN_BUNDLE, f"add it with {command}")


def bundle_encoder(given: Given, precision: Precision, threads: int) -> Encode:
    """Load an encoder of the bundle."""
    tagger = TypeTagger(given.bundle, device="cpu", precision=precision, threads=threads)
    return tagger.embed_pixels
