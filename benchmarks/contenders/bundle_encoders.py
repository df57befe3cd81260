"""Ours: the bundle's encoders, as the runtime runs them."""

from contenders.interface import Contender, Encode, Given
from geograph_types import Bundle, TypeTagger
from geograph_types.manifest import Precision


def _contender(precision: Precision) -> Contender:
    def left_out(given: Given) -> str | None:
        if Bundle.open(given.bundle).manifest.find("encoder", precision) is not None:
            return None
        command = f"geograph-types export encoder --precision {precision}"
        return f"not in the bundle: add it with {command}"

    def prepare(given: Given, threads: int) -> Encode:
        tagger = TypeTagger(given.bundle, device="cpu", precision=precision, threads=threads)
        return tagger.embed_pixels

    return Contender(f"ours, {precision}", precision, left_out, prepare)


INT8, FP32 = _contender("int8"), _contender("fp32")
