from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from training.batches.pairs import CATEGORY_RUN, BatchPlan, TrainingPairs, training_pairs

BOUGHT = [("red mug", "A"), ("red mug", "B"), ("chair", "C"), ("lamp", "A"), ("lamp", "D")]
SHOWN = [("red mug", "D"), ("chair", "A"), ("chair", "B"), ("unknown query", "A")]
ROWS = {"A": 0, "B": 1, "C": 2, "D": 3, "E": 4}


def table(pairs: list[tuple[str, str]]) -> pa.Table:
    return pa.table({"query": [query for query, _ in pairs], "product_id": [product for _, product in pairs]})


@pytest.fixture
def pairs() -> TrainingPairs:
    return training_pairs(table(BOUGHT), table(SHOWN), ROWS)


def test_with_categories_near_products_stand_together_in_a_batch() -> None:
    rows = {str(row): row for row in range(320)}
    many = training_pairs(table([(f"query {row}", str(row)) for row in range(320)]), None, rows)
    categories = np.arange(320) % 40
    plan = BatchPlan(replace(many, categories=categories), 32, 10, False, seed=1)
    drawn = [plan.batch(step).products.numpy() for step in range(10)]
    assert sorted(np.concatenate(drawn)) == list(range(320))  # each pair once in an epoch
    assert {len(set(categories[products])) for products in drawn} == {32 // CATEGORY_RUN}
    mixed = BatchPlan(many, 32, 10, False, seed=1)
    assert len(set(categories[mixed.batch(0).products.numpy()])) > 16


def test_numbers_stand_for_the_pairs_of_the_table(pairs: TrainingPairs) -> None:
    ids = {row: product for product, row in ROWS.items()}
    named = [
        (pairs.queries[query], ids[product])
        for query, product in zip(pairs.query_of_pair, pairs.product_of_pair, strict=True)
    ]
    assert named == BOUGHT


def test_known_and_seen_products_by_query(pairs: TrainingPairs) -> None:
    for grouped, source in ((pairs.known, BOUGHT), (pairs.seen_negatives, SHOWN)):
        for number, query in enumerate(pairs.queries):
            _, products = grouped.of(np.array([number]))
            assert sorted(products) == sorted(ROWS[product] for name, product in source if name == query)


def test_grouped_flattens_several_queries_in_order(pairs: TrainingPairs) -> None:
    queries = np.array([2, 0, 2])
    positions, products = pairs.known.of(queries)
    expected = [(i, product) for i, query in enumerate(queries) for product in pairs.known.of(np.array([query]))[1]]
    assert list(zip(positions, products, strict=True)) == expected


@pytest.mark.parametrize("use_seen_negatives", [False, True])
def test_a_batch_says_what_the_pairs_say(pairs: TrainingPairs, use_seen_negatives: bool) -> None:
    plan = BatchPlan(pairs, 4, 20, use_seen_negatives, seed=5)
    bought = set(zip(pairs.query_of_pair.tolist(), pairs.product_of_pair.tolist(), strict=True))
    for step in range(plan.steps):
        batch = plan.batch(step)
        products = batch.products.tolist()
        assert len(set(products)) == len(products)
        for i, query in enumerate(batch.queries.tolist()):
            assert (query, products[int(batch.positives[i])]) in bought
            for j, product in enumerate(products):
                assert bool(batch.known[i, j]) == ((query, product) in bought)
        own = {int(product) for product in batch.products[batch.positives]}
        negatives = {int(p) for q in batch.queries.tolist() for p in pairs.seen_negatives.of(np.array([q]))[1]}
        assert set(products) == (own | negatives if use_seen_negatives else own)
        bought_times = [sum(product == row for _, row in bought) for product in products]
        assert batch.popularity.tolist() == [max(1, times) for times in bought_times]


def test_each_visit_takes_every_pair_once_in_another_order(pairs: TrainingPairs) -> None:
    plan = BatchPlan(pairs, 5, 2, False, seed=0)
    first, second = plan.batch(0), plan.batch(1)
    assert sorted(first.queries.tolist()) == sorted(pairs.query_of_pair.tolist())
    assert sorted(second.queries.tolist()) == sorted(pairs.query_of_pair.tolist())
    orders = {tuple(BatchPlan(pairs, 5, 1, False, seed).batch(0).queries.tolist()) for seed in range(8)}
    assert len(orders) > 1


def test_a_batch_depends_on_seed_and_step_alone(pairs: TrainingPairs) -> None:
    forwards, backwards = BatchPlan(pairs, 2, 6, True, seed=3), BatchPlan(pairs, 2, 6, True, seed=3)
    seen = [forwards.batch(step) for step in range(6)]
    again = [backwards.batch(step) for step in reversed(range(6))][::-1]
    for one, other in zip(seen, again, strict=True):
        assert one.queries.equal(other.queries) and one.products.equal(other.products)


def test_too_few_pairs_for_a_batch(pairs: TrainingPairs) -> None:
    with pytest.raises(ValueError, match=r"^5 pairs do not fill one batch of 6; lower batch_size$"):
        BatchPlan(pairs, 6, 1, False, seed=0)
