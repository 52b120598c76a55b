"""The result of a search: the rows that were found and their scores."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

NO_ROW = -1
NO_SCORE = float("-inf")


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The k nearest rows of each of n queries, best first.

    If a query has fewer than k neighbours, the remaining places at the end hold the row -1 and the score -inf.

    Attributes:
        scores: Shape (n, k), float32. Inner products, which for unit vectors are cosines; they may be
            negative.
        rows: Shape (n, k), int64. Row numbers in the order in which the vectors were added.
    """

    scores: np.ndarray
    rows: np.ndarray

    def __post_init__(self) -> None:
        assert self.scores.shape == self.rows.shape, "scores and rows differ in shape"

    @property
    def found(self) -> np.ndarray:
        """Number of neighbours of each query. Shape (n,), int64."""
        counts: np.ndarray = np.count_nonzero(self.rows != NO_ROW, axis=1)
        return counts


def no_neighbours(query_count: int, k: int) -> Neighbours:
    """Return neighbours that are only padding. Shape (query_count, k)."""
    scores = np.full((query_count, k), NO_SCORE, dtype=np.float32)
    return Neighbours(scores, np.full((query_count, k), NO_ROW, dtype=np.int64))


def pad_neighbours(scores: np.ndarray, rows: np.ndarray, k: int) -> Neighbours:
    """What FAISS answered, with our padding, in k columns.

    Args:
        scores: Shape (n, j), float32, j at most k. FAISS pads with the lowest float32, not with -inf.
        rows: Shape (n, j), int64.
        k: Number of columns wanted.

    Returns:
        Neighbours of shape (n, k).
    """
    missing = rows == NO_ROW
    if missing.any():
        scores = np.where(missing, np.float32(NO_SCORE), scores)
    if rows.shape[1] == k:
        return Neighbours(scores, rows)
    padded = no_neighbours(rows.shape[0], k)
    padded.scores[:, : rows.shape[1]] = scores
    padded.rows[:, : rows.shape[1]] = rows
    return padded


def merge_neighbours(parts: Sequence[Neighbours], k: int) -> Neighbours:
    """The k best of several results for the same queries over disjoint rows; ties go to the lower row.

    Args:
        parts: At least one result, shapes (n, k_i).
        k: Number of columns wanted, at most the sum of the k_i.

    Returns:
        Neighbours of shape (n, k).
    """
    scores = np.concatenate([part.scores for part in parts], axis=1)
    rows = np.concatenate([part.rows for part in parts], axis=1)
    order = np.lexsort((rows, -scores), axis=1)[:, :k]
    return Neighbours(np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1))
