"""The loss of graded relevance, against its formula with plain floats."""

import math

import pytest
import torch

from training.objective.graded import graded_loss

GRADES = [[1.0, 0.1, 0.0, -1.0], [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, -1.0, -1.0]]


def vectors(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    queries, products = torch.randn(3, 5, generator=generator), torch.randn(3, 4, 5, generator=generator)
    return torch.nn.functional.normalize(queries, dim=1), torch.nn.functional.normalize(products, dim=2)


def test_it_is_as_written_a_second_time() -> None:
    queries, products = vectors(0)
    expected = []
    for query, judged, grades in zip(queries, products, GRADES, strict=True):
        if max(grades) <= 0:
            continue
        terms = [math.exp(float(query @ one) / 0.1) for one, grade in zip(judged, grades, strict=True) if grade >= 0]
        given = [grade for grade in grades if grade >= 0]
        wanted = [grade / sum(given) for grade in given]
        parts = [w * math.log(w * sum(terms) / term) for w, term in zip(wanted, terms, strict=True) if w > 0]
        expected.append(sum(parts))
    found = graded_loss(queries, products, torch.tensor(GRADES), temperature=0.1)
    assert float(found) == pytest.approx(sum(expected) / 2, rel=1e-5)


def test_it_falls_where_an_exact_product_comes_nearer_and_ignores_padding() -> None:
    queries, products = vectors(1)
    grades = torch.tensor([[1.0, 0.0, 0.0, -1.0], [0.0, 0.0, -1.0, -1.0], [0.0, 0.0, -1.0, -1.0]])
    before = graded_loss(queries, products, grades, temperature=0.1)
    nearer = products.clone()
    nearer[0, 0] = queries[0]
    assert float(graded_loss(queries, nearer, grades, temperature=0.1)) < float(before)
    other = products.clone()
    other[0, 3] = queries[0]  # no product stands there
    assert float(graded_loss(queries, other, grades, temperature=0.1)) == pytest.approx(float(before))


def test_queries_without_a_fitting_product_give_no_gradient() -> None:
    queries, products = vectors(2)
    queries.requires_grad_(True)
    loss = graded_loss(queries, products, torch.zeros(3, 4), temperature=0.1)
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0
    assert queries.grad is not None and not queries.grad.any()
