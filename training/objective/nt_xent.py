"""NT-Xent, the normalised temperature-scaled cross entropy (paper, Eq. 1).

With s the cosine, tau the temperature and d_i the product that fits query q_i:

    L_i = -log( exp(s(q_i, d_i) / tau) / (exp(s(q_i, d_i) / tau) + sum_j w_j exp(s(q_i, d_j) / tau)) )

where j runs over the other products of the batch, except known positives of q_i. The paper sums over the
other pairs of the batch, so that a product that stands in m of them is a negative m times: that is w_j = m.
A weight is the same as a logit that is greater by log(w_j).

A batch is drawn from the pairs, so that a product is a negative as often as it is bought, and NT-Xent learns to
find popular products unlikely: the logit that it converges to is short by log Q_j, Q_j the product's share of
the pairs (Bengio and Senecal, Quick Training of Probabilistic Neural Nets by Importance Sampling, 2003; in
retrieval: Yi et al., Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations, RecSys 2019).
Corrections c_j = k log Q_j are taken from all logits of the product, also where it is the positive; with k = 1 the
bias is gone. A constant in log Q_j changes nothing, so that numbers of pairs serve for shares.

Shapes: b pairs, n distinct products, D width.
"""

import torch
from torch import Tensor


def nt_xent(
    queries: Tensor,
    products: Tensor,
    positives: Tensor,
    known: Tensor,
    temperature: Tensor | float,
    weights: Tensor | None = None,
    corrections: Tensor | None = None,
) -> Tensor:
    """Mean of L_i over the pairs of a batch.

    Args:
        queries: (b, D) unit vectors, one a pair.
        products: (n, D) unit vectors of the batch's distinct products: the pairs' products and any
            seen negatives.
        positives: (b,) which product is each query's positive.
        known: (b, n) bool, which products are known positives of each query. They are never its
            negatives; its own positive may be marked or not.
        temperature: tau > 0.
        weights: (n,) w_j > 0, how many times each product counts where it is a negative; all 1 if absent.
        corrections: (n,) c_j, taken from each product's logits; all 0 if absent.

    Returns:
        A scalar.
    """
    logits = queries @ products.T / temperature  # (b, n)
    own = positives[:, None]
    if corrections is not None:
        logits = logits - corrections
    if weights is not None:
        logits = logits + weights.log().expand(len(queries), -1).scatter(1, own, 0.0)
    logits = logits.masked_fill(known.scatter(1, own, False), float("-inf"))
    return torch.nn.functional.cross_entropy(logits, positives)


def symmetric_nt_xent(
    queries: Tensor,
    products: Tensor,
    positives: Tensor,
    known: Tensor,
    temperature: Tensor | float,
    weights: Tensor | None = None,
    corrections: Tensor | None = None,
    share: slice = slice(None),
) -> Tensor:
    """The mean of NT-Xent from queries to products and from products to queries, as CLIP is trained.

    The second direction takes, for each pair, the batch's other queries as negatives, except those for
    which the pair's product is a known positive; a query stands in it once for each of its pairs.

    Args:
        queries: as for `nt_xent`, like the other arguments that are not named here.
        products: likewise.
        positives: likewise.
        known: likewise.
        temperature: likewise.
        weights: likewise; they are the products', and so of the first direction alone.
        corrections: likewise, and the same holds.
        share: the pairs whose mean is taken; the other pairs' queries are negatives still.
    """
    forward = nt_xent(queries[share], products, positives[share], known[share], temperature, weights, corrections)
    pairs = torch.arange(len(queries), device=queries.device)[share]
    own = positives[share]
    backward = nt_xent(products[own], queries, pairs, known[:, own].T, temperature)
    return (forward + backward) / 2
