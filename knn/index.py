"""An index of vectors that is ready for searches."""

import math
from dataclasses import replace
from typing import Any

import faiss
import numpy as np

from ._untyped import untyped_faiss
from .errors import ArgumentError, IndexSpecError, KnnError
from .exact import check_k
from .filters import filtered_search
from .neighbours import Neighbours
from .operating_point import DEFAULT_EF_SEARCH, OperatingPoint
from .parameters import search_parameters
from .raw import raw_search
from .structure import Structure, inspect_structure, walk_index
from .vectors import check_vectors

_NO_DIALS = OperatingPoint()


class VectorIndex:
    """An immutable FAISS index under inner product whose rows are numbered in the order of adding.

    Any number of threads may search it at once, because every search has its own parameters.

    Args:
        faiss_index: A trained CPU index with the metric inner product, which must not be changed afterwards.
        index_bytes: Its size if known; otherwise the size is measured when it is first needed.

    Raises:
        IndexSpecError: The index has another metric, is not trained, or has row numbers of its own (``IDMap``).
    """

    def __init__(self, faiss_index: faiss.Index, index_bytes: int | None = None) -> None:
        self._faiss_index = faiss.downcast_index(faiss_index)
        self._owner = faiss_index
        self._structure = inspect_structure(faiss_index)
        self._index_bytes = index_bytes
        _check_usable(faiss_index, self._structure)
        _enable_reconstruction(faiss_index)

    @property
    def width(self) -> int:
        """Numbers per vector."""
        return int(self._faiss_index.d)

    @property
    def count(self) -> int:
        """Number of vectors; rows are 0 to count - 1."""
        return int(self._faiss_index.ntotal)

    @property
    def index_type(self) -> str:
        """The type in the notation of the FAISS factory, such as ``IVF2048,SQfp16``."""
        return self._structure.index_type

    @property
    def structure(self) -> Structure:
        """The properties that decide how the index is searched, such as which search parameters it has."""
        return self._structure

    @property
    def faiss_index(self) -> faiss.Index:
        """The wrapped CPU index, which must not be changed."""
        return self._faiss_index

    @property
    def owner(self) -> faiss.Index:
        """The object that frees the memory of `faiss_index` when it is no longer referred to."""
        return self._owner

    @property
    def index_bytes(self) -> int:
        """Size of the index in a file, which is about its size in memory."""
        if self._index_bytes is None:
            self._index_bytes = _count_bytes(self._faiss_index)
        return self._index_bytes

    def search(
        self,
        queries: np.ndarray,
        k: int,
        operating_point: OperatingPoint = _NO_DIALS,
        rows: np.ndarray | None = None,
    ) -> Neighbours:
        """Return the k nearest rows of every query, approximately if the index type is approximate.

        Args:
            queries: Shape (n, d), finite float32 of the index's width.
            k: Neighbours per query, at least 1. If there are fewer rows, the rest is padding.
            operating_point: A value for each search parameter that the index type has, None for the others; ef_search
                may be None in any case, and is raised to the number of neighbours.
            rows: A filter, shape (count,), bool: only rows marked True are returned, and min(k, number of
                True) of them for every query. None allows all rows.

        Returns:
            Neighbours of shape (n, k), best first; FAISS decides the order among equal scores.

        Raises:
            VectorError: The queries do not have this shape, type or width.
            ArgumentError: k, the operating point or the filter does not fit this index.
            KnnError: FAISS failed.

        Example:
            ``index.search(queries, 100, OperatingPoint(nprobe=32), rows=in_stock)``
        """
        queries = check_vectors(queries, self.width)
        check_k(k)
        self._check_operating_point(operating_point)
        if rows is None:
            return self._search_all(queries, int(k), operating_point)
        _check_mask(rows, self.count)
        return self._search_filtered(queries, int(k), operating_point, rows)

    def reconstruct(self, rows: np.ndarray) -> np.ndarray:
        """Reconstruct the vectors of these rows from the index: exactly for Flat, otherwise as they were encoded.

        Args:
            rows: Shape (m,), integers from 0 to count - 1, in any order.

        Returns:
            Shape (m, d), float32.

        Raises:
            ArgumentError: The rows are not such an array.
            KnnError: The index type cannot reconstruct vectors.
        """
        rows = _check_rows(rows, self.count)
        if len(rows) == 0:
            return np.empty((0, self.width), dtype=np.float32)
        try:
            vectors: np.ndarray = self._faiss_index.reconstruct_batch(rows)
        except (RuntimeError, AssertionError) as exc:
            raise KnnError(f"an index of type {self.index_type} cannot reconstruct vectors: {exc}") from exc
        return vectors

    def _search_all(self, queries: np.ndarray, k: int, point: OperatingPoint) -> Neighbours:
        if self._structure.has_graph:  # fewer candidates than neighbours would leave padding
            candidates = math.ceil(k * (point.k_factor or 1))
            point = replace(point, ef_search=max(candidates, point.ef_search or DEFAULT_EF_SEARCH))
        return raw_search(self._faiss_index, queries, k, search_parameters(self._faiss_index, point))

    def _search_filtered(self, queries: np.ndarray, k: int, point: OperatingPoint, mask: np.ndarray) -> Neighbours:
        return filtered_search(self, queries, k, point, mask)

    def _check_operating_point(self, point: OperatingPoint) -> None:
        has_lists, refines = self._structure.list_count is not None, self._structure.refines
        has_graph = self._structure.has_graph
        needless_ef = point.ef_search is not None and not has_graph  # older versions of a graph come without
        if (point.nprobe is not None) != has_lists or (point.k_factor is not None) != refines or needless_ef:
            there = (("nprobe", has_lists), ("k_factor", refines), ("ef_search", has_graph))
            dials = [name for name, has_it in there if has_it]
            raise ArgumentError(
                f"operating point: expected a value for {' and '.join(dials) or 'no search parameter'} "
                f"with an index of type {self.index_type}, got {point}"
            )


