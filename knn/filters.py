"""Filtered search: return only rows that match a mask, and as many of them as there are, up to k.

With inverted lists, a filter leaves only the matching rows of the lists that are visited. The fewer rows match, the
fewer of a query's neighbours lie in those lists: when a tenth of 300,000 rows matched, chosen as a category would be,
an operating point with an unfiltered recall of 0.9999 had a recall of 0.53, and every second query got too few rows.
Three rules correct this:

1. If few rows match, they are scored exactly, one by one. Reconstructing a vector takes about 2 microseconds and
   testing a row in the lists about 0.01, so this is faster up to about 1/256 of the rows.
2. Otherwise more lists are visited, the more the fewer rows match (recall 0.997 in the case above, in 2 ms instead of
   0.2), with a bitmap that FAISS tests before it scores.
3. A query that still finds too few rows is searched again in all lists.

Index types that are not known to respect a bitmap are searched exactly, which is slow when many rows match.
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
# Lists visited per list of an unfiltered search: 1 + FILTER_DEPTH * (rows / matching rows - 1). With a depth of 1 as
# many matching rows would be visited as rows without a filter, but they are further away and in more lists.
FILTER_DEPTH = 2
# Vectors reconstructed at once in an exact search: 64 MiB at a width of 256.
_BLOCK_ROWS = 65_536


class FilterableIndex(Protocol):
    """The part of `VectorIndex` that a filtered search uses."""

    @property
    def faiss_index(self) -> faiss.Index:
        """The wrapped index, which is searched but never changed."""

    @property
    def structure(self) -> Structure:
        """Which search parameters it has, and whether it respects selectors."""

    @property
    def count(self) -> int:
        """Number of vectors."""

    def reconstruct(self, rows: np.ndarray) -> np.ndarray:
        """Return the vectors of these rows, shape (len(rows), d)."""


def filtered_search(
    index: FilterableIndex, queries: np.ndarray, k: int, point: OperatingPoint, mask: np.ndarray
) -> Neighbours:
    """Return the k nearest of the rows that match the mask.

    Args:
        index: An index on the CPU.
        queries: Shape (n, d), checked by `check_vectors`.
        k: Neighbours per query, at least 1.
        point: Operating point of this index for unfiltered searches.
        mask: Shape (count,), bool; True for rows that match.

    Returns:
        Neighbours of shape (n, k), with min(k, matching rows) rows for every query.

    Raises:
        KnnError: FAISS failed.
    """
    matching = int(np.count_nonzero(mask))
    few = matching <= max(EXACT_FILTER_ROWS, EXACT_FILTER_SHARE * index.count)
    if few or not index.structure.honours_selectors:
        return _search_exactly(index, queries, k, mask)
    bits = np.packbits(mask, bitorder="little")  # FAISS reads these during the search: keep them until it is over
    found = _search_selected(index, queries, k, _widen(index, point, matching), bits)
    if not _all_match(found, mask):
        return _search_exactly(index, queries, k, mask)
    short = np.flatnonzero(found.found < min(k, matching))
    if len(short) == 0:
        return found
    everywhere = replace(point, nprobe=index.structure.list_count)
    return _replace_rows(found, short, _search_selected(index, queries[short], k, everywhere, bits))


def _widen(index: FilterableIndex, point: OperatingPoint, matching: int) -> OperatingPoint:
    """Raise nprobe so that recall among the matching rows is about that of an unfiltered search."""
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


def _all_match(found: Neighbours, mask: np.ndarray) -> bool:
    """Return whether all rows found match the mask: some index types of FAISS accept a selector and ignore it."""
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
