"""Time and memory by number of products: a table and a plot."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.common.harness import number, table
from benchmarks.common.measured_process import Usage
from benchmarks.index.ours import Built
from benchmarks.index.search import Searched

_INK, _GRID, _BLUE, _ORANGE = "#202124", "#dadce0", "#0072b2", "#d55e00"
_SETTINGS: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.axisbelow": True,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Measured:
    """Measurements of an index of one size."""

    rows: int
    built: Built
    usage: Usage
    searched: Searched


def growth_table(measured: Sequence[Measured]) -> str:
    """Return the figures of each size as a table."""
    header = ["products", "index", "build s", "peak GB", "of it own GB", "file GB", "ms alone", "p99", "ms in batch"]
    header += ["exact ms", "recall", "strict"]
    return table(header, [_row(size) for size in measured])


def draw_growth(measured: Sequence[Measured], path: Path) -> None:
    """Write the plot as PNG: seconds of the build by stage, memory, and time of a query, by number of products."""
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(12, 4.6), dpi=130, layout="constrained")
        build, memory, time = figure.subplots(1, 3)
        _lines(build, measured, {"whole build": (_BLUE, lambda size: size.built.build_s)}, "Build, seconds")
        for stage, style in zip(measured[-1].built.seconds, ("--", ":", "-.", (0, (1, 4))), strict=False):
            _line(build, measured, _seconds_of(stage), stage, _ORANGE, style)
        _lines(
            memory,
            measured,
            {
                "resident, with mapped vectors": (_BLUE, lambda size: size.usage.peak_resident_gb),
                "anonymous": (_ORANGE, lambda size: size.usage.peak_anonymous_gb),
            },
            "Peak memory of the build, GB",
        )
        _lines(
            time,
            measured,
            {
                "this index": (_BLUE, lambda size: float(np.median(size.searched.single_ms))),
                "exact search": (_ORANGE, lambda size: float(np.median(size.searched.exact_single_ms))),
            },
            "A query alone, one thread, ms",
        )
        for axes in (build, memory, time):
            axes.legend(fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncol=3)
        figure.savefig(path)


def _row(size: Measured) -> list[str]:
    searched, alone = size.searched, np.array(size.searched.single_ms)
    figures = [
        size.built.build_s,
        size.usage.peak_resident_gb,
        size.usage.peak_anonymous_gb,
        size.built.size_bytes / 1e9,
        float(np.median(alone)),
        float(np.percentile(alone, 99)),
        float(np.median(searched.batch_ms)),
        float(np.median(searched.exact_single_ms)),
    ]
    recalls = [f"{searched.tolerant:.4f}", f"{searched.strict:.4f}"]
    return [f"{size.rows:,}", size.built.factory, *map(number, figures), *recalls]


def _seconds_of(stage: str) -> Callable[[Measured], float]:
    return lambda size: size.built.seconds[stage]


def _lines(
    axes: Axes, measured: Sequence[Measured], lines: dict[str, tuple[str, Callable[[Measured], float]]], title: str
) -> None:
    for label, (colour, value) in lines.items():
        _line(axes, measured, value, label, colour, "-")
    axes.set(title=title, xlabel="products, millions", xscale="log", yscale="log")
    axes.grid(color=_GRID)
    axes.set_xticks([size.rows for size in measured])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda rows, _: f"{rows / 1e6:.3g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _line(
    axes: Axes,
    measured: Sequence[Measured],
    value: Callable[[Measured], float],
    label: str,
    colour: str,
    style: Any,
) -> None:
    values = [value(size) for size in measured]
    axes.plot([size.rows for size in measured], values, color=colour, linestyle=style, marker="o", ms=4, label=label)
