"""The loss of graded relevance: judged products of a query in the order of their grades.

With s the cosine, tau the temperature, and g_j >= 0 the grade of the judged product j of a query q, the loss is the
cross entropy between the grades, brought to a sum of 1, and the softmax of s(q, j) / tau over the judged products of q,
less the entropy of the grades, so that it is 0 where they agree. Source: Cao et al., Learning to Rank: From Pairwise
Approach to Listwise Approach, ICML 2007 (ListNet, top one).

Shapes: j queries, m judged products of each at most, D width.
"""

import torch
from torch import Tensor


def graded_loss(queries: Tensor, products: Tensor, grades: Tensor, *, temperature: Tensor | float) -> Tensor:
    """Return the mean loss over the queries that have a grade above 0, a scalar; 0 without any.

    Args:
        queries: (j, D) unit vectors.
        products: (j, m, D) unit vectors of each query's judged products.
        grades: (j, m); below 0 where there is no product.
        temperature: tau > 0.
    """
    present = grades >= 0
    wanted = grades.clamp(min=0)
    total = wanted.sum(dim=1, keepdim=True)
    wanted = wanted / total.clamp(min=torch.finfo(wanted.dtype).tiny)
    logits = torch.einsum("jd,jmd->jm", queries, products) / temperature
    found = logits.masked_fill(~present, float("-inf")).log_softmax(dim=1).masked_fill(~present, 0.0)
    losses = torch.special.xlogy(wanted, wanted).sum(dim=1) - (wanted * found).sum(dim=1)
    useful = total.squeeze(1) > 0
    return losses[useful].mean() if bool(useful.any()) else (queries * 0.0).sum()
