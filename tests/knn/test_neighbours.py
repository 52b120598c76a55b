import numpy as np

from knn.neighbours import Neighbours, merge_neighbours, no_neighbours, pad_neighbours

_LOWEST = np.finfo(np.float32).min


def _neighbours(scores: list[list[float]], rows: list[list[int]]) -> Neighbours:
    return Neighbours(np.array(scores, dtype=np.float32), np.array(rows, dtype=np.int64))


def test_no_neighbours_is_padding_only() -> None:
    nothing = no_neighbours(2, 3)
    assert nothing.scores.dtype == np.float32 and nothing.rows.dtype == np.int64
    assert np.array_equal(nothing.scores, np.full((2, 3), -np.inf))
    assert np.array_equal(nothing.rows, np.full((2, 3), -1))
    assert nothing.found.tolist() == [0, 0]


def test_padding_of_faiss_becomes_ours_in_k_columns() -> None:
    scores = np.array([[0.5, _LOWEST], [0.25, -0.5]], dtype=np.float32)
    padded = pad_neighbours(scores, np.array([[7, -1], [3, 4]]), k=3)
    assert padded.rows.tolist() == [[7, -1, -1], [3, 4, -1]]
    assert padded.scores.tolist() == [[0.5, -np.inf, -np.inf], [0.25, -0.5, -np.inf]]
    assert padded.found.tolist() == [1, 2]


def test_merging_keeps_the_best_and_the_lower_row_of_a_tie() -> None:
    left = _neighbours([[0.9, 0.5, -0.2]], [[4, 9, 1]])
    right = _neighbours([[0.5, -0.1, -np.inf]], [[2, 3, -1]])
    merged = merge_neighbours([left, right], k=4)
    assert merged.rows.tolist() == [[4, 2, 9, 3]]
    assert np.allclose(merged.scores, [[0.9, 0.5, 0.5, -0.1]])
    assert merge_neighbours([left, right], k=6).rows.tolist() == [[4, 2, 9, 3, 1, -1]]
