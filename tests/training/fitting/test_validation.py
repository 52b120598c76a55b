import numpy as np
import pyarrow as pa

from tests.support.models import tiny_model
from towers.model import Model
from towers.side_encoder import SideEncoder
from training.fitting.fitted_model import FittedModel
from training.fitting.validation import choose_alpha, validation_set

PAIRS = pa.table({"query": ["mug", "lamp", "mug"], "product_id": ["A", "B", "C"]})
ROWS = {"A": 0, "B": 1, "C": 2}


def unit(*rows: list[float]) -> np.ndarray:  # type: ignore[type-arg]
    vectors = np.array(rows, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def as_fitted(model: Model) -> FittedModel:
    return FittedModel(model, {}, SideEncoder(model.query, {}), SideEncoder(model.product, {}))


def test_pairs_are_grouped_by_query() -> None:
    held_out = validation_set(PAIRS, ROWS)
    assert held_out.queries == ["mug", "lamp"]
    assert [rows.tolist() for rows in held_out.bought] == [[0, 2], [1]]


def test_recall_is_the_mean_share_of_purchases_within_the_first_hundred() -> None:
    held_out = validation_set(PAIRS, ROWS)
    # 150 products: A and B point at both queries, C away from them, the rest in between.
    products = unit([1, 0], [1, 0.1], [-1, 0], *[[1, 1 + i / 100] for i in range(147)])
    queries = unit([1, 0], [1, 0])
    assert held_out.recalls(queries, products).tolist() == [1 / 2, 1]


def test_alpha_follows_the_tower_that_knows() -> None:
    held_out = validation_set(PAIRS.slice(0, 2), ROWS)
    model = tiny_model("alpha")
    width = {tower.name: tower.width for tower in model.query.spec.towers}
    generator = np.random.default_rng(0)

    def noise(name: str, count: int) -> np.ndarray:  # type: ignore[type-arg]
        return unit(*generator.normal(size=(count, width[name])).tolist())

    for good, bad, expected in (("bibert", "clip", 0.9), ("clip", "bibert", 0.1)):
        products = {good: noise(good, 400), bad: noise(bad, 400)}
        queries = {good: products[good][:2], bad: -products[bad][:2]}  # one tower points right, one away
        choice = choose_alpha((0.1, 0.5, 0.9), held_out, queries, products, as_fitted(model), [])  # type: ignore[arg-type]
        assert choice.alpha == expected
        assert choice.recall_by_alpha[expected] == 1


def test_a_lead_within_one_standard_error_does_not_count() -> None:
    many = pa.table({"query": [f"q{i}" for i in range(40)], "product_id": [f"p{i}" for i in range(40)]})
    held_out = validation_set(many, {f"p{i}": i for i in range(40)})
    model = tiny_model("alpha")
    width = {tower.name: tower.width for tower in model.query.spec.towers}
    generator = np.random.default_rng(1)
    products = {name: unit(*generator.normal(size=(400, size)).tolist()) for name, size in width.items()}
    # Both towers point right but for two queries that CLIP and one that BiBERT leads astray.
    queries = {name: vectors[:40].copy() for name, vectors in products.items()}
    queries["clip"][:2] = -products["clip"][:2]
    queries["bibert"][2] = -products["bibert"][2]
    choice = choose_alpha((0.05, 0.45, 0.95), held_out, queries, products, as_fitted(model), [])  # type: ignore[arg-type]
    assert choice.recall_by_alpha == {0.05: 38 / 40, 0.45: 38 / 40, 0.95: 39 / 40}
    assert choice.alpha == 0.45
