"""How much memory Pillow takes to decode a picture, told from the picture's header.

The numbers were measured with Pillow 13 and hold for its other versions unless their decoders change; tests measure
them again.
"""

import math

from PIL import ImageFile

_PIXEL_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}  # other modes take 4
# The canvas, the canvas before it, the decoder's own copy, and Pillow's picture.
_WEBP_PIXEL_BYTES = 17
# Pillow's picture, its copy for the decoder, and frames of three samples of two bytes.
_AVIF_PIXEL_BYTES = 16
_COEFFICIENT_BYTES = 2  # libjpeg keeps a JPEG of several scans as coefficients, in full size
_TIFF_BITS, _TIFF_ROWS_PER_STRIP, _TIFF_TILE_WIDTH, _TIFF_TILE_HEIGHT, _TIFF_ORIENTATION = 258, 278, 322, 323, 274
_TIFF_MIN_BLOCK_BYTES = 4  # for each pixel of a block; libtiff decodes some kinds as RGBA


def decoding_bytes(
    image: ImageFile.ImageFile, size: tuple[int, int], file_bytes: int, several_scans: bool = False
) -> int:
    """Return the most memory that loading a picture takes.

    Args:
        image: the picture, opened but not loaded; a JPEG may be set to be decoded smaller.
        size: width and height of the picture in its file.
        file_bytes: the length of the file.
        several_scans: whether it is a JPEG with several scans.
    """
    pixels = image.width * image.height
    picture = pixels * _PIXEL_BYTES.get(image.mode, 4)
    if image.format in ("JPEG", "MPO"):  # its metadata are kept
        return picture + file_bytes + (_coefficient_bytes(image, size) if several_scans else 0)
    if image.format == "WEBP":
        return pixels * _WEBP_PIXEL_BYTES + 2 * file_bytes
    if image.format == "AVIF":
        return pixels * _AVIF_PIXEL_BYTES + 2 * file_bytes
    if image.format == "TIFF":
        return picture + _tiff_bytes(image, picture, file_bytes)
    if image.format == "GIF":  # the canvas and the frame on it, and the comments
        return 2 * picture + 2 * file_bytes
    if image.format == "BMP":  # a compressed one is kept while it is decoded
        return picture + 2 * pixels
    return picture  # PNG, without its metadata


def _coefficient_bytes(image: ImageFile.ImageFile, size: tuple[int, int]) -> int:
    layers = image.layer  # type: ignore[attr-defined]  # of a JPEG: (id, horizontal and vertical sampling, table)
    widest, highest = max(layer[1] for layer in layers), max(layer[2] for layer in layers)
    blocks = math.ceil(size[0] / (8 * widest)) * math.ceil(size[1] / (8 * highest))
    samples: int = 64 * blocks * sum(layer[1] * layer[2] for layer in layers)
    return _COEFFICIENT_BYTES * samples


def _tiff_bytes(image: ImageFile.ImageFile, picture: int, file_bytes: int) -> int:
    tags = image.tag_v2  # type: ignore[attr-defined]
    turned = 0 if tags.get(_TIFF_ORIENTATION, 1) == 1 else picture  # Pillow turns it while it loads it
    if image.info.get("compression") == "raw":
        return turned
    if _TIFF_TILE_WIDTH in tags:
        block = tags[_TIFF_TILE_WIDTH] * tags.get(_TIFF_TILE_HEIGHT, 1)
    else:
        block = max(image.size) * min(tags.get(_TIFF_ROWS_PER_STRIP, image.height), max(image.size))
        block = min(block, image.width * image.height)
    bits = tags.get(_TIFF_BITS, (8,))
    block_bytes: int = block * max(_TIFF_MIN_BLOCK_BYTES, sum(bits) // 8)
    return max(turned, block_bytes + file_bytes)
