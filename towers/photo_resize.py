"""Resizing of photos to what an image tower reads, in little memory.

The result is that of open_clip, which resizes a whole photo and then crops it. This is done here up to two million
pixels, as JPEGs are decoded. Of a larger photo only the pixels that remain are computed, a few rows at a time, each
turned upright and made RGB first. There Pillow may resize in height before it resizes in width, so that pixels beside
hard edges differ by a few grey levels where bicubic interpolation goes beyond black or white; others by one at most.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from artifacts.tower_specs import PhotoInput

_RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
_FILTER_REACH = 2  # pixels to each side that bicubic interpolation reads; times the ratio where it makes smaller
_WHOLE_PIXELS = 2**21  # up to here a photo is resized whole
_PART_PIXELS = 2**19  # of a larger one that are in work at a time; with all copies they take 16 bytes each
_UPRIGHT = {  # EXIF orientation -> operation that turns the photo upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_FIRST_SIDEWAYS = 5  # from this orientation on, width and height are exchanged
_FROM_THE_END = (3, 4, 7, 8)  # orientations whose first upright row is the last row or column in the file


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return width and height of a photo once it is upright.

    Args:
        size: width and height in the file.
        orientation: of EXIF, 1 to 8.
    """
    return (size[1], size[0]) if orientation >= _FIRST_SIDEWAYS else size


def resize(image: Image.Image, orientation: int, photo: PhotoInput) -> Image.Image:
    """Turn a photo upright, lay it on white, and resize it as open_clip does for the mode of the model.

    Args:
        image: the photo, of any mode.
        orientation: of EXIF, 1 to 8.
        photo: the size that a tower reads.

    Raises:
        ValueError: the photo's mode has no known range.
    """
    width, height = upright_size(image.size, orientation)
    resampling = _RESAMPLING[photo.interpolation]
    across, down = _axes(width, height, photo)
    if width * height > _WHOLE_PIXELS:
        resized = _resize_by_parts(image, orientation, across, down, resampling)
    else:
        rgb = _to_rgb(_upright_rows(image, orientation, 0, height))
        resized = rgb.resize((across.scaled, down.scaled), resampling)
    if resized.size == (photo.width, photo.height):
        return resized
    canvas = Image.new("RGB", (photo.width, photo.height))
    canvas.paste(resized, (_offset(resized.width, photo.width), _offset(resized.height, photo.height)))
    return canvas


@dataclass(frozen=True)
class _Axis:
    """How one axis of a photo is resized.

    Attributes:
        size: its length in the photo.
        scaled: its length after resizing.
        kept: how much of `scaled` is left after cropping.
    """

    size: int
    scaled: int
    kept: int

    @property
    def bounds(self) -> tuple[float, float]:
        """Where the part of the photo that is kept begins and ends."""
        begin = -_offset(self.scaled, self.kept)
        return begin * self.size / self.scaled, (begin + self.kept) * self.size / self.scaled

    @property
    def needed(self) -> tuple[int, int]:
        """The first pixel that is needed to compute what is kept, and the one after the last."""
        begin, end = self.bounds
        reach = _FILTER_REACH * max(1.0, self.size / self.scaled) + 1
        return max(0, math.floor(begin - reach)), min(self.size, math.ceil(end + reach))


def _resize_by_parts(
    image: Image.Image, orientation: int, across: _Axis, down: _Axis, resampling: Image.Resampling
) -> Image.Image:
    """Resize and crop a few rows at a time in width, and then all of them in height."""
    (left, right), (upper, lower) = across.bounds, down.bounds
    top, bottom = down.needed
    narrow = Image.new("RGB", (across.kept, bottom - top))
    step = max(1, _PART_PIXELS // across.size)
    for begin in range(top, bottom, step):
        end = min(bottom, begin + step)
        rows = _to_rgb(_upright_rows(image, orientation, begin, end))
        part = rows.resize((across.kept, end - begin), resampling, (left, 0, right, end - begin))
        narrow.paste(part, (0, begin - top))
    return narrow.resize((across.kept, down.kept), resampling, (0, upper - top, across.kept, lower - top))


def _axes(width: int, height: int, photo: PhotoInput) -> tuple[_Axis, _Axis]:
    if photo.resize_mode == "squash":
        return _Axis(width, photo.width, photo.width), _Axis(height, photo.height, photo.height)
    across, down = _scaled_size(width, height, photo)
    return _Axis(width, across, min(across, photo.width)), _Axis(height, down, min(down, photo.height))


def _offset(size: int, target: int) -> int:
    """Return where an image begins on its canvas; negative if it is cropped."""
    return (target - size) // 2 if size < target else -round((size - target) / 2)


def _scaled_size(width: int, height: int, photo: PhotoInput) -> tuple[int, int]:
    """Return (width, height) at which the shortest or longest edge fits, with the same proportions."""
    ratios = (width / photo.width, height / photo.height)
    if photo.resize_mode == "shortest" and photo.width == photo.height:  # torchvision's own function, which rounds down
        shortest, longest = sorted((width, height))
        scaled = int(photo.width * longest / shortest)
        return (photo.width, scaled) if width <= height else (scaled, photo.height)
    ratio = min(ratios) if photo.resize_mode == "shortest" else max(ratios)
    return max(1, round(width / ratio)), max(1, round(height / ratio))


def _upright_rows(image: Image.Image, orientation: int, begin: int, end: int) -> Image.Image:
    """Return some rows of the upright photo."""
    is_sideways = orientation >= _FIRST_SIDEWAYS
    if orientation in _FROM_THE_END:
        last = image.width if is_sideways else image.height
        begin, end = last - end, last - begin
    box = (begin, 0, end, image.height) if is_sideways else (0, begin, image.width, end)
    part = image if box == (0, 0, *image.size) else image.crop(box)
    return part.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else part


def _is_rgb(image: Image.Image) -> bool:
    return image.mode == "RGB" and not image.has_transparency_data


def _to_rgb(image: Image.Image) -> Image.Image:
    if _is_rgb(image):
        return image
    if image.mode in ("I", "F"):  # converting would clip at 0 and 255
        raise ValueError(f"its numbers (mode {image.mode}) are of no known range")
    if image.mode.startswith("I;16"):  # converting would clip at 255
        image = Image.fromarray((np.asarray(image) // 256).astype(np.uint8))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")
