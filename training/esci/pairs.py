"""The tables of a data set from judged pairs: positives, seen negatives, held-out queries.

ESCI has no purchases. An Exact product stands for a bought one, and the other judged products of a
training query, which were all results shown for it, for its seen negatives (paper, section 4.1).
"""

from dataclasses import dataclass
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artifacts.judgments import Relevance

# As `training prepare` does with a search log.
SEEN_NEGATIVES_PER_QUERY = 3  # paper, section 4.1
VALIDATION_SHARE = 0.05  # of the training queries ...
MAX_VALIDATION_QUERIES = 1000  # ... but no more than these

# The products that fit the query least come first: a Substitute is what a shopper may well buy instead.
NEGATIVE_ORDER = (Relevance.IRRELEVANT, Relevance.COMPLEMENT, Relevance.SUBSTITUTE)


@dataclass(frozen=True)
class Pairs:
    """The tables of a data set, each sorted by query and product_id."""

    train: pa.Table
    validation: pa.Table
    evaluation: pa.Table
    seen_negatives: pa.Table


def pairs_of(train: Any, test: Any, seed: int) -> Pairs:
    """Return the tables of a data set from judged pairs (see `Judged`).

    Args:
        train: ESCI's train split, from which validation queries are held out.
        test: ESCI's test split; its Exact products are the evaluation pairs.
        seed: decides which queries are held out, and which of equally labelled negatives are taken.
    """
    positives = train.filter(train["label"] == Relevance.EXACT.value)
    held_out = ibis.memtable({"query": _held_out(positives, seed)}, schema={"query": "string"})
    trained = positives.anti_join(held_out, "query")
    return Pairs(
        train=_bought(trained),
        validation=_bought(positives.semi_join(held_out, "query")),
        evaluation=_bought(test.filter(test["label"] == Relevance.EXACT.value)),
        seen_negatives=_seen_negatives(train, trained, seed),
    )


def _bought(exact: Any) -> pa.Table:
    """Return Exact pairs, each with one purchase: query, product_id, purchases."""
    once = exact.select("query", "product_id", purchases=ibis.literal(1, "int64"))
    return once.order_by(["query", "product_id"]).to_pyarrow()


def _held_out(positives: Any, seed: int) -> pa.Array:
    """Return the validation queries."""
    texts = positives.select("query").distinct().order_by("query").to_pyarrow()["query"].combine_chunks()
    count = min(MAX_VALIDATION_QUERIES, int(len(texts) * VALIDATION_SHARE))
    chosen = np.random.default_rng(seed).choice(len(texts), size=count, replace=False)
    return pc.take(texts, pa.array(np.sort(chosen)))


def _seen_negatives(train: Any, trained: Any, seed: int) -> pa.Table:
    """Return up to three judged products that are not Exact for each training query, in NEGATIVE_ORDER."""
    others = train.filter(train["label"] != Relevance.EXACT.value)
    candidates = others.semi_join(trained.select("query").distinct(), "query")
    place = ibis.cases(*((candidates["label"] == label.value, place) for place, label in enumerate(NEGATIVE_ORDER)))
    shuffle = (candidates["query"] + f"|{seed}|" + candidates["product_id"]).hash()
    order = [place, shuffle, candidates["product_id"]]
    rank = ibis.row_number().over(group_by=candidates["query"], order_by=order)
    chosen = candidates.mutate(rank=rank).filter(ibis._["rank"] < SEEN_NEGATIVES_PER_QUERY)
    return chosen.select("query", "product_id").order_by(["query", "product_id"]).to_pyarrow()
