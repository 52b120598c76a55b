"""The evaluation queries of a data set, with their purchases and relevance judgments."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from artifacts.catalog import Catalog
from artifacts.dataset import Dataset
from evaluation.core.errors import EvaluationError
from evaluation.test_set.relevance import LabelLookup, label_lookup


@dataclass(frozen=True)
class TestSet:
    """The queries, purchases and judgments that all models of a data set are evaluated on.

    Attributes:
        dataset_fingerprint: fingerprint of the data set; another one if the queries are rewritten.
        catalog: all products; the search is over all of them.
        queries: distinct queries with a purchase in the evaluation window, sorted.
        bought: catalogue rows bought for each query.
        labels: look-up of the judgments, or None if the data set has none.
        rewriting: the rule that the queries were rewritten by; None if they are as they were typed.
        rewritten_queries: how many of them the rule changed.
    """

    __test__ = False  # keeps pytest from collecting this class because of its name

    dataset_fingerprint: str
    catalog: Catalog
    queries: list[str]
    bought: list[npt.NDArray[np.int64]]
    labels: LabelLookup | None
    rewriting: str | None = None
    rewritten_queries: int = 0


def load_test_set(dataset: Dataset) -> TestSet:
    """Return the test set of a data set.

    Raises:
        EvaluationError: the data set has no queries to evaluate on.
        MismatchError: the catalogue has changed since the data set was made.
    """
    catalog = dataset.catalog()
    rows = catalog.rows_by_product_id()
    bought: dict[str, list[int]] = {}
    pairs = dataset.evaluation_pairs
    for query, product_id in zip(pairs["query"].to_pylist(), pairs["product_id"].to_pylist(), strict=True):
        bought.setdefault(query, []).append(rows[product_id])
    if not bought:
        raise EvaluationError(
            f"{dataset.path} has no queries to evaluate on: without a log they are made from held-out products, and "
            "all of them are training queries too; it needs more products, or titles that differ more"
        )
    queries = sorted(bought)
    judgments = dataset.judgments()
    return TestSet(
        dataset_fingerprint=dataset.fingerprint,
        catalog=catalog,
        queries=queries,
        bought=[np.array(sorted(bought[query]), dtype=np.int64) for query in queries],
        labels=label_lookup(judgments, queries, catalog) if judgments else None,
    )
