"""NT-Xent against the paper's Eq. 1 written a second time, slowly, and against a case solved by hand."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from training.objective.nt_xent import EncodedBatch, nt_xent, symmetric_nt_xent


def unit_vectors(count: int, width: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, width, generator=generator), dim=1)


def eq_1(
    queries: Tensor,
    products: Tensor,
    positives: Tensor,
    known: Tensor,
    tau: float,
    weights: Tensor | None = None,
    corrections: Tensor | None = None,
) -> float:
    """Eq. 1 with loops and plain floats; known positives are left out of the sum over j."""
    times = [1.0] * len(products) if weights is None else weights.tolist()
    shares = [1.0] * len(products) if corrections is None else corrections.exp().tolist()
    losses = []
    for i in range(len(queries)):
        own = int(positives[i])
        scores = [sum(float(a) * float(b) for a, b in zip(queries[i], d, strict=True)) for d in products]
        terms = [math.exp(score / tau) / share for score, share in zip(scores, shares, strict=True)]
        others = [times[j] * terms[j] for j in range(len(products)) if j != own and not bool(known[i, j])]
        losses.append(-math.log(terms[own] / (terms[own] + sum(others))))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("pairs", [1, 2, 7])
@pytest.mark.parametrize("products", [7, 12])
@pytest.mark.parametrize("tau", [0.05, 0.5, 2.0])
def test_equals_the_formula_of_the_paper(pairs: int, products: int, tau: float) -> None:
    queries, documents = unit_vectors(pairs, 6, seed=1), unit_vectors(products, 6, seed=2)
    positives = torch.arange(pairs)
    known = torch.rand(pairs, products, generator=torch.Generator().manual_seed(3)) < 0.3
    loss = nt_xent(EncodedBatch(queries, documents, positives, known), temperature=tau)
    assert float(loss) == pytest.approx(eq_1(queries, documents, positives, known, tau), rel=1e-4)


@pytest.mark.parametrize("tau", [0.05, 0.5])
def test_weights_and_corrections_are_those_of_the_formula(tau: float) -> None:
    queries, documents = unit_vectors(5, 6, seed=14), unit_vectors(8, 6, seed=15)
    positives, generator = torch.tensor([0, 3, 3, 7, 1]), torch.Generator().manual_seed(16)
    known = torch.rand(5, 8, generator=generator) < 0.3
    weights, corrections = 3 * torch.rand(8, generator=generator) + 0.1, torch.rand(8, generator=generator) * 4
    batch = EncodedBatch(queries, documents, positives, known, weights=weights, corrections=corrections)
    expected = eq_1(queries, documents, positives, known, tau, weights, corrections)
    assert float(nt_xent(batch, temperature=tau)) == pytest.approx(expected, rel=1e-4)


def test_a_case_solved_by_hand() -> None:
    # Cosines: query 0 has 1 with its product and 0 with the other; query 1 has 0 with both products.
    queries = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    products = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    known = torch.zeros(2, 2, dtype=torch.bool)
    loss = nt_xent(EncodedBatch(queries, products, torch.tensor([0, 1]), known), temperature=1.0)
    by_hand = (-math.log(math.e / (math.e + 1)) + math.log(2)) / 2
    assert float(loss) == pytest.approx(by_hand, rel=1e-6)


def test_known_positives_are_no_negatives_whatever_their_score() -> None:
    queries, products = unit_vectors(3, 4, seed=4), unit_vectors(5, 4, seed=5)
    positives, known = torch.tensor([0, 1, 2]), torch.zeros(3, 5, dtype=torch.bool)
    known[0, 4] = known[0, 0] = True  # its own positive may be marked too
    batch = EncodedBatch(queries, products, positives, known)
    assert torch.isfinite(nt_xent(batch, temperature=0.1))
    moved = products.clone()
    moved[4] = queries[0]  # would be the hardest negative of query 0
    first = batch.with_pairs(slice(0, 1))
    before = nt_xent(first, temperature=0.1)
    after = nt_xent(replace(first, products=moved), temperature=0.1)
    assert float(after) == pytest.approx(float(before))
    nothing_known = torch.zeros(1, 5, dtype=torch.bool)
    unmasked = nt_xent(replace(first, products=moved, known=nothing_known), temperature=0.1)
    assert float(unmasked) > float(after) + 0.1


def test_more_negatives_raise_the_loss() -> None:
    queries, products = unit_vectors(2, 4, seed=6), unit_vectors(6, 4, seed=7)
    none = torch.zeros(2, 6, dtype=torch.bool)
    few = nt_xent(EncodedBatch(queries, products[:2], torch.tensor([0, 1]), none[:, :2]), temperature=0.2)
    assert float(nt_xent(EncodedBatch(queries, products, torch.tensor([0, 1]), none), temperature=0.2)) > float(few)


def test_two_pairs_of_one_product_share_its_column() -> None:
    queries, products = unit_vectors(2, 4, seed=8), unit_vectors(1, 4, seed=9)
    known = torch.tensor([[True], [True]])
    # No other product is left: nothing competes, the loss is zero.
    assert float(nt_xent(EncodedBatch(queries, products, torch.tensor([0, 0]), known), temperature=0.1)) == 0


@pytest.mark.parametrize("tau", [0.05, 1.0])
def test_symmetric_is_the_mean_of_both_directions(tau: float) -> None:
    queries, products = unit_vectors(4, 6, seed=10), unit_vectors(3, 6, seed=11)
    positives = torch.tensor([0, 1, 2, 0])  # queries 0 and 3 share product 0
    known = torch.zeros(4, 3, dtype=torch.bool)
    known[torch.arange(4), positives] = True
    known[1, 2] = True
    forward = eq_1(queries, products, positives, known, tau)
    # From each pair's product to the queries of the other pairs, except those that know the product.
    backward_known = torch.tensor([[bool(known[k, positives[i]]) for k in range(4)] for i in range(4)])
    backward = eq_1(products[positives], queries, torch.arange(4), backward_known, tau)
    loss = symmetric_nt_xent(EncodedBatch(queries, products, positives, known), temperature=tau)
    assert float(loss) == pytest.approx((forward + backward) / 2, rel=1e-4)


def test_gradient_flows_to_temperature_and_both_sides() -> None:
    queries, products = unit_vectors(3, 4, seed=12).requires_grad_(), unit_vectors(3, 4, seed=13).requires_grad_()
    tau = torch.tensor(0.1, requires_grad=True)
    batch = EncodedBatch(queries, products, torch.arange(3), torch.zeros(3, 3, dtype=torch.bool))
    nt_xent(batch, temperature=tau).backward()
    for tensor in (queries, products, tau):
        assert tensor.grad is not None and float(tensor.grad.abs().sum()) > 0
