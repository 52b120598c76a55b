"""NT-Xent, the normalised temperature-scaled cross entropy (paper, Eq. 1).

With s the cosine, tau the temperature and d_i the product that fits query q_i:

    L_i = -log( exp(s(q_i, d_i) / tau) / (exp(s(q_i, d_i) / tau) + sum_j w_j exp(s(q_i, d_j) / tau)) )

where j runs over the other products of the batch, except known positives of q_i. The paper sums over the
other pairs of the batch, so that a product that occurs in m of them is a negative m times: that is w_j = m.
A weight w_j is the same as log(w_j) added to the logit.

A batch is drawn from the pairs, so that a product is a negative as often as it is bought, and NT-Xent learns to
rank popular products too low: the logit that it converges to is too small by log Q_j, where Q_j is the product's share
of the pairs (Bengio and Senecal, Quick Training of Probabilistic Neural Nets by Importance Sampling, 2003; in
retrieval: Yi et al., Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations, RecSys 2019).
Corrections c_j = k log Q_j are subtracted from all logits of the product, also where it is the positive; k = 1 removes
the bias. A constant added to all c_j changes nothing, so that numbers of pairs serve in place of shares.

Shapes: b pairs, n distinct products, D width.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class EncodedBatch:
    """The vectors of a batch of b pairs over n distinct products, and what the loss needs to know of them.

    Attributes:
        queries: (b, D) unit vectors, one for each pair.
        products: (n, D) unit vectors of the batch's distinct products: those of the pairs, and any seen negatives.
        positives: (b,) int64, the row in `products` of each query's positive.
        known: (b, n) bool, which products are known positives of each query. They are never its negatives; its own
            positive may be marked or not.
        weights: (n,) w_j > 0, how many times each product counts where it is a negative; None: once each.
        corrections: (n,) c_j, subtracted from all logits of each product; None: nothing.
    """

    queries: Tensor
    products: Tensor
    positives: Tensor
    known: Tensor
    weights: Tensor | None = None
    corrections: Tensor | None = None

    def with_pairs(self, share: slice) -> "EncodedBatch":
        """Return the batch with some of its pairs and all of its products."""
        return replace(self, queries=self.queries[share], positives=self.positives[share], known=self.known[share])


def nt_xent(batch: EncodedBatch, *, temperature: Tensor | float) -> Tensor:
    """Return the mean of L_i over the pairs of a batch, a scalar.

    Args:
        batch: the pairs, encoded.
        temperature: tau > 0.
    """
    logits = batch.queries @ batch.products.T / temperature  # (b, n)
    own = batch.positives[:, None]
    if batch.corrections is not None:
        logits = logits - batch.corrections
    if batch.weights is not None:
        logits = logits + batch.weights.log().expand(len(logits), -1).scatter(1, own, 0.0)
    logits = logits.masked_fill(batch.known.scatter(1, own, False), float("-inf"))
    return torch.nn.functional.cross_entropy(logits, batch.positives)


def symmetric_nt_xent(batch: EncodedBatch, *, temperature: Tensor | float, share: slice = slice(None)) -> Tensor:
    """Return the mean of NT-Xent from queries to products and from products to queries, as CLIP is trained.

    The second direction takes, for each pair, the batch's other queries as negatives, except those for
    which the pair's product is a known positive; a query counts once for each of its pairs. Weights and
    corrections belong to products, and so to the first direction alone.

    Args:
        batch: the pairs, encoded.
        temperature: tau > 0.
        share: the pairs over which the mean is taken; the queries of the other pairs still are negatives.
    """
    forward = nt_xent(batch.with_pairs(share), temperature=temperature)
    own = batch.positives[share]
    reverse = EncodedBatch(
        queries=batch.products[own],
        products=batch.queries,
        positives=torch.arange(len(batch.queries), device=batch.queries.device)[share],
        known=batch.known[:, own].T,
    )
    return (forward + nt_xent(reverse, temperature=temperature)) / 2