def _check_usable(index: faiss.Index, structure: Structure) -> None:
    if index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise IndexSpecError(
            f"expected the metric inner product, got FAISS metric {index.metric_type}; build it with build_index"
        )
    if not index.is_trained:
        raise IndexSpecError(f"expected a trained index, got an untrained {structure.index_type}; train it first")
    for part in walk_index(index):
        if isinstance(part, faiss.IndexIVF):
            lists: Any = part.invlists
            if lists.compute_ntotal() != part.ntotal:
                raise IndexSpecError(
                    f"expected {part.ntotal} vectors in its inverted lists, got {lists.compute_ntotal()}"
                )
    if any(isinstance(part, faiss.IndexIDMap) for part in walk_index(index)):
        raise IndexSpecError(
            f"expected rows numbered by order of adding, got {structure.index_type}; leave out the IDMap"
        )


def _enable_reconstruction(index: faiss.Index) -> None:
    """Create the map from a row to its position in the inverted lists (8 bytes per row), needed for reconstruction.

    A FastScan index that FAISS read from a file does not know the quantizer of its codes any more, and would crash.
    """
    parts = list(walk_index(index))
    if isinstance(parts[-1], faiss.IndexIVF) and not any(isinstance(part, faiss.IndexRefine) for part in parts):
        parts[-1].make_direct_map()
        if isinstance(parts[-1], faiss.IndexIVFPQFastScan):
            setattr(parts[-1], "fine_quantizer", parts[-1].pq)  # noqa: B010  # the stubs lack it


def _count_bytes(index: faiss.Index) -> int:
    total = 0

    def count(block: bytes) -> None:
        nonlocal total
        total += len(block)

    faiss.write_index(index, untyped_faiss.PyCallbackIOWriter(count))
    return total


def _check_mask(mask: np.ndarray, count: int) -> None:
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        got = mask.dtype if isinstance(mask, np.ndarray) else type(mask).__name__
        raise ArgumentError(f"rows: expected a boolean numpy array, got {got}; mark the rows allowed with True")
    if mask.shape != (count,):
        raise ArgumentError(f"rows: expected shape ({count},), one mark per row, got {mask.shape}")


def _check_rows(rows: np.ndarray, count: int) -> np.ndarray:
    if not isinstance(rows, np.ndarray) or rows.ndim != 1 or not np.issubdtype(rows.dtype, np.integer):
        raise ArgumentError(f"rows: expected a numpy array of whole numbers of shape (m,), got {rows!r}")
    if len(rows) and (rows.min() < 0 or rows.max() >= count):
        raise ArgumentError(f"rows: expected numbers from 0 to {count - 1}, got {rows.min()} to {rows.max()}")
    return np.ascontiguousarray(rows, dtype=np.int64)
