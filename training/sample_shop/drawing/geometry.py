"""Outlines as arrays of points, and the parts that a product drawing consists of.

Coordinates are units on a square sheet of 100 x 100 units, x to the right and y down, and do not depend on pixels.
Every shape is a polygon, because polygons can be rotated and scaled exactly and are filled quickly.
"""

from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # shape (number of points, 2), in units of the sheet
XY = tuple[float, float]

SHEET_UNITS = 100.0
CENTRE_X = SHEET_UNITS / 2


class Tone(Enum):
    """The kind of colour of a part; the palette has an RGB colour for each."""

    BODY = auto()  # the product's colour, with its pattern
    FLAT = auto()  # the product's colour without the pattern
    SHADE = auto()  # a darker tone of the product's colour
    TINT = auto()  # a lighter tone of the product's colour
    TRIM = auto()  # white, cream or light grey: soles, rims, snouts
    INK = auto()  # nearly black: tyres, eyes
    WOOD = auto()
    METAL = auto()
    WINDOW = auto()  # pale glass


@dataclass(frozen=True)
class Part:
    """One filled polygon of a drawing; later parts cover earlier ones."""

    points: Points
    tone: Tone
    outlined: bool = True


def polygon(*corners: XY) -> Points:
    """Return a polygon with these corners."""
    return np.array(corners, dtype=np.float64)


def box(left: float, top: float, right: float, bottom: float, radius: float = 0.0) -> Points:
    """Return a rectangle; a positive `radius` rounds its corners."""
    if radius <= 0:
        return polygon((left, top), (right, top), (right, bottom), (left, bottom))
    corners = ((right, top, 270), (right, bottom, 0), (left, bottom, 90), (left, top, 180))
    arcs = []
    for x, y, start in corners:
        centre_x = x + (radius if x == left else -radius)
        centre_y = y + (radius if y == top else -radius)
        arcs.append(arc(centre_x, centre_y, radius, radius, start, start + 90, steps=7))
    return np.concatenate(arcs)


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float, steps: int = 25) -> Points:
    """Return points along an ellipse from `start` to `end` degrees, clockwise from the right."""
    angle = np.radians(np.linspace(start, end, steps))
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1)


def ellipse(x: float, y: float, rx: float, ry: float) -> Points:
    """Return a whole ellipse with the centre (x, y) and the semi-axes rx and ry."""
    return arc(x, y, rx, ry, 0, 351, steps=40)


def smooth(*knots: XY, closed: bool = False, steps: int = 6) -> Points:
    """Return a Catmull-Rom curve through the knots, with `steps` points from one knot to the next."""
    knot = np.array(knots, dtype=np.float64)
    ends = (knot[-1:], knot[:1]) if closed else (knot[:1], knot[-1:])
    padded = np.concatenate([ends[0], knot, ends[1], knot[1:2] if closed else knot[:0]])
    spans = len(padded) - 3
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    p0, p1, p2, p3 = (padded[i : i + spans, None, :] for i in range(4))
    cubic = (3 * (p1 - p2) + p3 - p0) * t**3 + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (p2 - p0) * t + 2 * p1
    curve: Points = (cubic / 2).reshape(-1, 2)
    return curve if closed else np.concatenate([curve, knot[-1:]])


def mirrored(points: Points) -> Points:
    """Return the mirror image of the points, in reverse order so that both halves join to one outline."""
    return np.stack([2 * CENTRE_X - points[::-1, 0], points[::-1, 1]], axis=1)


def symmetric(right_half: Points) -> Points:
    """Return the closed symmetric outline with this right half, given from top to bottom."""
    return np.concatenate([right_half, mirrored(right_half)])


def ribbon(line: Points, width: float, end_width: float | None = None) -> Points:
    """Return a band along an open line; its width changes from `width` to `end_width` if that is given."""
    along = np.gradient(line, axis=0)
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) / length[:, None]
    widths = np.linspace(width, width if end_width is None else end_width, len(line))
    offset = across * widths[:, None] / 2
    return np.concatenate([line + offset, (line - offset)[::-1]])


def shifted(points: Points, dx: float, dy: float) -> Points:
    """Return the points moved by (dx, dy) units."""
    moved: Points = points + np.array([dx, dy])
    return moved


def seam(*knots: XY, width: float = 0.9, tone: Tone = Tone.SHADE) -> Part:
    """Return a thin curve through the knots, such as a seam, a fold or a zip."""
    line = smooth(*knots) if len(knots) > 2 else polygon(*knots)
    return Part(ribbon(line, width), tone, outlined=False)


def disc(x: float, y: float, radius: float, tone: Tone, outlined: bool = True) -> Part:
    """Return a round part, such as a button, a wheel or an eye."""
    return Part(arc(x, y, radius, radius, 0, 342, steps=20), tone, outlined)


def both_sides(*parts: Part) -> tuple[Part, ...]:
    """Return the parts, given for the right side, followed by their mirror images."""
    return parts + tuple(Part(mirrored(part.points), part.tone, part.outlined) for part in parts)
