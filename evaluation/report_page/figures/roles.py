"""How a model is drawn: one accent for the model that the report is about, ink for the baseline, grey for others."""

from dataclasses import dataclass
from enum import Enum

from evaluation.report_page.figures.svg import ACCENT, INK, MUTED


class Role(Enum):
    """What a model is to the reader."""

    FEATURED = "featured"  # the multimodal model whose finds are shown
    BASELINE = "baseline"  # what all are compared with
    OTHER = "other"
    CONTEXT = "context"  # not of the paper: BM25, ready-made text models
    DEGENERATE = "degenerate"  # gives every query the same products


@dataclass(frozen=True)
class Stroke:
    """Colour, width in px, dashes and drawing order of a model's line."""

    colour: str
    width: float
    dashes: str
    layer: int


STROKES = {
    Role.FEATURED: Stroke(ACCENT, 2.4, "solid", 5),
    Role.BASELINE: Stroke(INK, 2.4, "solid", 4),
    Role.OTHER: Stroke(MUTED, 1.1, "solid", 3),
    Role.CONTEXT: Stroke(MUTED, 1.1, "dashed", 2),
    Role.DEGENERATE: Stroke(MUTED, 1.1, "dotted", 2),
}
