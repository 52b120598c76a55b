"""Surface patterns. A pattern is drawn on a whole sheet, and the shape of the product is cut out of it.

The patterns are coarse, so that they stay visible when a small photo tower scales a photo of 224 pixels down to 72:
periods are 20 pixels or more.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from training.sample_shop.drawing.geometry import Points, Tone
from training.sample_shop.drawing.palette import RGB, Palette

_STRIPE_PERIOD = (0.100, 0.140)  # all periods are shares of the sheet's side
_CHECK_PERIOD = (0.125, 0.165)
_DOT_PERIOD = (0.115, 0.150)
_FLOWER_PERIOD = (0.160, 0.205)
_TILT_DEGREES = 6.0

Painter = Callable[[ImageDraw.ImageDraw, int, Palette, np.random.Generator], None]


def _bands(size: int, period: float, width: float, angle: float) -> list[Points]:
    """Return parallel bands that cover a sheet of size x size pixels; an `angle` of 0 radians means vertical bands."""
    reach = size * 0.75
    starts = np.arange(-reach, reach, period)
    along = np.array([np.sin(angle), -np.cos(angle)])
    across = np.array([np.cos(angle), np.sin(angle)])
    centre = np.array([size / 2, size / 2])
    return [
        centre
        + np.stack(
            [
                s * across - reach * along,
                s * across + reach * along,
                (s + width) * across + reach * along,
                (s + width) * across - reach * along,
            ]
        )
        for s in starts
    ]


def _lattice(size: int, period: float, angle: float) -> NDArray[np.float64]:
    """Return points in staggered rows that cover the sheet, in pixels, shape (points, 2)."""
    steps = int(size * 0.75 / period) + 2
    column, row = np.meshgrid(np.arange(-steps, steps + 1), np.arange(-steps, steps + 1))
    x, y = (column + 0.5 * (row % 2)) * period, row * period * 0.87
    turned = np.stack([x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)], axis=-1)
    points = turned.reshape(-1, 2) + size / 2
    inside = ((points > -period) & (points < size + period)).all(axis=1)
    kept: NDArray[np.float64] = points[inside]
    return kept


def _fill(draw: ImageDraw.ImageDraw, points: Points, colour: RGB) -> None:
    draw.polygon(points.ravel().tolist(), fill=colour)


def _spots(draw: ImageDraw.ImageDraw, centres: NDArray[np.float64], radius: float, colour: RGB) -> None:
    for x, y in centres.tolist():
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _tilt(rng: np.random.Generator) -> float:
    return float(np.radians(rng.uniform(-_TILT_DEGREES, _TILT_DEGREES)))


def _striped(draw: ImageDraw.ImageDraw, size: int, palette: Palette, rng: np.random.Generator) -> None:
    """Draw vertical, horizontal or diagonal bands."""
    period = size * rng.uniform(*_STRIPE_PERIOD)
    angle = (0.0, np.pi / 2, np.pi / 2, np.pi / 4)[int(rng.integers(4))] + _tilt(rng)
    for band in _bands(size, period, period * rng.uniform(0.36, 0.46), angle):
        _fill(draw, band, palette.pattern)


def _checked(draw: ImageDraw.ImageDraw, size: int, palette: Palette, rng: np.random.Generator) -> None:
    """Draw gingham: bands of the mid tone in both directions, and the full tone where they cross."""
    period, angle = size * rng.uniform(*_CHECK_PERIOD), _tilt(rng)
    width = period * 0.38
    for turn in (angle, angle + np.pi / 2):
        for band in _bands(size, period, width, turn):
            _fill(draw, band, palette.pattern_mid)
    across = np.array([np.cos(angle), np.sin(angle)])
    down = np.array([-np.sin(angle), np.cos(angle)])
    starts = np.arange(-size * 0.75, size * 0.75, period)
    for s in starts:
        for t in starts:
            corner = size / 2 + s * across + t * down
            square = np.stack(
                [corner, corner + width * across, corner + width * (across + down), corner + width * down]
            )
            _fill(draw, square, palette.pattern)


def _dotted(draw: ImageDraw.ImageDraw, size: int, palette: Palette, rng: np.random.Generator) -> None:
    """Draw round dots in staggered rows."""
    period = size * rng.uniform(*_DOT_PERIOD)
    _spots(draw, _lattice(size, period, _tilt(rng)), period * rng.uniform(0.25, 0.29), palette.pattern)


def _floral(draw: ImageDraw.ImageDraw, size: int, palette: Palette, rng: np.random.Generator) -> None:
    """Draw flowers of five petals around a centre in a darker tone of the body's colour."""
    period = size * rng.uniform(*_FLOWER_PERIOD)
    centres = _lattice(size, period, _tilt(rng))
    turn = rng.uniform(0, 2 * np.pi)
    for petal in range(5):
        angle = turn + petal * 2 * np.pi / 5
        offset = period * 0.21 * np.array([np.cos(angle), np.sin(angle)])
        _spots(draw, centres + offset, period * 0.15, palette.pattern)
    _spots(draw, centres, period * 0.12, palette.tones[Tone.SHADE])


_PAINTERS: dict[str, Painter] = {
    "striped": _striped,
    "checked": _checked,
    "dotted": _dotted,
    "floral": _floral,
}


def pattern_sheet(pattern: str, size: int, palette: Palette, rng: np.random.Generator) -> Image.Image | None:
    """Return a square RGB image of size x size pixels filled with the pattern, or None for plain."""
    if pattern == "plain":
        return None
    sheet = Image.new("RGB", (size, size), palette.tones[Tone.BODY])
    _PAINTERS[pattern](ImageDraw.Draw(sheet), size, palette, rng)
    return sheet
