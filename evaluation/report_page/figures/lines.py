"""Line charts with the names of the lines at their right ends instead of a legend."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from evaluation.report_page.figures.names import Named, name_on_the_right
from evaluation.report_page.figures.roles import STROKES, Role


@dataclass(frozen=True)
class Line:
    """The line of one model.

    Attributes:
        name: name of the model.
        role: role of the model, which decides how the line is drawn.
        x: x coordinates in ascending order.
        y: y coordinates, as many as x.
    """

    name: str
    role: Role
    x: Sequence[float]
    y: Sequence[float]


def draw_lines(axes: Axes, lines: Sequence[Line], height: float, *, named: bool = True) -> None:
    """Draw lines and, if `named`, their names, placed without overlap on axes of `height` px."""
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
        name_on_the_right(axes, [Named(line.name, line.role, line.x[-1], line.y[-1]) for line in lines], height)
