"""NT-Xent, the normalised temperature-scaled cross entropy (paper, Eq. 1).

With s the cosine, tau the temperature and d_i the product that fits query q_i:

    L_i = -log( exp(s(q_i, d_i) / tau) / (exp(s(q_i, d_i) / tau) + sum_j exp(s(q_i, d_j) / tau)) )

where j runs over the other products of the batch, except known positives of q_i.

Shapes: b pairs, n distinct products, D width.
"""

import torch
from torch import Tensor


def nt_xent(queries: Tensor, products: Tensor, positives: Tensor, known: Tensor, temperature: Tensor | float) -> Tensor:
    """Mean of L_i over the pairs of a batch.

    Args:
        queries: (b, D) unit vectors, one a pair.
        products: (n, D) unit vectors of the batch's distinct products: the pairs' products and any
            seen negatives.
        positives: (b,) which product is each query's positive.
        known: (b, n) bool, which products are known positives of each query. They are never its
            negatives; its own positive may be marked or not.
        temperature: tau > 0.

    Returns:
        A scalar.
    """
    logits = queries @ products.T / temperature  # (b, n)
    return torch.nn.functional.cross_entropy(_without_known(logits, positives, known), positives)


def symmetric_nt_xent(
    queries: Tensor, products: Tensor, positives: Tensor, known: Tensor, temperature: Tensor | float
) -> Tensor:
    """The mean of NT-Xent from queries to products and from products to queries, as CLIP is trained.

    The second direction takes, for each pair, the batch's other queries as negatives, except those for
    which the pair's product is a known positive. Arguments as for `nt_xent`.
    """
    logits = queries @ products.T / temperature
    forward = torch.nn.functional.cross_entropy(_without_known(logits, positives, known), positives)
    own = torch.arange(len(queries), device=queries.device)
    # Row i: the product of pair i against the queries of all pairs, (b, b).
    backward_logits = _without_known(logits[:, positives].T, own, known[:, positives].T)
    return (forward + torch.nn.functional.cross_entropy(backward_logits, own)) / 2


def _without_known(logits: Tensor, positives: Tensor, known: Tensor) -> Tensor:
    """Logits with known positives other than the pair's own taken out."""
    others = known.scatter(1, positives[:, None], False)
    return logits.masked_fill(others, float("-inf"))
