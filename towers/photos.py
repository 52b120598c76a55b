"""Product photos to pixels, as a CLIP's image tower reads them."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch import Tensor

from artifacts.side import PhotoInput
from towers.errors import PhotoError

Pixels = npt.NDArray[np.uint8]

MAX_PHOTO_PIXELS = 100_000_000  # a photo that claims more is taken for a decompression bomb
# What shops publish. Others are left out because Pillow runs programs for some, such as Ghostscript for EPS.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP", "TIFF")
_RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def photo_path(folder: Path, image: str) -> Path:
    """Where a product's photo lies.

    Args:
        folder: the catalogue's folder, which photos must not leave.
        image: the catalogue's entry.

    Raises:
        PhotoError: the entry is a URL ("url"), points outside the folder ("outside"), or is no path
            ("unreadable").
    """
    if image.lower().startswith(("http://", "https://")):
        raise PhotoError("url", f"{image} is a URL; only photos beside the catalogue are read")
    path = folder / image
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (ValueError, RuntimeError) as error:  # a null character, or links that go in a circle
        raise PhotoError("unreadable", f"{image!r} is no path: {error}") from error
    if not inside:
        raise PhotoError("outside", f"{image} lies outside of {folder}")
    return path


def load_photo(path: Path, photo: PhotoInput) -> Pixels:
    """Decode a photo and bring it to the size that a tower reads.

    Rotation by EXIF is applied, transparency is laid on white, of an animation the first frame counts.

    Returns:
        Shape (height, width, 3), RGB, 0 to 255.

    Raises:
        PhotoError: there is no file ("missing"), it is no picture or a broken one ("unreadable"), or it
            has more than MAX_PHOTO_PIXELS pixels ("too-large").
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > MAX_PHOTO_PIXELS:
                raise PhotoError("too-large", f"{path} has {image.width} x {image.height} pixels")
            image.draft("RGB", (2 * photo.width, 2 * photo.height))  # lets JPEG decode at a smaller scale
            return np.asarray(_resize(_to_rgb(ImageOps.exif_transpose(image)), photo))
    except PhotoError:
        raise
    except FileNotFoundError as error:
        raise PhotoError("missing", f"{path} is missing") from error
    except Image.DecompressionBombError as error:
        raise PhotoError("too-large", f"{path}: {error}") from error
    except Exception as error:  # Pillow's decoders let nearly every kind out on broken files
        raise PhotoError("unreadable", f"{path} is no readable picture: {error}") from error


def normalise_photos(pixels: Tensor, photo: PhotoInput) -> Tensor:
    """Pixels to the numbers that a tower reads.

    Args:
        pixels: (n, height, width, 3) uint8.
        photo: gives mean and standard deviation of each channel, on a scale of 0 to 1.

    Returns:
        (n, 3, height, width) float32, in channels-last memory order, which convolutions prefer.
    """
    mean = torch.tensor(photo.mean, device=pixels.device) * 255
    scale = 1 / (torch.tensor(photo.std, device=pixels.device) * 255)
    return ((pixels.float() - mean) * scale).permute(0, 3, 1, 2)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):  # converting would cut at 255
        image = Image.fromarray((np.asarray(image) // 256).astype(np.uint8))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _resize(image: Image.Image, photo: PhotoInput) -> Image.Image:
    """Resize as open_clip does for the mode that the model was trained with, to the same pixel."""
    resampling = _RESAMPLING[photo.interpolation]
    if photo.resize_mode == "squash":
        return image.resize((photo.width, photo.height), resampling)
    resized = image.resize(_scaled_size(image, photo), resampling)
    canvas = Image.new("RGB", (photo.width, photo.height))
    canvas.paste(resized, (_offset(resized.width, photo.width), _offset(resized.height, photo.height)))
    return canvas


def _scaled_size(image: Image.Image, photo: PhotoInput) -> tuple[int, int]:
    """(width, height) at which the shortest or longest edge fits, the ratio of the two being kept."""
    ratios = (image.width / photo.width, image.height / photo.height)
    if photo.resize_mode == "shortest" and photo.width == photo.height:  # torchvision's own, which cuts
        short, long = sorted(image.size)
        scaled = int(photo.width * long / short)
        return (photo.width, scaled) if image.width <= image.height else (scaled, photo.height)
    ratio = min(ratios) if photo.resize_mode == "shortest" else max(ratios)
    return max(1, round(image.width / ratio)), max(1, round(image.height / ratio))


def _offset(size: int, target: int) -> int:
    """Where a picture begins on its canvas: negative where it is cropped."""
    return (target - size) // 2 if size < target else -round((size - target) / 2)
