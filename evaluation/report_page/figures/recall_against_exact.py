"""Scatter chart of recall against the share of Exact products."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.ticker import MaxNLocator, PercentFormatter
from matplotlib.transforms import Bbox

from evaluation.report_page.figures.names import Named, name_on_the_right
from evaluation.report_page.figures.roles import STROKES, Role
from evaluation.report_page.figures.svg import ACCENT, GRID, MUTED, chart_settings, inline_svg, new_figure
from evaluation.results.records import Interval

_HEIGHT = 400
_NEAR = 0.08  # models whose two shares differ from the baseline's by at most this are near it
_CROWD = 8  # with this many models or more, names are written beside the chart
_OFFSETS = (
    (8, 8),
    (8, -8),
    (-8, 8),
    (-8, -8),
    (8, 20),
    (8, -20),
    (-8, 20),
    (-8, -20),
    (8, 33),
    (8, -33),
)  # px, of a name from its point


@dataclass(frozen=True)
class Point:
    """The recall of a model and its share of Exact products."""

    name: str
    role: Role
    recall: Interval
    exact: Interval


def recall_against_exact(points: Sequence[Point]) -> Markup:
    """Draw one cross per model, whose arms are the two confidence intervals.

    The region where both values are better than the baseline's is shaded. If some models are far from the baseline, so
    that the others would be crowded, a second chart shows only the models near it.
    """
    groups = _groups(points)
    with chart_settings("recall-against-exact"):
        figure, charts = new_figure(_HEIGHT, 1, len(groups))
        for axes, group in zip(charts, groups, strict=True):
            _draw(axes, group, GRID if len(group) >= _CROWD else MUTED)
        figure.draw_without_rendering()  # fixes the layout, which the placement of names needs
        last = groups[-1]
        named = {point.name for point in last}
        for axes, group in zip(charts, groups, strict=True):
            if group is last and len(group) >= _CROWD:
                places = [Named(point.name, point.role, point.recall.mean, point.exact.mean) for point in group]
                name_on_the_right(axes, places, axes.get_window_extent().height)
            else:
                _name(axes, [one for one in group if group is last or one.name not in named or _is_key(one)], group)
        return inline_svg(figure, "recall-against-exact", "Recall against the share of Exact products, by model")


def _groups(points: Sequence[Point]) -> list[Sequence[Point]]:
    """Return all points and, if some are far from the baseline, those near it as a second group."""
    baseline = next((point for point in points if point.role is Role.BASELINE), None)
    if baseline is None:
        return [points]
    near = [
        point
        for point in points
        if abs(point.recall.mean - baseline.recall.mean) <= _NEAR
        and abs(point.exact.mean - baseline.exact.mean) <= _NEAR
    ]
    return [points, near] if 1 < len(near) < len(points) else [points]


def _is_key(point: Point) -> bool:
    return point.role in (Role.BASELINE, Role.FEATURED)


def _draw(axes: Axes, points: Sequence[Point], arms: str) -> None:
    for point in points:
        _cross(axes, point, STROKES[point.role].colour if _is_key(point) else arms)
    axes.margins(0.1)
    for point in points:
        if point.role is Role.BASELINE:
            _corner(axes, point)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=False))
    axes.set_xlabel("recall")
    axes.set_ylabel("Exact")


def _cross(axes: Axes, point: Point, arms: str) -> None:
    stroke = STROKES[point.role]
    x, y = point.recall, point.exact
    axes.plot([x.low, x.high], [y.mean, y.mean], color=arms, linewidth=1, zorder=stroke.layer - 2)
    axes.plot([x.mean, x.mean], [y.low, y.high], color=arms, linewidth=1, zorder=stroke.layer - 2)
    fill = "none" if point.role is Role.CONTEXT else stroke.colour
    size = 8 if stroke.width > 2 else 6
    axes.plot(
        [x.mean], [y.mean], marker="o", color=stroke.colour, markersize=size, zorder=stroke.layer, markerfacecolor=fill
    )


def _corner(axes: Axes, baseline: Point) -> None:
    axes.set_xlim(axes.get_xlim())
    axes.set_ylim(axes.get_ylim())
    x, y = baseline.recall.mean, baseline.exact.mean
    axes.axvline(x, color=GRID, linewidth=0.8, zorder=1)
    axes.axhline(y, color=GRID, linewidth=0.8, zorder=1)
    axes.fill_between([x, axes.get_xlim()[1]], y, axes.get_ylim()[1], color=ACCENT, alpha=0.06, linewidth=0, zorder=0)
    axes.annotate(
        "better on both",
        (1, 1),
        (-6, -6),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        va="top",
        color=MUTED,
    )


def _name(axes: Axes, points: Sequence[Point], drawn: Sequence[Point]) -> None:
    """Write names where they overlap the drawn points and other names least."""
    places = axes.transData.transform([(point.recall.mean, point.exact.mean) for point in drawn])
    taken = [Bbox.from_extents(x - 5, y - 5, x + 5, y + 5) for x, y in places]
    frame = axes.get_window_extent()
    for point in sorted(points, key=lambda point: -STROKES[point.role].layer):
        boxes = []
        for dx, dy in _OFFSETS:
            text = _annotation(axes, point, dx, dy)
            boxes.append((text.get_window_extent(), dx, dy))
            text.remove()
        box, dx, dy = min(boxes, key=lambda found: _cost(found[0], taken, frame))
        _annotation(axes, point, dx, dy)
        taken.append(box)


def _cost(box: Bbox, taken: Sequence[Bbox], frame: Bbox) -> float:
    """Return the area of a name that would overlap others or be outside the chart, in square px."""
    inside = Bbox.intersection(box, frame)
    outside = box.width * box.height - (inside.width * inside.height if inside else 0)
    covered = [Bbox.intersection(box, other) for other in taken]
    return outside + sum(found.width * found.height for found in covered if found)


def _annotation(axes: Axes, point: Point, dx: float, dy: float) -> Annotation:
    stroke = STROKES[point.role]
    return axes.annotate(
        point.name,
        (point.recall.mean, point.exact.mean),
        xytext=(dx, dy),
        textcoords="offset points",
        ha="left" if dx > 0 else "right",
        va="center",
        color=stroke.colour,
        fontweight="bold" if stroke.width > 2 else "normal",
        zorder=6,
    )
