"""Names in a column to the right of a chart, without overlap, connected to their points by thin lines."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from evaluation.report_page.figures.placing import spread
from evaluation.report_page.figures.roles import STROKES, Role
from evaluation.report_page.figures.svg import FONT_SIZE, GRID

_LINE_HEIGHT = FONT_SIZE + 3  # px
_NAMES_FROM = 1.03  # x coordinate of the names, in widths of the axes


@dataclass(frozen=True)
class Named:
    """A point of a chart, in data coordinates, with the name and role of its model."""

    name: str
    role: Role
    x: float
    y: float


def name_on_the_right(axes: Axes, places: Sequence[Named], height: float) -> None:
    """Write each name at the height of its point, moved up or down where names would overlap.

    Args:
        axes: axes of the chart, with their final limits.
        places: points to name.
        height: height of the axes in px.
    """
    low, high = axes.get_ylim()
    wanted = [height * (place.y - low) / (high - low) for place in places]
    for place, found in zip(places, spread(wanted, _LINE_HEIGHT, 0, height), strict=True):
        stroke = STROKES[place.role]
        axes.annotate(
            place.name,
            xy=(place.x, place.y),
            xytext=(_NAMES_FROM, found / height),
            textcoords="axes fraction",
            color=stroke.colour,
            fontweight="bold" if stroke.width > 2 else "normal",
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": GRID, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 1},
        )
