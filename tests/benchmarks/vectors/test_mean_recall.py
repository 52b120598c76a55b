"""The second writing of recall, by hand and against the first one."""

import numpy as np
import pytest

from benchmarks.vectors.mean_recall import SHARE, TOLERANCES, MeanRecall, mean_recall
from knn import exact_search, make_ground_truth
from knn.neighbours import Neighbours
from knn.recall import TIE_EPSILON, TIE_SHARE, TIE_TOLERANCE


def test_recall_of_a_case_counted_by_hand() -> None:
    vectors = np.array([[1.0], [0.9], [0.8995], [0.8985], [0.1]], np.float32)  # scores, with the query 1
    query = np.ones((1, 1), np.float32)
    exact = np.array([[0, 1]])
    assert mean_recall(vectors, query, np.array([[0, 2]]), exact) == MeanRecall(tolerant=1.0, strict=0.5)
    assert mean_recall(vectors, query, np.array([[2, 3]]), exact) == MeanRecall(tolerant=0.5, strict=0.0)
    assert mean_recall(vectors, query, np.array([[1, -1]]), exact) == MeanRecall(tolerant=0.5, strict=0.5)


def test_both_writings_of_recall_agree() -> None:
    assert (SHARE, *TOLERANCES) == (TIE_SHARE, TIE_EPSILON, TIE_TOLERANCE)
    rng = np.random.default_rng(5)
    vectors, queries = (rng.standard_normal((n, 8)).astype(np.float32) for n in (3000, 30))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    ranked = exact_search(vectors, queries, 60)
    drawn = np.sort(np.stack([rng.choice(60, 20, replace=False) for _ in queries]))
    found = np.take_along_axis(ranked.rows, drawn, axis=1)
    mine = mean_recall(vectors, queries, found, ranked.rows[:, :20])
    theirs = make_ground_truth(vectors, queries, 20).measure(Neighbours(np.zeros(found.shape, np.float32), found))
    assert mine.tolerant == pytest.approx(theirs.tie_tolerant) and mine.strict == pytest.approx(theirs.strict)
    assert 0 < mine.strict < mine.tolerant < 1
