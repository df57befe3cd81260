"""The names of a bundle's models."""

from typing import Final

from geograph_types.manifest import Precision

__all__ = ["HEAD_NAME", "encoder_name", "tagger_name"]

HEAD_NAME: Final = "head.onnx"


def encoder_name(precision: Precision) -> str:
    """Name the encoder's file."""
    return f"visual.{precision}.onnx"


def tagger_name(precision: Precision) -> str:
    """Name the file that holds encoder and head."""
    return f"tagger.{precision}.onnx"
