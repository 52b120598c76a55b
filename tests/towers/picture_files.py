"""Pictures as files, and what a tower reads of them, for the tests of photos."""

import io
import struct
import zlib

from PIL import Image

from artifacts.tower_specs import PhotoInput

MEAN, STD = (0.48, 0.45, 0.40), (0.26, 0.27, 0.28)


def reading(height: int, width: int, mode: str = "squash", interpolation: str = "bicubic") -> PhotoInput:
    return PhotoInput.model_validate(
        {"height": height, "width": width, "mean": MEAN, "std": STD, "resize_mode": mode,
         "interpolation": interpolation}
    )  # fmt: skip


SIXTEEN = reading(16, 16)


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def encoded(image: Image.Image, **options: object) -> bytes:
    """The content of a PNG file."""
    sink = io.BytesIO()
    image.save(sink, "PNG", **options)
    return sink.getvalue()
