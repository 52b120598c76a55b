"""Reciprocal rank fusion of the ranking by vectors and the one by words.

A product's score is the sum, over both rankings, of 1 / (60 + its place there). Products that the query names by an
identifier come first, by a score above 1, whatever their cosine. Source: Cormack, Clarke and Büttcher, Reciprocal Rank
Fusion outperforms Condorcet and individual Rank Learning Methods, SIGIR 2009.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from lexical.index import WordHits

RANK_CONSTANT = 60
NAMED = 1.0  # what an identifier adds; all ranks together add less than a twentieth of it
FUSED_DEPTH = 100  # products of each ranking that are fused for pages within it

Rows = npt.NDArray[np.int64]


def fuse(nearest: Rows, hits: "WordHits") -> tuple[Rows, dict[str, npt.NDArray[np.float64]]]:
    """Return the products of two rankings, ascending by row, and the parts that add up to their scores.

    Args:
        nearest: the ranking by cosine. Shape (n,).
        hits: the ranking by words.
    """
    rows, places = np.unique(np.concatenate([nearest, hits.rows]), return_inverse=True)
    by_cosine, by_words = places[: len(nearest)], places[len(nearest) :]
    cosine = np.bincount(by_cosine, _shares(len(nearest)), len(rows)).astype(np.float64)
    words = np.bincount(by_words, _shares(len(hits.rows)), len(rows)).astype(np.float64)
    named = by_words[: hits.named]
    cosine[named] = 0  # an identifier's order is not for the cosine to change
    identifier = np.zeros(len(rows))
    identifier[named] = NAMED
    return rows, {"cosine": cosine, "words": words, "identifier": identifier}


def _shares(count: int) -> npt.NDArray[np.float64]:
    """Return what the places of a ranking add to a score, from the first to the last."""
    return 1 / (RANK_CONSTANT + np.arange(1, count + 1))
