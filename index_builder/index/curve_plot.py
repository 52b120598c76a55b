"""Plots the recall of an index against its time, to show what was chosen and why."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from artifacts.manifest import IndexDescription, IndexTrial, MeasuredPoint

# The palette of Okabe and Ito, which is readable with colour blindness too.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
_MARKERS = ("o", "s", "^", "D", "v")
_INK, _MUTED, _GRID = "#202124", "#5f6368", "#dadce0"
_PANEL_INCHES, _HEIGHT_INCHES, _DPI = 6.4, 6.4, 130
_SETTINGS: Any = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _MUTED,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "legend.frameon": False,
    "legend.fontsize": 10,
}
# Recall is drawn as 1 - recall on a logarithmic axis, which spreads out 0.9 to 0.999. Smaller misses than this are
# drawn at the top.
_LEAST_MISS = 5e-4
_RECALL_TICKS = (0.2, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
_MS_TICKS = tuple(digit * 10.0**power for power in range(-3, 5) for digit in (1, 2, 5))


def draw_curve(index: IndexDescription, count: int, path: Path) -> None:
    """Write a PNG with the curve over all products and, where types were tried, their curves on the sample.

    Args:
        index: description of the index with its measurements.
        count: number of products.
        path: file to write; its folder must exist.
    """
    with mpl.rc_context(_SETTINGS):
        panels = 2 if index.trials else 1
        figure = Figure(figsize=(panels * _PANEL_INCHES, _HEIGHT_INCHES), dpi=_DPI, layout="constrained")
        axes = figure.subplots(1, panels, squeeze=False)[0]
        _draw_index(axes[0], index, count)
        if index.trials:
            _draw_trials(axes[1], index)
        figure.savefig(path, format="png", metadata={"Software": None})


def _draw_index(axes: Axes, index: IndexDescription, count: int) -> None:
    others = iter(_COLOURS[2:])
    for k_factor, curve in _by_k_factor(index.curve):
        name = "" if k_factor is None else f", k_factor {k_factor:g}"
        colour = _COLOURS[0] if k_factor == index.k_factor else next(others)
        label = f"within {index.tie_tolerance:g}{' or less' if index.tie_share else ''} of the exact 100th{name}"
        axes.plot(*_line(curve), marker="o", ms=5, color=colour, label=label)
        if k_factor == index.k_factor:
            times, strict = _line(curve)[0], [_height(point.strict_recall_at_100) for point in curve]
            label = f"among the exact 100 (strict){name}"
            axes.plot(times, strict, marker="o", ms=3.5, lw=1, ls=":", color=_MUTED, label=label)
            _annotate_points(axes, curve)
    chosen = index.chosen
    assert chosen is not None, "the builder measured the point that it chose"
    axes.plot(
        chosen.ms_per_query, _height(chosen.recall_at_100),
        marker="o", ms=13, mfc="none", mec=_COLOURS[1], mew=2.2, ls="none", label=f"chosen: {_describe(chosen)}",
    )  # fmt: skip
    _finish(axes, index, index.curve, strict=True)
    axes.set_title(f"{index.factory} over {count:,} products")


def _draw_trials(axes: Axes, index: IndexDescription) -> None:
    for place, trial in enumerate(index.trials):
        chosen = trial.factory == index.factory
        axes.plot(
            *_line(_pareto_front(trial.curve)),
            marker=_MARKERS[place % len(_MARKERS)], ms=5, lw=2.4 if chosen else 1.4,
            color=_COLOURS[place % len(_COLOURS)],
            label=f"{trial.factory}: {_describe_trial(trial)}{', chosen' if chosen else ''}",
        )  # fmt: skip
    _finish(axes, index, [point for trial in index.trials for point in _pareto_front(trial.curve)], strict=False)
    sample = index.trials[0]
    axes.set_title(f"Types tried on {sample.sample_rows:,} products (recall@{sample.recall_depth})")


def _annotate_points(axes: Axes, curve: Sequence[MeasuredPoint]) -> None:
    """Write nprobe, or ef_search of a graph, beside each point."""
    for point in curve:
        dial = point.nprobe or point.ef_search
        if dial is not None:
            place = point.ms_per_query, _height(point.recall_at_100)
            axes.annotate(
                str(dial),
                place,
                xytext=(-7, 4),
                textcoords="offset points",
                ha="right",
                color=_MUTED,
                fontsize=9,
            )


def _finish(axes: Axes, index: IndexDescription, points: Sequence[MeasuredPoint], strict: bool) -> None:
    """Draw target, axes and legend."""
    recalls = [point.recall_at_100 for point in points]
    recalls += [point.strict_recall_at_100 for point in points] if strict else []
    lowest, low, high = min([*recalls, 0.9]), *_time_range([point.ms_per_query for point in points])
    axes.axhline(
        _height(index.target_recall), color=_COLOURS[1], lw=1.2, ls="--", label=f"target {index.target_recall:g}"
    )
    axes.set_ylim(_height(lowest) - 0.1, _height(1) + 0.15)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = [recall for recall in _RECALL_TICKS if recall >= lowest]
    axes.set_yticks([*map(_height, ticks), _height(1)], labels=[*map(str, ticks), f"{1 - _LEAST_MISS} up"])
    shown = [ms for ms in _MS_TICKS if low <= ms <= high]
    axes.set_xticks(shown, labels=[f"{ms:g}" for ms in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(f"ms a query alone, {'on a GPU' if index.timed_on == 'cuda' else 'one thread'} (log scale)")
    axes.set_ylabel("recall@100 against exact search" if strict else "recall against exact search")
    axes.tick_params(color=_MUTED, labelcolor=_INK)
    axes.grid(visible=True)
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.13))  # below, where no curve is


def _time_range(times_ms: Sequence[float]) -> tuple[float, float]:
    """Return the limits of the time axis: a little more than the times, and at least a power of ten."""
    low, high = min(times_ms) / 1.3, max(times_ms) * 1.3
    widening = max(1.0, math.sqrt(10 * low / high))
    return low / widening, high * widening


def _by_k_factor(curve: Sequence[MeasuredPoint]) -> Iterable[tuple[float | None, list[MeasuredPoint]]]:
    for k_factor in dict.fromkeys(point.k_factor for point in curve):
        yield k_factor, [point for point in curve if point.k_factor == k_factor]


def _pareto_front(curve: Sequence[MeasuredPoint]) -> list[MeasuredPoint]:
    """Return the points that no other point beats in both time and recall, the fastest first."""
    front: list[MeasuredPoint] = []
    for point in sorted(curve, key=lambda point: (point.ms_per_query, -point.recall_at_100)):
        if not front or point.recall_at_100 > front[-1].recall_at_100:
            front.append(point)
    return front


def _line(curve: Sequence[MeasuredPoint]) -> tuple[list[float], list[float]]:
    return [point.ms_per_query for point in curve], [_height(point.recall_at_100) for point in curve]


def _height(recall: float) -> float:
    return -math.log10(max(1 - recall, _LEAST_MISS))


def _describe(point: MeasuredPoint) -> str:
    dials = {"nprobe": point.nprobe, "k_factor": point.k_factor, "ef_search": point.ef_search}
    parameters = [f"{name} {value:g}" for name, value in dials.items() if value]
    return ", ".join([*parameters, f"{point.recall_at_100:.4f} in {point.ms_per_query:.2g} ms"])


def _describe_trial(trial: IndexTrial) -> str:
    missed = "" if trial.reached_target else ", misses the target"
    return f"{trial.index_bytes / 1e9:.2g} GB, about {trial.estimated_ms:.2g} ms over all{missed}"
