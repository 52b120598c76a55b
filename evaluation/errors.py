"""Errors of evaluation.

EvaluationError    a model cannot be evaluated, or results cannot be compared
"""


class EvaluationError(Exception):
    """A model cannot be evaluated on this data, or two results cannot be compared."""
