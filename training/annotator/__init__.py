"""The relevance annotator: judgments to a model that labels pairs, calibrated, with what it reached."""

from training.annotator.build import AnnotatorRequest, build_annotator
from training.annotator.tables import report_tables

__all__ = ["AnnotatorRequest", "build_annotator", "report_tables"]
