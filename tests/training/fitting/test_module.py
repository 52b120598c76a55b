"""The loss of a step against the paper's Eq. 1 over the raw pairs, and what is trained."""

import copy
import math
from collections import Counter
from typing import Literal

import pytest
import torch
from torch import Tensor

from tests.training.tiny_run import BOUGHT, QUERIES, SHOWN, tiny_module, tiny_plan
from training.batches.pairs import Batch
from training.fitting.module import RetrievalModule
from training.recipes.recipe import Optimisation

Repeated = Literal["each", "once"]


def raw_pairs(batch: Batch) -> list[tuple[int, int]]:
    """The batch's pairs as they were drawn: query number and catalogue row."""
    return list(zip(batch.queries.tolist(), batch.products[batch.positives].tolist(), strict=True))


def negatives_of_products(batch: Batch, repeated: Repeated, seen_weight: float) -> Counter[int]:
    """How many times each catalogue row stands among the batch's negatives."""
    pairs = raw_pairs(batch)
    bought = [row for _, row in pairs]
    shown = {row for query, row in SHOWN if QUERIES.index(query) in {number for number, _ in pairs}}
    found: Counter[int] = Counter(bought if repeated == "each" else set(bought))
    found.update({row: seen_weight for row in shown - set(bought)})
    return found


def term(cosine: Tensor, tau: float) -> float:
    return math.exp(float(cosine) / tau)


def eq_1(
    module: RetrievalModule, batch: Batch, repeated: Repeated, seen_weight: float, popularity: float = 0.0
) -> tuple[float, float]:
    """Eq. 1 from queries to products, and the same from products to queries, pair by pair with plain floats.

    From queries, each product's term is divided by its number of training pairs to the power `popularity`.
    """
    bought = Counter(row for _, row in BOUGHT)
    divisor = {row: max(1, bought[row]) ** popularity for row in range(7)}
    tau, known = float(module.temperature.detach()), {(QUERIES.index(query), row) for query, row in BOUGHT}
    with torch.no_grad():
        query = {q: module._vectors(module.model.query, "query", torch.tensor([q]))[0] for q in range(len(QUERIES))}
        product = {d: module._vectors(module.model.product, "product", torch.tensor([d]))[0] for d in range(7)}
    forward = backward = 0.0
    pairs, negatives = raw_pairs(batch), negatives_of_products(batch, repeated, seen_weight)
    for q, d in pairs:
        own = term(query[q] @ product[d], tau)
        terms = {j: n * term(query[q] @ product[j], tau) / divisor[j] for j, n in negatives.items()}
        others = [terms[j] for j in terms if (q, j) not in known]
        forward -= math.log(own / divisor[d] / (own / divisor[d] + sum(others)))
        others = [term(query[other] @ product[d], tau) for other, _ in pairs if (other, d) not in known]
        backward -= math.log(own / (own + sum(others)))
    return forward / len(pairs), backward / len(pairs)


@pytest.mark.parametrize("repeated", ["each", "once"])
@pytest.mark.parametrize("seen_weight", [1.0, 2.5, 0.25])
@pytest.mark.parametrize("symmetric", [False, True])
def test_a_step_has_the_loss_of_the_formula(repeated: Repeated, seen_weight: float, symmetric: bool) -> None:
    module = tiny_module(repeated_products=repeated, seen_negative_weight=seen_weight, symmetric=symmetric)
    for step in range(3):
        batch = tiny_plan(3).batch(step)
        forward, backward = eq_1(module, batch, repeated, seen_weight)
        expected = (forward + backward) / 2 if symmetric else forward
        assert float(module.training_step(batch, step)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("popularity", [0.5, 1.0])
@pytest.mark.parametrize("symmetric", [False, True])
def test_popular_products_are_not_held_to_be_unlikely(popularity: float, symmetric: bool) -> None:
    module = tiny_module(popularity=popularity, seen_negative_weight=2.5, symmetric=symmetric)
    for step in range(3):
        batch = tiny_plan(3).batch(step)
        forward, backward = eq_1(module, batch, "each", 2.5, popularity)
        expected = (forward + backward) / 2 if symmetric else forward
        assert expected != pytest.approx(eq_1(module, batch, "each", 2.5)[0], rel=1e-3)
        assert float(module.training_step(batch, step)) == pytest.approx(expected, rel=1e-5)


def test_these_batches_hold_what_makes_the_formulas_differ() -> None:
    batch = tiny_plan(3).batch(0)
    each, once = (negatives_of_products(batch, repeated, 1.0) for repeated in ("each", "once"))
    assert each != once
    assert set(each) - {row for _, row in raw_pairs(batch)}  # seen negatives that stand in no pair
    assert len(set(batch.queries.tolist())) < len(batch.queries)


def test_no_seen_negatives_unless_the_recipe_says_so() -> None:
    assert Optimisation(epochs=1, batch_size=2, learning_rate=1).seen_negatives is False
    assert Optimisation(epochs=1, batch_size=2, learning_rate=1).repeated_products == "each"  # as the paper has it


def test_frozen_parts_stay_in_evaluation_mode() -> None:
    module = tiny_module()
    assert module.model.product.towers["bibert"].training and module.model.product.fusion.training
    assert not any(part.training for part in module.model.product.towers["clip"].modules())
    frozen = module.model.product.towers["clip"].parameters()
    assert not any(parameter.requires_grad for parameter in frozen)


def test_a_step_changes_both_sides_of_a_trained_bibert() -> None:
    """BiBERT's sides share all weights but LayerNorms and projection: training one side moves much of the other."""
    module = tiny_module()
    before = copy.deepcopy(module.model)
    optimizer = module.configure_optimizers()["optimizer"]
    for step in range(2):
        optimizer.zero_grad()
        module.training_step(tiny_plan(2).batch(step), step).backward()
        optimizer.step()
    for side, earlier in ((module.model.query, before.query), (module.model.product, before.product)):
        weights, old = side.towers["bibert"].state_dict(), earlier.towers["bibert"].state_dict()
        own = [name for name in weights if name.startswith("side.")]
        assert len(own) > 4
        assert [name for name in own if torch.equal(weights[name], old[name])] == []
