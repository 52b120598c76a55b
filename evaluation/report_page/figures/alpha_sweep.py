"""Chart of the recall on held-out queries over alpha, the weight of the text tower (paper, Eq. 4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.ticker import PercentFormatter

from evaluation.report_page.figures.svg import ACCENT, INK, MUTED, chart_settings, inline_svg, new_figure

_HEIGHT = 260


@dataclass(frozen=True)
class AlphaSweep:
    """Validation recall of a model for each alpha, and the chosen alpha."""

    model: str
    recall_by_alpha: Mapping[float, float]
    chosen: float


def alpha_sweep(sweeps: Sequence[AlphaSweep]) -> Markup:
    """Draw one line per model, with its chosen alpha marked."""
    with chart_settings("alpha-sweep"):
        figure, (axes,) = new_figure(_HEIGHT)
        for sweep in sweeps:
            alphas = sorted(sweep.recall_by_alpha)
            recalls = [sweep.recall_by_alpha[alpha] for alpha in alphas]
            axes.plot(alphas, recalls, color=MUTED, linewidth=1.4, marker="o", markersize=4)
            reached = sweep.recall_by_alpha[sweep.chosen]
            axes.plot([sweep.chosen], [reached], color=ACCENT, marker="o", markersize=9)
            words = f"{sweep.model}: alpha {sweep.chosen:g}, {100 * reached:.1f} %"
            axes.annotate(words, (sweep.chosen, reached), (0, 12), textcoords="offset points", ha="center", color=INK)
        axes.margins(x=0.06, y=0.28)
        axes.grid(visible=True, axis="y")
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))
        axes.set_xlabel("alpha: 0 is the photo alone, 1 the title alone")
        axes.set_ylabel("validation recall")
        return inline_svg(figure, "alpha-sweep", "Validation recall over alpha; the chosen alpha is marked")
