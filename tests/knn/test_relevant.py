import numpy as np
import pytest

from knn import recall_of_rows


def test_the_share_of_relevant_rows_that_were_retrieved() -> None:
    retrieved = np.array([[4, 2, 9], [7, -1, -1], [0, 1, 2]])
    relevant = [np.array([2, 9, 5, 6]), np.array([7]), np.array([8])]
    assert recall_of_rows(retrieved, relevant).tolist() == [0.5, 1.0, 0.0]


def test_equals_sets() -> None:
    generator = np.random.default_rng(0)
    retrieved = np.stack([generator.permutation(50)[:10] for _ in range(20)])
    relevant = [generator.permutation(50)[: generator.integers(1, 8)] for _ in range(20)]
    expected = [len(set(a) & set(b)) / len(set(b)) for a, b in zip(retrieved, relevant, strict=True)]
    assert recall_of_rows(retrieved, relevant) == pytest.approx(expected)
