"""Lines whose names stand at their right ends, which spares a legend and its colours."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from evaluation.report_page.figures.placing import spread
from evaluation.report_page.figures.roles import STROKES, Role
from evaluation.report_page.figures.svg import FONT_SIZE, GRID

_LINE_HEIGHT = FONT_SIZE + 3  # px
_NAMES_FROM = 1.03  # where names begin, in widths of the axes


@dataclass(frozen=True)
class Line:
    """One model's values.

    Attributes:
        name: of the model.
        role: how it is drawn.
        x: abscissae, rising.
        y: as many values.
    """

    name: str
    role: Role
    x: Sequence[float]
    y: Sequence[float]


def draw_lines(axes: Axes, lines: Sequence[Line], height: float, *, named: bool = True) -> None:
    """Draw lines; `height` in px of the axes tells how far names must be apart."""
    for line in lines:
        stroke = STROKES[line.role]
        axes.plot(
            line.x,
            line.y,
            color=stroke.colour,
            linewidth=stroke.width,
            linestyle=stroke.dashes,
            zorder=stroke.layer,
            solid_capstyle="round",
            marker="o" if len(line.x) == 1 else "",
        )
    axes.margins(x=0 if any(len(line.x) > 1 for line in lines) else 0.1)
    if named:
        _name_ends(axes, lines, height)


def _name_ends(axes: Axes, lines: Sequence[Line], height: float) -> None:
    """Write each name right of its line's end, moved up or down where names would overlap."""
    low, high = axes.get_ylim()
    ends = [height * (line.y[-1] - low) / (high - low) for line in lines]
    for line, place in zip(lines, spread(ends, _LINE_HEIGHT, 0, height), strict=True):
        stroke = STROKES[line.role]
        axes.annotate(
            line.name,
            xy=(line.x[-1], line.y[-1]),
            xytext=(_NAMES_FROM, place / height),
            textcoords="axes fraction",
            color=stroke.colour,
            fontweight="bold" if stroke.width > 2 else "normal",
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": GRID, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 1},
        )
