"""Errors of evaluation.

EvaluationError        a model cannot be evaluated, or results cannot be compared
└── DegenerateError    a model's answers do not depend on the query; says how it was noticed
"""


class EvaluationError(Exception):
    """A model cannot be evaluated on this data, or two results cannot be compared."""


class DegenerateError(EvaluationError):
    """A model gives every query, or every product, the same vector, or no numbers at all."""
