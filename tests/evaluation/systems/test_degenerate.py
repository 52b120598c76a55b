import numpy as np
import pytest

from evaluation.core.errors import DegenerateError
from evaluation.systems.degenerate import check_answers_differ, check_finite, check_vectors_differ


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def around_one(noise: float, count: int = 500) -> np.ndarray:
    generator = np.random.default_rng(0)
    return unit(generator.normal(size=(1, 32)) / 4 + noise * generator.normal(size=(count, 32)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_vector_that_is_no_number_is_named(value: float) -> None:
    vectors = around_one(1.0, 20000)
    vectors[17000, 3] = value
    with pytest.raises(DegenerateError, match=r"^the vector of product number 1,017,000 holds NaN or infinity$"):
        check_finite(vectors, "product", first=1_000_000)
    check_finite(vectors[:17000], "product")


@pytest.mark.parametrize("noise", [0.0, 1e-7, 1e-4])
def test_vectors_that_are_all_alike_are_refused(noise: float) -> None:
    with pytest.raises(DegenerateError, match=r"^all query vectors are alike: their variance is "):
        check_vectors_differ(around_one(noise), "query")


def test_zeros_are_alike_too() -> None:
    with pytest.raises(DegenerateError, match=r"^all product vectors are alike: their variance is 0$"):
        check_vectors_differ(np.zeros((20, 8), dtype=np.float32), "product")


def test_vectors_in_a_narrow_cone_pass_as_real_towers_are() -> None:
    vectors = around_one(0.03)
    assert (vectors @ vectors.T).mean() > 0.95
    check_vectors_differ(vectors, "query")
    check_vectors_differ(around_one(0.0, 1), "query")  # a single vector always passes


def test_the_same_products_for_nearly_all_queries_are_refused() -> None:
    generator = np.random.default_rng(0)
    same = np.tile(generator.permutation(1000)[:100], (300, 1))
    same[:, :10] = generator.permuted(same[:, :10], axis=1)  # the order does not matter
    same[0] = np.arange(100)
    with pytest.raises(DegenerateError, match=r"^300 queries have only 2 different sets of nearest products$"):
        check_answers_differ(same, 1000)
    check_answers_differ(generator.integers(0, 1000, (300, 100)), 1000)


@pytest.mark.parametrize(("queries", "products"), [(1, 1000), (50, 1)])
def test_too_few_to_tell(queries: int, products: int) -> None:
    check_answers_differ(np.zeros((queries, 100), dtype=np.int64), products)


def test_a_small_catalogue_is_judged_by_its_first_places() -> None:
    lists = np.array([[0, 1, 2], [1, 0, 2], [2, 1, 0]])
    check_answers_differ(lists, 3)
    with pytest.raises(DegenerateError):
        check_answers_differ(lists[[0, 0, 0]], 3)
