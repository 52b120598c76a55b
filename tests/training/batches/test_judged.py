"""Judged products of training queries, and the batches that are drawn from them."""

import numpy as np
import pyarrow as pa

from artifacts.judgments import Judgments
from training.batches.judged import HELD_BACK, Judged, JudgedSource, judged_queries, split_judged

LABELS = [
    *[("mug", "a", "E"), ("mug", "b", "S"), ("mug", "c", "I"), ("mug", "gone", "E")],
    *[("bag", "a", "E"), ("bag", "b", "E")],  # nothing to tell them from
    *[("hat", "a", "I"), ("hat", "c", "C")],  # nothing fits
    *[("held out", "a", "E"), ("held out", "b", "I")],
    *[("cup", "c", "E"), ("cup", "a", "C")],
]
ROWS = {"a": 0, "b": 1, "c": 2}


def judged() -> JudgedSource:
    columns = zip(*LABELS, strict=True)
    table = pa.table(dict(zip(("query", "product_id", "label"), map(list, columns), strict=True)))
    found = judged_queries(Judgments(table, complete=False), ROWS, ["held out"])
    assert list(found) == ["cup", "mug"]
    return JudgedSource(np.array([7, 4]), list(found.values()), queries=2, products=3)


def test_a_batch_holds_the_grades_of_each_querys_products() -> None:
    batch = judged().batch((0, 1))
    grades = {}
    for query, places, given in zip(batch.queries.tolist(), batch.places, batch.grades.tolist(), strict=True):
        rows = batch.products[places].tolist()
        grades[query] = {row: round(grade, 3) for row, grade in zip(rows, given, strict=True) if grade >= 0}
    assert grades == {7: {2: 1.0, 0: 0.0}, 4: {0: 1.0, 1: 0.1, 2: 0.0}}


def test_draws_depend_on_the_seed_alone_and_keep_to_their_number() -> None:
    source = JudgedSource(judged().numbers, judged().judged, queries=1, products=2)
    batches = [source.batch((0, step)) for step in range(30)]
    assert all(batch.grades.shape == (1, 2) for batch in batches)
    assert {int(batch.queries[0]) for batch in batches} == {4, 7}
    again = source.batch((0, 5))
    assert again.queries.equal(batches[5].queries) and again.grades.equal(batches[5].grades)


def test_one_judged_query_of_five_is_held_back() -> None:
    nothing = Judged(np.array([0]), np.array([1.0], np.float32))
    fitted, held_back = split_judged({f"q{place}": nothing for place in range(23)})
    assert list(held_back) == [f"q{place}" for place in range(0, 23, HELD_BACK)]
    assert len(fitted) == 18 and not set(fitted) & set(held_back)
