"""An index of vectors, ready to be searched."""

import faiss
import numpy as np

from ._untyped import untyped_faiss
from .errors import ArgumentError, IndexSpecError, KnnError
from .exact import check_k
from .filters import filtered_search
from .neighbours import Neighbours
from .operating_point import OperatingPoint
from .parameters import search_parameters
from .raw import raw_search
from .structure import Structure, inspect_structure, walk_index
from .vectors import check_vectors

_NO_DIALS = OperatingPoint()


class VectorIndex:
    """A FAISS index under inner product whose rows are numbered by order of adding. It never changes.

    Any number of threads may search it at once: every call brings its own parameters, and nothing is written.

    Args:
        faiss_index: A trained CPU index with the metric inner product. It is owned from now on: do not change
            it.
        index_bytes: Its size when that is known already; otherwise it is measured when first asked for.

    Raises:
        IndexSpecError: Another metric, not trained, or with row numbers of its own (``IDMap``).
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
        """The traits that decide how the index is searched, among them which dials it has."""
        return self._structure

    @property
    def faiss_index(self) -> faiss.Index:
        """The wrapped CPU index: to read, never to change."""
        return self._faiss_index

    @property
    def index_bytes(self) -> int:
        """Size of the index when written to a file; in memory it takes about as much."""
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
        """The k nearest rows of every query, approximate where the index type is.

        Args:
            queries: Shape (n, d), finite float32 of the index's width.
            k: Neighbours per query, at least 1. Where there are fewer rows, the rest is padding.
            operating_point: A value for each dial that the index type has, None for the others.
            rows: A filter, shape (count,), bool: only rows marked True are returned, and min(k, number of
                True) of them for every query. None allows all rows.

        Returns:
            Neighbours of shape (n, k), best first; the order among equal scores is left to FAISS.

        Raises:
            VectorError: The queries are not as said.
            ArgumentError: k, the operating point or the filter does not fit this index.
            KnnError: FAISS gave up.

        Example:
            ``index.search(queries, 100, OperatingPoint(nprobe=32), rows=in_stock)``
        """
        queries = check_vectors(queries, self.width)
        check_k(k)
        self._check_operating_point(operating_point)
        if rows is None:
            return self._search_all(queries, int(k), operating_point)
        _check_mask(rows, self.count)
        return self._search_marked(queries, int(k), operating_point, rows)

    def reconstruct(self, rows: np.ndarray) -> np.ndarray:
        """The vectors of these rows as far as the index remembers them: exactly for Flat, else as it coded
        them.

        Args:
            rows: Shape (m,), integers from 0 to count - 1, in any order.

        Returns:
            Shape (m, d), float32.

        Raises:
            ArgumentError: Not such an array.
            KnnError: The index type cannot give vectors back.
        """
        rows = _check_rows(rows, self.count)
        if len(rows) == 0:
            return np.empty((0, self.width), dtype=np.float32)
        try:
            vectors: np.ndarray = self._faiss_index.reconstruct_batch(rows)
        except (RuntimeError, AssertionError) as exc:
            raise KnnError(f"an index of type {self.index_type} cannot give vectors back: {exc}") from exc
        return vectors

    def _search_all(self, queries: np.ndarray, k: int, point: OperatingPoint) -> Neighbours:
        return raw_search(self._faiss_index, queries, k, search_parameters(self._faiss_index, point))

    def _search_marked(self, queries: np.ndarray, k: int, point: OperatingPoint, mask: np.ndarray) -> Neighbours:
        return filtered_search(self, queries, k, point, mask)

    def _check_operating_point(self, point: OperatingPoint) -> None:
        has_lists, refines = self._structure.list_count is not None, self._structure.refines
        if (point.nprobe is not None) != has_lists or (point.k_factor is not None) != refines:
            dials = [name for name, there in (("nprobe", has_lists), ("k_factor", refines)) if there]
            raise ArgumentError(
                f"operating point: expected a value for {' and '.join(dials) or 'no dial'} "
                f"with an index of type {self.index_type}, got {point}"
            )


def _check_usable(index: faiss.Index, structure: Structure) -> None:
    if index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise IndexSpecError(
            f"expected the metric inner product, got FAISS metric {index.metric_type}; build it with build_index"
        )
    if not index.is_trained:
        raise IndexSpecError(f"expected a trained index, got an untrained {structure.index_type}; train it first")
    if any(isinstance(part, faiss.IndexIDMap) for part in walk_index(index)):
        raise IndexSpecError(
            f"expected rows numbered by order of adding, got {structure.index_type}; leave out the IDMap"
        )


def _enable_reconstruction(index: faiss.Index) -> None:
    """Give inverted lists the map from a row to its place (8 bytes a row), which reconstruction needs."""
    parts = list(walk_index(index))
    if isinstance(parts[-1], faiss.IndexIVF) and not any(isinstance(part, faiss.IndexRefine) for part in parts):
        parts[-1].make_direct_map()


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
