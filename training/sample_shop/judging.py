"""Complete judgments for a sample of the queries of the evaluation month."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artifacts.judgments import Relevance
from training.sample_shop.catalogue import Rows
from training.sample_shop.labels import RelevanceRule
from training.sample_shop.queries import QueryLog
from training.sample_shop.simulation import PURCHASE, Events, Sessions

MAX_JUDGED_QUERIES = 1_000
MIN_JUDGED_QUERIES = 200  # fewer only where the evaluation month has fewer
# The relevant products of a query are a share of the catalogue, so large shops judge fewer queries.
JUDGED_QUERIES_TIMES_PRODUCTS = 30_000_000

LABELS = (Relevance.EXACT.value, Relevance.SUBSTITUTE.value, Relevance.COMPLEMENT.value)


@dataclass(frozen=True)
class Judgments:
    """One row for each labelled product of each judged query."""

    judged_queries: int
    query: Rows  # rows of the query log's texts
    product: Rows
    label: NDArray[np.int8]  # places in the labels that the judge uses


def judge(
    rule: RelevanceRule,
    log: QueryLog,
    sessions: Sessions,
    events: Events,
    products: int,
    rng: np.random.Generator,
) -> Judgments:
    """Judge queries that led to a purchase in the evaluation month.

    The labels are places in LABELS; pairs that are absent are Irrelevant.
    """
    buying = np.unique(events.session[events.event == PURCHASE])
    candidates = np.unique(log.query_of_session[buying[sessions.in_evaluation_month[buying]]])
    limit = int(np.clip(JUDGED_QUERIES_TIMES_PRODUCTS // products, MIN_JUDGED_QUERIES, MAX_JUDGED_QUERIES))
    judged = np.sort(rng.choice(candidates, min(limit, len(candidates)), replace=False))

    def by_label(query: int) -> tuple[Rows, ...]:
        relevant = rule.relevant(log.intents[query])
        return relevant.exact, relevant.substitutes, relevant.complements

    return label_products(judged, by_label)


def label_products(judged: Rows, by_label: Callable[[int], tuple[Rows, ...]]) -> Judgments:
    """Judgments of some queries, given the products of each label, in the order of the labels."""
    rows: list[Rows] = []
    labels: list[NDArray[np.int8]] = []
    for query in judged:
        parts = by_label(query)
        rows.append(np.concatenate(parts))
        labels.append(np.repeat(np.arange(len(parts), dtype=np.int8), [len(part) for part in parts]))
    return Judgments(
        judged_queries=len(judged),
        query=np.repeat(judged, [len(part) for part in rows]),
        product=np.concatenate(rows),
        label=np.concatenate(labels),
    )
