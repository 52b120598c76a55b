from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import faiss
import numpy as np
import pytest

from knn import (
    ArgumentError,
    IndexSpecError,
    KnnError,
    Neighbours,
    OperatingPoint,
    VectorError,
    VectorIndex,
    recall_of_rows,
    set_threads,
)
from knn._untyped import untyped_faiss

Make = Callable[[str], VectorIndex]
_FLAT, _IVF = OperatingPoint(), OperatingPoint(nprobe=64)


def _rows_agree(found: Neighbours, exact: Neighbours, k: int) -> float:
    pairs = zip(found.rows[:, :k], exact.rows[:, :k], strict=True)
    return float(np.mean([len(set(ours) & set(truth)) / k for ours, truth in pairs]))


@pytest.mark.parametrize(
    ("factory", "point", "agreement"),
    [
        ("Flat", _FLAT, 1.0),
        ("IVF64,Flat", _IVF, 1.0),
        ("IVF64,SQfp16", _IVF, 0.995),
        ("IVF64,SQ8,Refine(SQfp16)", OperatingPoint(nprobe=64, k_factor=2.0), 0.995),
        ("IVF64,PQ16x4fsr,Refine(SQfp16)", OperatingPoint(nprobe=64, k_factor=8.0), 0.99),
        ("PCA32,IVF64,SQfp16", _IVF, 0.99),
        ("PQ16x4fs,RFlat", OperatingPoint(k_factor=16.0), 0.9),
        ("HNSW16", _FLAT, 0.6),
    ],
)
def test_each_type_finds_what_it_should(
    make_index: Make,
    queries: np.ndarray,
    exact: Neighbours,
    factory: str,
    point: OperatingPoint,
    agreement: float,
) -> None:
    found = make_index(factory).search(queries, 50, point)
    assert found.scores.dtype == np.float32 and found.rows.dtype == np.int64
    assert (np.diff(found.scores, axis=1) <= 0).all(), "not best first"
    assert (found.rows < make_index(factory).count).all()
    assert _rows_agree(found, exact, 50) >= agreement


def test_properties(make_index: Make) -> None:
    index = make_index("IVF64,SQfp16")
    assert (index.width, index.count, index.index_type) == (32, 6_000, "IVF64,SQfp16")
    assert index.index_bytes == len(faiss.serialize_index(index.faiss_index))


def test_k_beyond_the_count_is_padded(make_index: Make, queries: np.ndarray) -> None:
    found = make_index("Flat").search(queries[:2], 6_010)
    assert found.rows.shape == (2, 6_010) and found.found.tolist() == [6_000, 6_000]
    assert np.isneginf(found.scores[:, 6_000:]).all() and np.isfinite(found.scores[:, :6_000]).all()


def test_unvisited_lists_leave_padding_not_the_lowest_float(make_index: Make, queries: np.ndarray) -> None:
    found = make_index("IVF64,SQfp16").search(queries, 3_000, OperatingPoint(nprobe=1))
    missing = found.rows == -1
    assert missing.any() and np.isneginf(found.scores[missing]).all() and np.isfinite(found.scores[~missing]).all()


_QUERY = np.ones((1, 32), dtype=np.float32)
_ALL = np.ones(6_000, dtype=bool)
_POINT = "operating point: expected a value for"


