"""The curve of the generations as an SVG file."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from training.generations.outcome import Outcome

PANELS = (("Recall@1", "Recall@10", "Recall@100"), ("nDCG@10", "Exact@10", "Exact@100"))
_COLOURS = ("#b01020", "#1f5fa8", "#3a7d2c")
_INCHES = (10, 4)
# Equal numbers give equal files, whose texts are texts.
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "generations",
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def curve(outcomes: Sequence[Outcome]) -> bytes:
    """Draw the measures of each generation with their 95% intervals, recall on the left and relevance on the right."""
    numbers = range(1, len(outcomes) + 1)
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=_INCHES, layout="constrained")
        for axes, names in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
            for name, colour in zip(names, _COLOURS, strict=True):
                found = [outcome.values[name] for outcome in outcomes]
                below, above = [it.mean - it.low for it in found], [it.high - it.mean for it in found]
                means = [it.mean for it in found]
                axes.errorbar(
                    numbers, means, yerr=(below, above), color=colour, label=name, capsize=3, marker="o", markersize=4
                )
            axes.set_xticks(numbers)
            axes.set_xlabel("generation")
            axes.set_ylabel("percent")
            axes.set_ylim(0, 100)
            axes.grid(visible=True, linewidth=0.5, color="#d0d1d2")
            axes.legend(
                frameon=False, ncols=len(names), loc="lower center", bbox_to_anchor=(0.5, 1.0)
            )  # beside no line
        sink = io.BytesIO()
        figure.savefig(sink, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return sink.getvalue()
