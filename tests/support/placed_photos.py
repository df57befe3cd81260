"""Photos whose EXIF says where camera and subject stood."""

from pictures import encoded
from PIL import Image


def placed_a_minute_apart(photo: Image.Image) -> bytes:
    """Write a JPEG file with the subject a minute of latitude, a nautical mile, north of London."""
    exif = Image.Exif()
    camera = {1: "N", 2: (51.0, 30.0, 0.0), 3: "W", 4: (0.0, 7.0, 0.0)}
    subject = {19: "N", 20: (51.0, 31.0, 0.0), 21: "W", 22: (0.0, 7.0, 0.0)}
    exif[0x8825] = camera | subject
    return encoded(photo, exif=exif)
