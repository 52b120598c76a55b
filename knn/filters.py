"""Search among some of the rows: matching rows only, and never fewer than there are.

Inverted lists answer a filter with what matches in the lists visited. The fewer rows match, the fewer of a
query's neighbours lie there: with a tenth of 300,000 rows matching, chosen as a category would be, the
operating point that finds 0.9999 of the true neighbours unfiltered found 0.53, and for every second query too
few. Three rules mend it:

1. Few matches are scored one by one, exactly. Giving a vector back costs about 2 microseconds, testing a row
   in the lists about 0.01, so this wins up to about 1/256 of the rows.
2. Otherwise more lists are visited, the rarer the matches the more (0.997 found in the case above, in 2 ms
   rather than 0.2), through a bitmap that FAISS tests before it scores.
3. A query that still finds too few is searched through all lists.

Index types that are not known to honour a bitmap are searched exactly; that is slow when many rows match.
"""

import math
from dataclasses import replace
from typing import Protocol

import faiss
import numpy as np

from ._untyped import untyped_faiss
from .exact import exact_search
from .neighbours import NO_ROW, Neighbours, merge_neighbours, no_neighbours
from .operating_point import OperatingPoint
from .parameters import search_parameters
from .raw import raw_search
from .structure import Structure

# A filter with at most this many matching rows, or this share of them, is searched exactly.
EXACT_FILTER_ROWS = 1_000
EXACT_FILTER_SHARE = 1 / 256
# Lists visited per list of an unfiltered search: 1 + FILTER_DEPTH * (rows / matching rows - 1). With 1, as
# many matching rows are seen as rows without a filter, yet they lie further off and in more lists.
FILTER_DEPTH = 2
# Vectors given back at once in an exact search: 64 MiB at a width of 256.
_BLOCK_ROWS = 65_536


class FilterableIndex(Protocol):
    """What a filtered search needs of an index on the CPU."""

    @property
    def faiss_index(self) -> faiss.Index:
        """The wrapped index: to search, never to change."""

    @property
    def structure(self) -> Structure:
        """Which dials it has, and whether it honours selectors."""

    @property
    def count(self) -> int:
        """Number of vectors."""

    def reconstruct(self, rows: np.ndarray) -> np.ndarray:
        """The vectors of these rows, shape (len(rows), d)."""


def filtered_search(
    index: FilterableIndex, queries: np.ndarray, k: int, point: OperatingPoint, mask: np.ndarray
) -> Neighbours:
    """The k nearest of the rows that the mask marks.

    Args:
        index: What to search, on the CPU.
        queries: Shape (n, d), checked.
        k: Neighbours per query, at least 1.
        point: Fits the index; its nprobe is meant for an unfiltered search.
        mask: Shape (count,), bool.

    Returns:
        Neighbours of shape (n, k) with min(k, marked rows) found for every query.

    Raises:
        KnnError: FAISS gave up.
    """
    matching = int(np.count_nonzero(mask))
    few = matching <= max(EXACT_FILTER_ROWS, EXACT_FILTER_SHARE * index.count)
    if few or not index.structure.honours_selectors:
        return _search_exactly(index, queries, k, mask)
    bits = np.packbits(mask, bitorder="little")  # FAISS reads these during the search: keep them until it is over
    found = _search_selected(index, queries, k, _widen(index, point, matching), bits)
    if not _only_marked(found, mask):
        return _search_exactly(index, queries, k, mask)
    short = np.flatnonzero(found.found < min(k, matching))
    if len(short) == 0:
        return found
    everywhere = replace(point, nprobe=index.structure.list_count)
    return _replace_rows(found, short, _search_selected(index, queries[short], k, everywhere, bits))


def _widen(index: FilterableIndex, point: OperatingPoint, matching: int) -> OperatingPoint:
    """The same point with so many lists that a rare match is found as well as a row without a filter."""
    lists = index.structure.list_count
    if point.nprobe is None or lists is None:
        return point
    depth = 1 + FILTER_DEPTH * (index.count / matching - 1)
    return replace(point, nprobe=min(lists, math.ceil(point.nprobe * depth)))


def _search_selected(
    index: FilterableIndex, queries: np.ndarray, k: int, point: OperatingPoint, bits: np.ndarray
) -> Neighbours:
    selector = untyped_faiss.IDSelectorBitmap(bits)
    parameters = search_parameters(index.faiss_index, point, selector)
    return raw_search(index.faiss_index, queries, k, parameters)


def _only_marked(found: Neighbours, mask: np.ndarray) -> bool:
    """Whether FAISS kept to the mask. It is not trusted: some of its types take a selector and ignore it."""
    return bool(mask[found.rows[found.rows != NO_ROW]].all())


def _search_exactly(index: FilterableIndex, queries: np.ndarray, k: int, mask: np.ndarray) -> Neighbours:
    best = no_neighbours(len(queries), k)
    matching = np.flatnonzero(mask)
    for start in range(0, len(matching), _BLOCK_ROWS):
        rows = matching[start : start + _BLOCK_ROWS]
        near = exact_search(index.reconstruct(rows), queries, min(k, len(rows)))
        best = merge_neighbours([best, Neighbours(near.scores, rows[near.rows])], k)
    return best


def _replace_rows(found: Neighbours, queries: np.ndarray, better: Neighbours) -> Neighbours:
    scores, rows = found.scores.copy(), found.rows.copy()
    scores[queries], rows[queries] = better.scores, better.rows
    return Neighbours(scores, rows)
