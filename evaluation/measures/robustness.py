"""How much of its recall a model keeps when the queries are rewritten.

With r(q) the recall of query q as it was typed, and s(q) that of its rewritten form, both for the same purchases:

    share kept = mean of s / mean of r

over all queries, of which some are as they were typed, since the rule does not apply to them; and over those that the
rule changed. Queries are resampled for the intervals, each with both of its values.
"""

from dataclasses import dataclass

import numpy as np

from evaluation.core.errors import EvaluationError
from evaluation.measures.statistics import Estimate, ratio_of_means
from evaluation.results.saved import SavedResult


@dataclass(frozen=True)
class Kept:
    """The share of its recall that a model keeps; None where there was no recall to keep.

    Attributes:
        of_all: over all queries.
        of_changed: over the queries that the rule changed; None also if it changed none.
    """

    of_all: Estimate | None
    of_changed: Estimate | None


def recall_kept(typed: SavedResult, rewritten: SavedResult) -> Kept:
    """Return the share of its recall that a model keeps.

    Args:
        typed: the model's result for the queries as they were typed.
        rewritten: the same model's result for the rewritten queries, in the same order.

    Raises:
        EvaluationError: one of the results is degenerate.
    """
    for result in (typed.result, rewritten.result):
        if result.degenerate:
            raise EvaluationError(f"{result.model} is degenerate ({result.degenerate}); it has no recall to keep")
    assert typed.values is not None and rewritten.values is not None  # as neither is degenerate
    before, after = (values.recall_at[typed.result.depth] for values in (typed.values, rewritten.values))
    changed = np.array(typed.values.queries) != np.array(rewritten.values.queries)
    return Kept(ratio_of_means(after, before), ratio_of_means(after[changed], before[changed]))
