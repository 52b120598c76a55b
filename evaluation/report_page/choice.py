"""Which queries the page shows: the same ones every time, and not only those that flatter a model."""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from evaluation.results.saved import QueryValues

QUERIES_A_REASON = 8
_SEED = 0


class Reason(Enum):
    """Why a query is shown."""

    GAIN = "gain"  # the model's recall is above the baseline's
    LOSS = "loss"  # it is below
    RANDOM = "random"  # drawn from all others


@dataclass(frozen=True)
class Chosen:
    """A query that is shown."""

    number: int  # in the results' order
    reason: Reason


def choose(model: QueryValues, baseline: QueryValues, depth: int) -> list[Chosen]:
    """The queries with the greatest gains of recall, those with the greatest losses, and random ones.

    Ties are common, because most queries have few purchases: the one with more purchases comes first, then
    the one whose text is first in the alphabet. A query without any gain is never among the gains. Where some
    queries have labels, only these are looked at: of the others one cannot see what was found.

    Args:
        model: values of the model.
        baseline: of the baseline, on the same queries.
        depth: the cut-off whose recall counts.
    """
    queries = np.flatnonzero(model.source >= 0).tolist() or range(len(model.queries))
    gains = model.recall_at[depth] - baseline.recall_at[depth]
    by_gain = sorted(queries, key=lambda n: (-gains[n], -model.bought[n], model.queries[n]))
    by_loss = sorted(queries, key=lambda n: (gains[n], -model.bought[n], model.queries[n]))
    gained = [number for number in by_gain if gains[number] > 0][:QUERIES_A_REASON]
    lost = [number for number in by_loss if gains[number] < 0][:QUERIES_A_REASON]
    others = sorted(set(queries) - set(gained) - set(lost), key=lambda number: model.queries[number])
    count = min(QUERIES_A_REASON, len(others))
    drawn = np.random.default_rng(_SEED).choice(len(others), size=count, replace=False).tolist() if count else []
    numbers = {Reason.GAIN: gained, Reason.LOSS: lost, Reason.RANDOM: [others[place] for place in drawn]}
    return [Chosen(number, reason) for reason, found in numbers.items() for number in found]
