"""Line styles by the role of a model: accent colour for the featured one, dark for the baseline, grey for others."""

from dataclasses import dataclass
from enum import Enum

from evaluation.report_page.figures.svg import ACCENT, INK, MUTED


class Role(Enum):
    """The role of a model in the report."""

    FEATURED = "featured"  # the multimodal model that is compared with the baseline query by query
    BASELINE = "baseline"  # all models are compared with it
    OTHER = "other"
    CONTEXT = "context"  # BM25 and published text models, which the paper does not have
    DEGENERATE = "degenerate"  # its answers do not depend on the query


@dataclass(frozen=True)
class Stroke:
    """Colour, width in px, dash style and drawing order of a line."""

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
