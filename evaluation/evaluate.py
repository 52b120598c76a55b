"""One model on a test set: exact KNN, Recall@100 against purchases, precision against judgments.

Source: paper, section 4.2. Queries are encoded by the exported encoder, which is what is served.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from artifacts.bundle import ModelBundle
from evaluation.relevance import Precision, precision
from evaluation.testset import TestSet
from knn import exact_search, recall_of_rows
from towers.query_encoder import OnnxQueryEncoder, Vectors
from towers.side_encoder import Products, SideEncoder
from towers.storage import load_side
from towers.tokens import read_tokenizers
from towers.vector_cache import VectorCache

DEPTH = 100  # products retrieved for each query (paper, section 4.2)
_QUERIES_PER_BATCH = 256


@dataclass(frozen=True)
class Evaluation:
    """What a model reached, query by query.

    Attributes:
        retrieved: (queries, DEPTH) catalogue rows, best first.
        recall: (queries,) share of the query's purchases that were retrieved.
        precision: shares of the labels, or None without judgments.
    """

    retrieved: npt.NDArray[np.int64]
    recall: npt.NDArray[np.float64]
    precision: Precision | None


def evaluate(bundle: ModelBundle, test_set: TestSet, cache: VectorCache) -> Evaluation:
    """Evaluate a model.

    Args:
        bundle: the model.
        test_set: queries, purchases, judgments and the products that are searched.
        cache: keeps vectors of towers that several models share.
    """
    products = _product_vectors(bundle, test_set, cache)
    queries = _query_vectors(bundle, test_set.queries)
    retrieved = exact_search(products, queries, DEPTH).rows
    return Evaluation(
        retrieved=retrieved,
        recall=recall_of_rows(retrieved, test_set.bought),
        precision=precision(test_set.labels, retrieved) if test_set.labels else None,
    )


def _product_vectors(bundle: ModelBundle, test_set: TestSet, cache: VectorCache) -> Vectors:
    tokenizers = read_tokenizers(bundle.product_folder, bundle.product)
    encoder = SideEncoder(load_side(bundle.product_folder), tokenizers, cache)
    catalog = test_set.catalog
    return encoder.products(Products(catalog.titles, catalog.images, catalog.folder))


def _query_vectors(bundle: ModelBundle, queries: list[str]) -> Vectors:
    encoder = OnnxQueryEncoder(bundle.query_folder, bundle.query, threads=2)
    starts = range(0, len(queries), _QUERIES_PER_BATCH)
    return np.concatenate([encoder.encode(queries[start : start + _QUERIES_PER_BATCH]) for start in starts])
