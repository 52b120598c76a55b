"""Products' history: the mean of the vectors of queries for which a shop showed them, or for which they were bought.

What was shown. The log's impressions, which the paper uses as negatives (section 4.1), are used as evidence here: what
a shop's search shows for a query fits it as far as that search is good, bought or not. With u_q the fitted query
vector, n(q, p) the impressions of product p for query q, and W the recipe's weight:

    s_p = sum_q log(1 + n(q, p)) u_q,    h_p = W s_p / |s_p|

The logarithm limits the influence of a few frequent queries. No parameter is fitted, so no training pair can leak
into its own prediction.

A product that was never shown has no history. Its expected history is estimated from its vector v, by ridge regression
over the products that have one: h = f [v ; 1] B, where B minimises the mean of |h_p - [v_p ; 1] B|^2, plus
RIDGE |B|^2. An estimate fits queries less well than a history, so that with f = 1 new products would be ranked below
old ones.

What was bought. With s_p the sum of the vectors of the n_p queries for which p was bought, and e_p = [v_p ; 1] B the
mean that is expected of them by its own vector, the ridge regression of the means s_p / n_p,

    h_p = W (s_p + k e_p) / (n_p + k)

so that the few queries of most products say how it differs from what its text and photo let expect, and a product that
was never bought gets W e_p. The parameter k is the number of queries that the expectation counts for. Queries that a
fit is judged by have no part in it.

Source: artifacts/history.py. Vectors of documents from those of queries and their clicks: Jiang et al., Learning Query
and Document Relevance from a Web-scale Click Graph, SIGIR 2016, who start from words and use clicks.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

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
    ids, sums = _sums(shown, np.log1p(shown["impressions"].to_numpy()).astype(np.float32), encode)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    known = lengths[:, 0] > 0  # query vectors that cancel out give no direction
    histories = weight * sums[known] / lengths[known]
    return ProductHistory(ids.filter(pa.array(known)), histories.astype(np.float16), place=place)


def bought_history(
    bought: pa.Table,
    encode: Callable[[list[str]], Vectors],
    products: tuple[Vectors, Sequence[str]],
    weight: float,
    smoothing: float,
    place: slice = slice(None),
) -> ProductHistory:
    """Return the history of every product that was bought, with the expected one for others.

    Args:
        bought: query, product_id; distinct pairs, at least one.
        encode: returns the unit vectors of queries, (n, d), in their order.
        products: (m, d) unit vectors of the catalogue's products by their own content, and their ids.
        weight: W.
        smoothing: k > 0.
        place: the part of products' vectors that the history is added to.
    """
    ids, sums = _sums(bought, np.ones(len(bought), np.float32), encode)
    vectors, product_ids = products
    rows = pc.index_in(ids, value_set=pa.array(product_ids, pa.string()))
    known = rows.is_valid()
    ids, sums = ids.filter(known), sums[known.to_numpy(zero_copy_only=False)]
    counted = bought["product_id"].combine_chunks().value_counts()
    counts = counted.field("counts").take(pc.index_in(ids, value_set=counted.field("values"))).to_numpy()[:, None]
    content = vectors[rows.drop_null().to_numpy()]
    estimate = _ridge(content, sums / counts)
    expected = content @ estimate[:-1] + estimate[-1]
    histories = weight * (sums + smoothing * expected) / (counts + smoothing)
    return ProductHistory(ids, histories.astype(np.float16), (weight * estimate).astype(np.float32), place)


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
    estimate = _ridge(vectors[of_products], history.vectors[of_histories])
    return replace(history, estimate=(factor * estimate).astype(np.float32))


def _sums(
    pairs: pa.Table, weights: npt.NDArray[np.float32], encode: Callable[[list[str]], Vectors]
) -> tuple[pa.Array, Vectors]:
    """Return the distinct products of pairs, (n,), and for each the weighted sum of its queries' vectors, (n, d)."""
    queries = pairs["query"].combine_chunks().dictionary_encode()
    products = pairs["product_id"].combine_chunks().dictionary_encode()
    vectors = encode(queries.dictionary.to_pylist())
    query_of, product_of = queries.indices.to_numpy(), products.indices.to_numpy()
    order = np.argsort(product_of, kind="stable")
    sums = np.zeros((len(products.dictionary), vectors.shape[1]), np.float32)
    for start in range(0, len(order), _ROWS_PER_BLOCK):
        rows = order[start : start + _ROWS_PER_BLOCK]
        found, first = np.unique(product_of[rows], return_index=True)
        sums[found] += np.add.reduceat(vectors[query_of[rows]] * weights[rows, None], first)
    return products.dictionary, sums


def _ridge(vectors: Vectors, wanted: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return B, (d + 1, d), that estimates the wanted vectors, (n, d), from others, (n, d), as [v ; 1] B."""
    inputs = np.hstack([vectors, np.ones((len(vectors), 1))])  # float64
    penalty = RIDGE * len(vectors) * np.eye(inputs.shape[1])
    found: npt.NDArray[np.float64] = np.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ wanted.astype(np.float64))
    return found
