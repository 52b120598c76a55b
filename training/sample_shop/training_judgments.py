"""Sampled judgments of training queries, to which a relevance annotator is fitted."""

import numpy as np

from artifacts.judgments import Relevance
from training.sample_shop.catalogue import TYPE, Codes, Products, Rows
from training.sample_shop.judging import Judgments, label_products
from training.sample_shop.labels import RelevanceRule, Relevant
from training.sample_shop.queries import QueryLog
from training.sample_shop.simulation import PURCHASE, Events, Sessions

TRAINING_LABELS = tuple(label.value for label in Relevance)
MAX_TRAINING_QUERIES = 1_000
# Highest number of products with each label that are judged for a query.
EXACT, SUBSTITUTES, COMPLEMENTS, NEAR_IRRELEVANT, FAR_IRRELEVANT = 4, 3, 2, 2, 2


def judge_training_queries(
    catalogue: Products,
    rule: RelevanceRule,
    log: QueryLog,
    sessions: Sessions,
    events: Events,
    rng: np.random.Generator,
) -> Judgments:
    """Judge some products for queries with a purchase in the training months and no search in the evaluation month.

    The labels are indices into TRAINING_LABELS. Half of the Irrelevant products are of the stated type, like typical
    false positives of a model.
    """
    buying = np.unique(events.session[events.event == PURCHASE])
    candidates = np.setdiff1d(
        log.query_of_session[buying[~sessions.in_evaluation_month[buying]]],
        log.query_of_session[sessions.in_evaluation_month],
    )
    judged = np.sort(rng.choice(candidates, min(MAX_TRAINING_QUERIES, len(candidates)), replace=False))
    return label_products(
        judged, lambda query: _sampled(catalogue, log.intents[query], rule.relevant(log.intents[query]), rng)
    )


def _sampled(catalogue: Products, intent: Codes, relevant: Relevant, rng: np.random.Generator) -> tuple[Rows, ...]:
    """Draw some products of each label and return their rows, in the order of TRAINING_LABELS."""
    useful = np.concatenate([relevant.exact, relevant.substitutes, relevant.complements])
    of_type = catalogue.rows_by_type[int(intent[TYPE])]
    near = np.setdiff1d(of_type, useful)
    far = np.setdiff1d(np.arange(len(catalogue)), np.concatenate([useful, of_type]))
    irrelevant = np.concatenate([_some(near, NEAR_IRRELEVANT, rng), _some(far, FAR_IRRELEVANT, rng)])
    return (
        _some(relevant.exact, EXACT, rng),
        _some(relevant.substitutes, SUBSTITUTES, rng),
        _some(relevant.complements, COMPLEMENTS, rng),
        irrelevant,
    )


def _some(rows: Rows, most: int, rng: np.random.Generator) -> Rows:
    return np.sort(rng.choice(rows, min(most, len(rows)), replace=False))
