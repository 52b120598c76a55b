"""Matplotlib figures as inline SVG with the colours and the font of the page.

Charts are drawn with placeholder colours, which are then replaced by the page's CSS variables, so that one chart works
in the light and the dark colour scheme. All ids start with the chart's name, because all charts are in one document.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Placeholder colours, and the CSS variables that replace them.
INK, MUTED, GRID, PAPER, ACCENT = "#101112", "#707172", "#d0d1d2", "#fdfcfb", "#b01020"
LABEL_COLOURS = {"E": "#0e1e01", "S": "#0e1e02", "C": "#0e1e03", "I": "#0e1e04"}
_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    PAPER: "--paper",
    ACCENT: "--accent",
    **{colour: f"--label-{label.lower()}" for label, colour in LABEL_COLOURS.items()},
}

WIDTH = 720  # width of a chart in px before the page scales it
FONT_SIZE = 11.5
_PX_PER_INCH = 72
_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be selected, searched and read aloud
    "font.family": "DejaVu Sans",  # part of matplotlib, and wider than the page's font, so that texts fit
    "font.size": FONT_SIZE,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.labelsize": FONT_SIZE,
    "axes.titlesize": FONT_SIZE,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "path.simplify": False,
}


@contextmanager
def chart_settings(name: str) -> Iterator[None]:
    """Apply the settings of a chart to matplotlib; `name` seeds its generated ids, so that they are reproducible."""
    settings: Any = {**_SETTINGS, "svg.hashsalt": name}
    with mpl.rc_context(settings):
        yield


def new_figure(height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Return a figure of width WIDTH and of this height in px, and its axes row by row."""
    figure = Figure(figsize=(WIDTH / _PX_PER_INCH, height / _PX_PER_INCH), dpi=_PX_PER_INCH, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.flat)


def inline_svg(figure: Figure, name: str, description: str) -> Markup:
    """Return a figure as an SVG element to be put into a page.

    Args:
        figure: figure to convert.
        name: name of the chart in lower case and hyphens, unique in the page.
        description: text alternative for screen readers.
    """
    sink = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(sink, format="svg", metadata=nothing)
    text = sink.getvalue()
    inner = text[text.index(">", text.index("<svg")) + 1 :]
    inner = re.sub(r"<metadata>.*?</metadata>", "", inner, flags=re.DOTALL)
    inner = re.sub(r'\bid="', f'id="{name}-', inner)
    inner = re.sub(r"url\(#", f"url(#{name}-", inner)
    inner = re.sub(r'(?:xlink:)?href="#', f'href="#{name}-', inner)
    inner = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", inner)
    for colour, variable in _VARIABLES.items():
        inner = inner.replace(colour, f"var({variable})")
    width, height = (round(inches * _PX_PER_INCH) for inches in figure.get_size_inches())
    return Markup(  # matplotlib escapes the texts that it draws
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(description)}">{inner.strip()}'
    )
