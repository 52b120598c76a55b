"""Errors of the evaluation.

EvaluationError        a model cannot be evaluated, or results cannot be compared
└── DegenerateError    a model's answers do not depend on the query; the message gives the evidence
"""


class EvaluationError(Exception):
    """A model cannot be evaluated on this data, or two results cannot be compared."""


class DegenerateError(EvaluationError):
    """A model gives all queries or all products the same vector, all queries the same answers, or vectors with NaN."""
