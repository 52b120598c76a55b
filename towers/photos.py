"""Product photos to pixels, as a CLIP's image tower reads them."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from artifacts.side import PhotoInput
from towers.errors import PhotoError

Pixels = npt.NDArray[np.uint8]

MAX_PHOTO_PIXELS = 100_000_000  # a photo that claims more is taken for a decompression bomb
_RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def photo_path(folder: Path, image: str) -> Path:
    """Where a product's photo lies.

    Args:
        folder: the catalogue's folder, which photos must not leave.
        image: the catalogue's entry.

    Raises:
        PhotoError: the entry is a URL ("url"), or points outside the folder ("outside").
    """
    if image.startswith(("http://", "https://")):
        raise PhotoError("url", f"{image} is a URL; only photos beside the catalogue are read")
    path = folder / image
    if not path.resolve().is_relative_to(folder.resolve()):
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
        with Image.open(path) as image:
            if image.width * image.height > MAX_PHOTO_PIXELS:
                raise PhotoError("too-large", f"{path} has {image.width} x {image.height} pixels")
            image.draft("RGB", (2 * photo.width, 2 * photo.height))  # lets JPEG decode at a smaller scale
            return np.asarray(_resize(_to_rgb(ImageOps.exif_transpose(image)), photo))
    except FileNotFoundError as error:
        raise PhotoError("missing", f"{path} is missing") from error
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
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
    if image.mode == "RGB":
        return image
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _resize(image: Image.Image, photo: PhotoInput) -> Image.Image:
    """Resize as open_clip does for the mode that the model was trained with."""
    target = (photo.width, photo.height)
    resampling = _RESAMPLING[photo.interpolation]
    if photo.resize_mode == "squash":
        return image.resize(target, resampling)
    ratios = (photo.width / image.width, photo.height / image.height)
    ratio = max(ratios) if photo.resize_mode == "shortest" else min(ratios)
    resized = image.resize(
        (max(1, round(image.width * ratio)), max(1, round(image.height * ratio))), resampling
    )
    canvas = Image.new("RGB", target)
    canvas.paste(resized, ((photo.width - resized.width) // 2, (photo.height - resized.height) // 2))
    return canvas
