from typing import Any

import pytest

from knn import IndexSpec, IndexSpecError, spec_of_factory
from knn.spec import LEAST_TRAINING_ROWS


@pytest.mark.parametrize(
    ("factory", "count", "rows"),
    [
        ("Flat", 2_000, 0),
        ("IVF16,SQ8", 2_000, 2_000),
        ("IVF16,SQ8", 1_000_000, LEAST_TRAINING_ROWS),
        ("IVF8192,SQfp16", 3_380_000, 40 * 8192),
        ("IVF65536_HNSW32,Flat", 100_000, 100_000),
        ("PCA8,IVF16,Flat", 2_000, 2_000),
        ("SQ8", 1_000_000, LEAST_TRAINING_ROWS),
    ],
)
def test_the_training_sample_suits_the_lists(factory: str, count: int, rows: int) -> None:
    assert spec_of_factory(factory, count) == IndexSpec(factory, rows)


@pytest.mark.parametrize(
    ("factory", "training_rows", "message"),
    [
        ("", 0, "factory: expected a FAISS factory string such as 'Flat', got ''"),
        (None, 0, "factory: expected a FAISS factory string such as 'Flat', got None"),
        ("Flat", -1, "training_rows: expected a whole number from 0 up, got -1"),
        ("Flat", 0.5, "training_rows: expected a whole number from 0 up, got 0.5"),
    ],
)
def test_bad_specs(factory: Any, training_rows: Any, message: str) -> None:
    with pytest.raises(IndexSpecError) as caught:
        IndexSpec(factory, training_rows)
    assert str(caught.value) == message


def test_another_number_of_lists() -> None:
    spec = spec_of_factory("IVF8192,PQ16x4fsr,Refine(SQfp16)", 1_000_000)
    assert spec.list_count == 8192
    assert spec.with_lists(512, 50_000) == IndexSpec("IVF512,PQ16x4fsr,Refine(SQfp16)", 50_000)
    assert IndexSpec("Flat", 0).list_count == 0
