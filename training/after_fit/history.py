"""Products' history: the mean of the vectors of queries for which a shop showed them, weighted by how often.

The log's impressions, which the paper uses as negatives (section 4.1), are used as evidence here: what a shop's search
shows for a query fits it as far as that search is good, bought or not. With u_q the fitted query vector, n(q, p) the
impressions of product p for query q, and W the recipe's weight:

    s_p = sum_q log(1 + n(q, p)) u_q,    h_p = W s_p / |s_p|

The logarithm limits the influence of a few frequent queries. No parameter is fitted, so no training pair can leak
into its own prediction.

A product that was never shown has no history. Its expected history is estimated from its vector v, by ridge regression
over the products that have one: h = f [v ; 1] B, where B minimises the mean of |h_p - [v_p ; 1] B|^2, plus
RIDGE |B|^2. An estimate fits queries less well than a history, so that with f = 1 new products would be ranked below
old ones.

Source: artifacts/history.py. Vectors of documents from those of queries and their clicks: Jiang et al., Learning Query
and Document Relevance from a Web-scale Click Graph, SIGIR 2016, who start from words and use clicks.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from artifacts.history import ProductHistory
from towers.query_encoder import Vectors

RIDGE = 1e-4
_ROWS_PER_BLOCK = 1 << 16  # pairs whose query vectors are held at once


def product_history(
    shown: pa.Table, encode: Callable[[list[str]], Vectors], weight: float, place: slice = slice(None)
) -> ProductHistory:
    """Return the history of every product that was shown.

    Args:
        shown: query, product_id, impressions; distinct pairs.
        encode: returns the unit vectors of queries, (n, d), in their order.
        weight: W, the length of each history.
        place: the part of products' vectors that the history is added to.
    """
    queries = shown["query"].combine_chunks().dictionary_encode()
    products = shown["product_id"].combine_chunks().dictionary_encode()
    vectors = encode(queries.dictionary.to_pylist())
    query_of, product_of = queries.indices.to_numpy(), products.indices.to_numpy()
    counts = np.log1p(shown["impressions"].to_numpy()).astype(np.float32)
    order = np.argsort(product_of, kind="stable")
    sums = np.zeros((len(products.dictionary), vectors.shape[1]), np.float32)
    for start in range(0, len(order), _ROWS_PER_BLOCK):
        pairs = order[start : start + _ROWS_PER_BLOCK]
        found, first = np.unique(product_of[pairs], return_index=True)
        sums[found] += np.add.reduceat(vectors[query_of[pairs]] * counts[pairs, None], first)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    known = lengths[:, 0] > 0  # query vectors that cancel out give no direction
    histories = weight * sums[known] / lengths[known]
    ids = products.dictionary.filter(pa.array(known))
    return ProductHistory(ids, histories.astype(np.float16), place=place)


def with_estimate(
    history: ProductHistory, vectors: Vectors, product_ids: Sequence[str], factor: float = 1.0
) -> ProductHistory:
    """Return the history with an estimate for products that have none.

    Args:
        history: histories of some of the products; if of none, it is returned unchanged.
        vectors: (m, d) unit vectors of products by their own content.
        product_ids: the ids of these m products.
        factor: f, by which estimates are multiplied.
    """
    rows = {product_id: row for row, product_id in enumerate(product_ids)}
    known = [(rows[one], place) for place, one in enumerate(history.product_ids.to_pylist()) if one in rows]
    if not known:
        return history
    of_products, of_histories = np.array(known).T
    inputs = np.hstack([vectors[of_products], np.ones((len(known), 1))])  # (n, D + 1), float64
    wanted = history.vectors[of_histories].astype(np.float64)
    penalty = RIDGE * len(known) * np.eye(inputs.shape[1])
    estimate = np.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ wanted)
    return replace(history, estimate=(factor * estimate).astype(np.float32))
