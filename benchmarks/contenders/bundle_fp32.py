"""Ours in fp32: the bundle's encoder, through `TypeTagger`."""

from contenders.bundle_encoder import bundle_encoder, unless_in_bundle
from contenders.interface import Encode, Given, LeftOut

NAME = "ours, fp32"
PRECISION = "fp32"


def left_out(given: Given) -> LeftOut | None:
    return unless_in_bundle(given, "fp32")


def prepare(given: Given, threads: int) -> Encode:
    return bundle_encoder(given, "fp32", threads)
