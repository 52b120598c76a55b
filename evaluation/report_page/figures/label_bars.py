"""Chart of the label shares of each model: stacked bars with confidence intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from evaluation.report_page.figures.roles import STROKES, Role
from evaluation.report_page.figures.svg import INK, LABEL_COLOURS, PAPER, chart_settings, inline_svg, new_figure
from evaluation.results.records import Interval

_ROW_HEIGHT = 30  # px
_BAR = 0.72  # height of a bar, as a fraction of the row
_LEAST_NUMBERED = 0.045  # smaller shares have no room for their number
_WHISKERS = {"E": -0.18, "S": 0.0, "I": 0.18}  # offset in the row; the Complement share is too small for a whisker


@dataclass(frozen=True)
class LabelShares:
    """The shares of the four labels for one model."""

    name: str
    role: Role
    shares: Mapping[str, Interval]


def label_bars(models: Sequence[LabelShares]) -> Markup:
    """Draw one bar per model, from Exact on the left to Irrelevant on the right."""
    with chart_settings("label-bars"):
        figure, (axes,) = new_figure(50 + _ROW_HEIGHT * len(models))
        for row, model in enumerate(models):
            _bar(axes, row, model)
        axes.set_yticks(range(len(models)), labels=[model.name for model in models])
        for tick, model in zip(axes.get_yticklabels(), models, strict=True):
            tick.set_color(STROKES[model.role].colour)
            tick.set_fontweight("bold" if STROKES[model.role].width > 2 else "normal")
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(models) - 0.4, -0.6)
        axes.set_xlim(0, 1)
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlabel("share of the labelled products among those retrieved")
        return inline_svg(figure, "label-bars", "Shares of the four labels by model")


def _bar(axes: Axes, row: int, model: LabelShares) -> None:
    left = 0.0
    for label, colour in LABEL_COLOURS.items():
        share = model.shares[label]
        axes.barh(row, share.mean, left=left, height=_BAR, color=colour, edgecolor=PAPER, linewidth=1)
        if share.mean >= _LEAST_NUMBERED:
            text = f"{100 * share.mean:.1f}"
            axes.text(left + share.mean / 2, row, text, color=PAPER, ha="center", va="center_baseline", zorder=4)
        if label in _WHISKERS:
            edge = left if label == "I" else left + share.mean
            _whisker(axes, row + _WHISKERS[label], edge, share)
        left += share.mean


def _whisker(axes: Axes, height: float, edge: float, share: Interval) -> None:
    """Draw the interval of a label at the end of its segment (for Irrelevant, at the start)."""
    ends = [edge + share.low - share.mean, edge + share.high - share.mean]
    axes.plot(ends, [height, height], color=PAPER, linewidth=4, solid_capstyle="butt", zorder=5)
    axes.plot(ends, [height, height], color=INK, linewidth=1.6, solid_capstyle="butt", zorder=6)
