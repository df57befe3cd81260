"""Ours in int8: the bundle's encoder, through `TypeTagger`."""

from contenders.bundle_encoder import bundle_encoder, unless_in_bundle
from contenders.interface import Encode, Given, LeftOut

NAME = "ours, int8"
PRECISION = "int8"


def left_out(given: Given) -> LeftOut | None:
    return unless_in_bundle(given, "int8")


def prepare(given: Given, threads: int) -> Encode:
    return bundle_encoder(given, "int8", threads)
