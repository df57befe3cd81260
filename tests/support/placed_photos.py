"""Photos whose EXIF says where camera and subject stood."""

import io

from PIL import Image

__all__ = ["placed_a_minute_apart"]


def placed_a_minute_apart(photo: Image.Image) -> bytes:
    """Write a JPEG file with the subject a minute of latitude, a nautical mile, north of London."""
    exif = Image.Exif()
    exif[0x8825] = {
        1: "N", 2: (51.0, 30.0, 0.0), 3: "W", 4: (0.0, 7.0, 0.0),
        19: "N", 20: (51.0, 31.0, 0.0), 21: "W", 22: (0.0, 7.0, 0.0),
    }  # fmt: skip
    file = io.BytesIO()
    photo.save(file, "JPEG", exif=exif)
    return file.getvalue()
