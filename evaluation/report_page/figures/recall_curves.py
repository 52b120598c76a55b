"""Chart of recall over the cut-off, one line per model."""

from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.ticker import NullLocator, PercentFormatter

from evaluation.report_page.figures.lines import Line, draw_lines
from evaluation.report_page.figures.svg import chart_settings, inline_svg, new_figure

_HEIGHT = 400
_AXES_HEIGHT = _HEIGHT - 50  # px, without the tick labels and title of the x axis
_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def recall_curves(lines: Sequence[Line]) -> Markup:
    """Draw the recall (0 to 1) of each model over the number of products retrieved, on a logarithmic axis."""
    with chart_settings("recall-curves"):
        figure, (axes,) = new_figure(_HEIGHT)
        axes.set_xscale("log")
        axes.grid(visible=True)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_ylim(0, max(max(line.y) for line in lines) * 1.06 or 1)
        draw_lines(axes, lines, _AXES_HEIGHT)
        last = max(line.x[-1] for line in lines)
        axes.set_xticks([tick for tick in _TICKS if tick <= last], labels=[str(t) for t in _TICKS if t <= last])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("products retrieved (cut-off)")
        axes.set_ylabel("recall")
        return inline_svg(figure, "recall-curves", f"Recall over the cut-off of {len(lines)} models")
