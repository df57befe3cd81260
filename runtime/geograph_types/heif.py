"""HEIC photos, as telephones write them; the only module that imports pi_heif.

Importing it teaches Pillow the format.
"""

from geograph_types.errors import MissingExtraError

try:
    import pi_heif
except ModuleNotFoundError:
    raise MissingExtraError("pi-heif", "heif") from None

__all__: list[str] = []

# One thread: photos are decoded beside one another already.
pi_heif.register_heif_opener(
    thumbnails=False, depth_images=False, aux_images=False, decode_threads=1
)
