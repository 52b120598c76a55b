"""Charts of the training curves, one for each logged quantity."""

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from evaluation.report_page.figures.lines import Line, draw_lines
from evaluation.report_page.figures.svg import chart_settings, inline_svg, new_figure

_COLUMNS = 2
_ROW_HEIGHT = 230  # px


def training_curves(quantities: Mapping[str, Sequence[Line]]) -> Markup:
    """Draw each quantity over the training steps, with one line per model.

    Args:
        quantities: lines of the models by name of the quantity.
    """
    with chart_settings("training-curves"):
        columns = min(_COLUMNS, len(quantities))
        rows = math.ceil(len(quantities) / columns)
        figure, axes = new_figure(_ROW_HEIGHT * rows, rows, columns)
        for place, (quantity, lines) in zip(axes, sorted(quantities.items(), key=_order), strict=False):
            draw_lines(place, lines, _ROW_HEIGHT - 60)
            place.set_title(quantity.replace("_", " "))
            place.grid(visible=True, axis="y")
            place.set_xlabel("step")
        for place in axes[len(quantities) :]:
            place.set_visible(False)
        return inline_svg(figure, "training-curves", f"Over the training steps: {', '.join(quantities)}")


def _order(quantity: tuple[str, Sequence[Line]]) -> tuple[bool, bool, str]:
    """Sort key: losses first, then validation metrics, then all others, each by name."""
    name, _ = quantity
    return not name.startswith("loss"), not name.startswith("validation"), name
