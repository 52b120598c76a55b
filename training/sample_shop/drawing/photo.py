"""The photo of a product: its parts are placed on a backdrop, painted, lit and scaled to 224 x 224 pixels."""

from functools import cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from training.sample_shop.drawing.geometry import SHEET_UNITS, Part, Points, Tone
from training.sample_shop.drawing.palette import Palette, palette_for
from training.sample_shop.drawing.patterns import pattern_sheet
from training.sample_shop.product_types import ProductType

PHOTO_PIXELS = 224
_OVERSAMPLING = 2  # photos are drawn larger and scaled down, for smooth edges
_SIZE = PHOTO_PIXELS * _OVERSAMPLING
_OUTLINE_PIXELS = 4  # before scaling down
_SHADOW_OFFSET = np.array([7.0, 9.0])  # in pixels before scaling down

_SCALE = (0.74, 0.92)  # the product's size as a share of the photo's
_STRETCH = 0.05  # largest relative change of the width
_TURN_DEGREES = 8.0  # largest rotation to either side
_SHIFT = 0.035  # largest shift in each direction, as a share of the photo's side
_LIGHTS = 4  # number of directions of the light


def product_photo(product_type: ProductType, colour: str, pattern: str, rng: np.random.Generator) -> Image.Image:
    """Draw one product.

    Args:
        product_type: type of the product, which has the shape.
        colour: name of a term of COLOURS.
        pattern: name of a term of PATTERNS.
        rng: generator that decides details, shade, place and light; the photo depends on nothing else.

    Returns:
        An RGB image of 224 x 224 pixels.
    """
    palette = palette_for(colour, rng)
    parts = _placed(product_type.draw(rng), rng)
    sheet = pattern_sheet(pattern, _SIZE, palette, rng)
    image = Image.new("RGB", (_SIZE, _SIZE), palette.backdrop)
    draw = ImageDraw.Draw(image)
    for part in parts:
        draw.polygon((part.points + _SHADOW_OFFSET).ravel().tolist(), fill=palette.shadow)
    for part in parts:
        _paint(image, draw, part, palette, sheet)
    return ImageChops.multiply(image.reduce(_OVERSAMPLING), _light(int(rng.integers(_LIGHTS))))


def _placed(parts: tuple[Part, ...], rng: np.random.Generator) -> list[Part]:
    """Mirror, scale, rotate and move the parts at random; coordinates change from units of the sheet to pixels."""
    scale, stretch = rng.uniform(*_SCALE), 1 + rng.uniform(-_STRETCH, _STRETCH)
    flip = -1.0 if rng.random() < 0.5 else 1.0
    angle = np.radians(rng.uniform(-_TURN_DEGREES, _TURN_DEGREES))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    to_pixels = np.diag([flip * stretch * scale, scale]) @ turn * (_SIZE / SHEET_UNITS)
    centre = _SIZE * (0.5 + rng.uniform(-_SHIFT, _SHIFT, 2))

    def place(points: Points) -> Points:
        placed: Points = (points - SHEET_UNITS / 2) @ to_pixels + centre
        return placed

    return [Part(place(part.points), part.tone, part.outlined) for part in parts]


def _paint(
    image: Image.Image, draw: ImageDraw.ImageDraw, part: Part, palette: Palette, sheet: Image.Image | None
) -> None:
    """Fill a part, with the pattern if it has one, and draw its outline."""
    corners = part.points.ravel().tolist()
    if part.tone is Tone.BODY and sheet is not None:
        mask = Image.new("L", sheet.size)
        ImageDraw.Draw(mask).polygon(corners, fill=255)
        image.paste(sheet, mask=mask)
    else:
        draw.polygon(corners, fill=palette.tones[part.tone])
    if part.outlined:
        draw.line([*corners, *corners[:4]], fill=palette.outline, width=_OUTLINE_PIXELS)


@cache
def _light(direction: int) -> Image.Image:
    """Return the brightness of every pixel as an image: full light on one side, a little less on the other."""
    angle = 2 * np.pi * (direction + 0.5) / _LIGHTS
    x, y = np.meshgrid(np.linspace(-1, 1, PHOTO_PIXELS), np.linspace(-1, 1, PHOTO_PIXELS))
    factor = 0.955 + 0.045 * (x * np.cos(angle) + y * np.sin(angle)) / np.sqrt(2)
    grey = Image.fromarray((255 * factor).round().astype(np.uint8))
    return Image.merge("RGB", (grey, grey, grey))
