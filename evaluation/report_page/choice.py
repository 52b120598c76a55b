"""Choice of the example queries: reproducible, and with losses and random queries beside the gains."""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from evaluation.results.saved import QueryValues

QUERIES_PER_REASON = 8
_SEED = 0


class Reason(Enum):
    """The reason why a query is shown."""

    GAIN = "gain"  # the model's recall is higher than the baseline's
    LOSS = "loss"  # the model's recall is lower than the baseline's
    RANDOM = "random"  # drawn at random from all other queries


@dataclass(frozen=True)
class Chosen:
    """A query to show, with the reason."""

    number: int  # position among the queries of the results
    reason: Reason


def choose(model: QueryValues, baseline: QueryValues, depth: int) -> list[Chosen]:
    """Choose the queries with the greatest gains in recall, those with the greatest losses, and random ones.

    Ties are common, because most queries have few purchases; they are broken by the number of purchases, more first,
    and then alphabetically. Queries without a gain are never shown as gains, nor queries without a loss as losses. If
    some queries have labels, only these are candidates, so that the relevance of their products can be shown.

    Args:
        model: per-query values of the model.
        baseline: per-query values of the baseline, on the same queries.
        depth: cut-off of the recall that is compared.
    """
    queries = np.flatnonzero(model.source >= 0).tolist() or range(len(model.queries))
    gains = model.recall_at[depth] - baseline.recall_at[depth]
    by_gain = sorted(queries, key=lambda n: (-gains[n], -model.bought[n], model.queries[n]))
    by_loss = sorted(queries, key=lambda n: (gains[n], -model.bought[n], model.queries[n]))
    gained = [number for number in by_gain if gains[number] > 0][:QUERIES_PER_REASON]
    lost = [number for number in by_loss if gains[number] < 0][:QUERIES_PER_REASON]
    others = sorted(set(queries) - set(gained) - set(lost), key=lambda number: model.queries[number])
    count = min(QUERIES_PER_REASON, len(others))
    drawn = np.random.default_rng(_SEED).choice(len(others), size=count, replace=False).tolist() if count else []
    numbers = {Reason.GAIN: gained, Reason.LOSS: lost, Reason.RANDOM: [others[place] for place in drawn]}
    return [Chosen(number, reason) for reason, found in numbers.items() for number in found]
