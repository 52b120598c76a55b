from typing import Any

import pytest

from knn import ArgumentError, IndexSpec, IndexSpecError, choose_index_type
from knn.spec import FLAT_MAX_ROWS


@pytest.mark.parametrize(
    ("count", "width", "spec"),
    [
        (0, 256, IndexSpec("Flat", 0)),
        (FLAT_MAX_ROWS, 256, IndexSpec("Flat", 0)),
        (FLAT_MAX_ROWS + 1, 256, IndexSpec("IVF1024,SQfp16", FLAT_MAX_ROWS + 1)),
        (300_000, 256, IndexSpec("IVF2048,SQfp16", 131_072)),
        (3_380_000, 256, IndexSpec("IVF8192,SQfp16", 524_288)),
        (3_380_000, 250, IndexSpec("IVF8192,Flat", 524_288)),
    ],
)
def test_the_type_follows_from_count_and_width(count: int, width: int, spec: IndexSpec) -> None:
    assert choose_index_type(count, width) == spec


def test_there_are_always_enough_rows_to_train_on() -> None:
    for count in range(FLAT_MAX_ROWS + 1, 30 * FLAT_MAX_ROWS, 12_345):
        spec = choose_index_type(count, 64)
        lists = int(spec.factory.removeprefix("IVF").split(",")[0])
        assert 39 * lists <= spec.training_rows <= count  # FAISS warns below 39


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


@pytest.mark.parametrize(("count", "width"), [(-1, 8), (10, 0)])
def test_bad_sizes(count: int, width: int) -> None:
    with pytest.raises(ArgumentError, match=f"^expected a count from 0 and a width from 1, got {count} and {width}$"):
        choose_index_type(count, width)
