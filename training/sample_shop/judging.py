"""Judgments of a sample of the evaluation month's queries, which cover all products."""

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
MIN_JUDGED_QUERIES = 200  # fewer only if the evaluation month has fewer that led to a purchase
# The number of relevant products of a query grows with the catalogue, so fewer queries of a large shop are judged.
JUDGED_QUERIES_TIMES_PRODUCTS = 30_000_000

LABELS = (Relevance.EXACT.value, Relevance.SUBSTITUTE.value, Relevance.COMPLEMENT.value)


@dataclass(frozen=True)
class Judgments:
    """One row for each labelled product of each judged query."""

    judged_queries: int
    query: Rows  # rows of the query log's texts
    product: Rows
    label: NDArray[np.int8]  # indices into the labels of the judge


def judge(
    rule: RelevanceRule,
    log: QueryLog,
    sessions: Sessions,
    events: Events,
    products: int,
    rng: np.random.Generator,
) -> Judgments:
    """Judge queries that led to a purchase in the evaluation month.

    The labels are indices into LABELS; a product without a label is Irrelevant.
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
    """Return the judgments of queries; `by_label` returns the products of each label, in the order of the labels."""
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
