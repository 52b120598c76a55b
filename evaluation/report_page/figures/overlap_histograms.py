"""Histograms of the number of products per query that each model shares with the baseline."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from evaluation.report_page.figures.roles import Role
from evaluation.report_page.figures.svg import ACCENT, INK, MUTED, chart_settings, inline_svg, new_figure

_COLUMNS = 3
_ROW_HEIGHT = 165  # px
_BINS = 20


@dataclass(frozen=True)
class Overlap:
    """The overlap of a model with the baseline."""

    name: str
    role: Role
    shared: npt.NDArray[np.int64]  # (queries,) products that both retrieved


def overlap_histograms(overlaps: Sequence[Overlap], depth: int) -> Markup:
    """Draw one histogram per model over 0 to `depth` shared products, all with the same scales."""
    edges = np.linspace(0, depth, min(_BINS, depth) + 1)
    with chart_settings("overlap"):
        rows = math.ceil(len(overlaps) / _COLUMNS)
        figure, axes = new_figure(_ROW_HEIGHT * rows + 20, rows, _COLUMNS)
        tallest = max(_draw(place, overlap, edges) for place, overlap in zip(axes, overlaps, strict=False))
        for place in axes:
            place.set_ylim(0, tallest * 1.05)
            place.set_xlim(0, depth)
        for place in axes[len(overlaps) :]:
            place.set_visible(False)
        figure.supxlabel(f"products of {depth} shared with the baseline", color=MUTED, fontsize="medium")
        return inline_svg(figure, "overlap", "Histograms of the number of products shared with the baseline, by model")


def _draw(axes: Axes, overlap: Overlap, edges: npt.NDArray[np.float64]) -> float:
    """Draw one histogram and return the height of its tallest bar."""
    counts, _ = np.histogram(overlap.shared, edges)
    shares = counts / len(overlap.shared)
    colour = ACCENT if overlap.role is Role.FEATURED else MUTED
    axes.bar(edges[:-1], shares, width=np.diff(edges) * 0.9, align="edge", color=colour)
    mean = float(overlap.shared.mean())
    axes.axvline(mean, color=INK, linewidth=1.2)
    axes.set_title(f"{overlap.name}  {mean:.0f} (SD {overlap.shared.std():.0f})")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.grid(visible=True, axis="y")
    return float(shares.max())