@pytest.mark.parametrize(
    ("factory", "arguments", "error", "message"),
    [
        ("Flat", {"queries": _QUERY[:, :31]}, VectorError,
         "queries: expected width 32, got 31; encode with the model of this index"),
        ("Flat", {"queries": _QUERY.astype(float)}, VectorError,
         "queries: expected float32, got float64; convert with .astype(np.float32)"),
        ("Flat", {"queries": _QUERY * np.float32("nan")}, VectorError,
         "queries: expected finite numbers, got NaN or infinity in row 0; encode it again"),
        ("Flat", {"k": 0}, ArgumentError,
         "k: expected a whole number of at least 1, got 0; ask for at least one neighbour"),
        ("Flat", {"operating_point": OperatingPoint(nprobe=4)}, ArgumentError,
         f"{_POINT} no search parameter with an index of type Flat, "
         "got OperatingPoint(nprobe=4, k_factor=None, ef_search=None)"),
        ("IVF64,SQfp16", {}, ArgumentError,
         f"{_POINT} nprobe with an index of type IVF64,SQfp16, "
         "got OperatingPoint(nprobe=None, k_factor=None, ef_search=None)"),
        ("IVF64,SQ8,Refine(SQfp16)", {"operating_point": OperatingPoint(nprobe=4)}, ArgumentError,
         f"{_POINT} nprobe and k_factor with an index of type IVF64,SQ8,Refine(SQfp16), "
         "got OperatingPoint(nprobe=4, k_factor=None, ef_search=None)"),
        ("HNSW8", {"operating_point": OperatingPoint(nprobe=4)}, ArgumentError,
         f"{_POINT} ef_search with an index of type HNSW8, "
         "got OperatingPoint(nprobe=4, k_factor=None, ef_search=None)"),
        ("Flat", {"operating_point": OperatingPoint(ef_search=4)}, ArgumentError,
         f"{_POINT} no search parameter with an index of type Flat, "
         "got OperatingPoint(nprobe=None, k_factor=None, ef_search=4)"),
        ("Flat", {"rows": [True] * 6_000}, ArgumentError,
         "rows: expected a boolean numpy array, got list; mark the rows allowed with True"),
        ("Flat", {"rows": np.arange(5)}, ArgumentError,
         "rows: expected a boolean numpy array, got int64; mark the rows allowed with True"),
        ("Flat", {"rows": _ALL[:-1]}, ArgumentError,
         "rows: expected shape (6000,), one mark per row, got (5999,)"),
    ],
)  # fmt: skip
def test_bad_searches(
    make_index: Make, factory: str, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        make_index(factory).search(**{"queries": _QUERY, "k": 3, **arguments})
    assert str(caught.value) == message


def test_a_graph_finds_more_with_a_higher_ef_search(make_index: Make, queries: np.ndarray, exact: Neighbours) -> None:
    index = make_index("HNSW4")
    recalls = [
        recall_of_rows(index.search(queries, 20, OperatingPoint(ef_search=ef)).rows, list(exact.rows[:, :20])).mean()
        for ef in (20, 80, 640)
    ]
    assert recalls[0] < 0.9 < 0.98 < recalls[2] and recalls[0] < recalls[1] < recalls[2]


@pytest.mark.parametrize("factory", ["HNSW4", "PCA32,HNSW4", "HNSW4,RFlat"])
def test_ef_search_is_at_least_the_number_of_neighbours(make_index: Make, queries: np.ndarray, factory: str) -> None:
    """Otherwise FAISS stops before it has as many. Versions of before have no ef_search."""
    index = make_index(factory)
    k_factor = 2.0 if index.structure.refines else None
    expected = index.search(queries, 50, OperatingPoint(None, k_factor, 100 if k_factor else 50)).rows
    assert (expected >= 0).all()
    for ef_search in (None, 1, 49):
        assert np.array_equal(index.search(queries, 50, OperatingPoint(None, k_factor, ef_search)).rows, expected)


def test_an_operating_point_does_not_leak_between_threads(make_index: Make, queries: np.ndarray) -> None:
    index, points = make_index("IVF64,SQfp16"), [OperatingPoint(nprobe=nprobe) for nprobe in (1, 4, 64)]
    alone = [index.search(queries, 100, point) for point in points]
    assert not np.array_equal(alone[0].rows, alone[2].rows), "the points cannot be told apart"

    def search_often(i: int) -> bool:
        set_threads(1)
        return all(np.array_equal(index.search(queries, 100, points[i]).rows, alone[i].rows) for _ in range(30))

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(search_often, range(3)))
    shared: Any = index.faiss_index
    assert shared.nprobe == 1, "the shared parameter was changed"


@pytest.mark.parametrize(
    ("factory", "error"),
    [("Flat", 0.0), ("IVF64,Flat", 0.0), ("IVF64,SQfp16", 3e-4), ("IVF64,SQ8", 8e-3),
     ("IVF64,SQ8,Refine(SQfp16)", 3e-4), ("SQfp16", 3e-4), ("PCA32,IVF64,SQfp16", 1e-3)],
)  # fmt: skip
def test_vectors_come_back(make_index: Make, products: np.ndarray, factory: str, error: float) -> None:
    rows = np.array([5_999, 0, 17, 17])
    assert np.abs(make_index(factory).reconstruct(rows) - products[rows]).max() <= error
    assert make_index(factory).reconstruct(rows[:0]).shape == (0, 32)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.array([0, 6_000]), "rows: expected numbers from 0 to 5999, got 0 to 6000"),
        (np.array([-1]), "rows: expected numbers from 0 to 5999, got -1 to -1"),
        (np.array([0.5]), "rows: expected a numpy array of whole numbers of shape (m,), got array([0.5])"),
        ([3], "rows: expected a numpy array of whole numbers of shape (m,), got [3]"),
    ],
)
def test_rows_that_are_not_there(make_index: Make, rows: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make_index("Flat").reconstruct(rows)
    assert str(caught.value) == message


def test_a_type_that_keeps_no_vectors_says_so(products: np.ndarray) -> None:
    part, index = faiss.IndexFlatIP(32), untyped_faiss.IndexShards(32, False, True)
    index.add_shard(part)
    index.add(products[:10])
    with pytest.raises(KnnError, match=r"^an index of type IndexShards cannot reconstruct vectors: "):
        VectorIndex(index).reconstruct(np.array([0]))


@pytest.mark.parametrize(
    ("factory", "metric", "message"),
    [
        ("Flat", faiss.METRIC_L2,
         "expected the metric inner product, got FAISS metric 1; build it with build_index"),
        ("IVF16,SQ8", faiss.METRIC_INNER_PRODUCT,
         "expected a trained index, got an untrained IVF16,SQ8; train it first"),
        ("IDMap,Flat", faiss.METRIC_INNER_PRODUCT,
         "expected rows numbered by order of adding, got IDMap,Flat; leave out the IDMap"),
    ],
)  # fmt: skip
def test_indexes_that_cannot_serve(factory: str, metric: int, message: str) -> None:
    with pytest.raises(IndexSpecError) as caught:
        VectorIndex(faiss.index_factory(8, factory, metric))
    assert str(caught.value) == message
