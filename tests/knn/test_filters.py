from collections.abc import Callable

import numpy as np
import pytest

from knn import Neighbours, OperatingPoint, VectorIndex, exact_search, filters
from knn.raw import raw_search

Make = Callable[[str], VectorIndex]
_TYPES = [
    ("Flat", OperatingPoint()),
    ("SQfp16", OperatingPoint()),
    ("IVF64,Flat", OperatingPoint(nprobe=1)),
    ("IVF64,SQfp16", OperatingPoint(nprobe=1)),
    ("IVF64,SQ8,Refine(SQfp16)", OperatingPoint(nprobe=1, k_factor=1.0)),
    ("IVF64,PQ8x4fs,Refine(SQfp16)", OperatingPoint(nprobe=1, k_factor=1.0)),
    ("IVF64,PQ8x4fsr,Refine(SQfp16)", OperatingPoint(nprobe=1, k_factor=1.0)),
    ("IVF64,RaBitQ,Refine(SQfp16)", OperatingPoint(nprobe=1, k_factor=1.0)),
    ("PCA32,IVF64,SQfp16", OperatingPoint(nprobe=1)),
    ("HNSW16", OperatingPoint()),
    ("PQ16x4fs,RFlat", OperatingPoint(k_factor=2.0)),
]


def _mark(count: int, marked: np.ndarray) -> np.ndarray:
    mask = np.zeros(count, dtype=bool)
    mask[marked] = True
    return mask


def _scattered(products: np.ndarray, share: float) -> np.ndarray:
    return np.random.default_rng(5).random(len(products)) < share


def _far_away(products: np.ndarray, query: np.ndarray, number: int) -> np.ndarray:
    """The rows least like the query: the lists visited first hold none of them."""
    return _mark(len(products), np.argsort(products @ query)[:number])


def _true_neighbours(products: np.ndarray, queries: np.ndarray, k: int, mask: np.ndarray) -> Neighbours:
    rows = np.flatnonzero(mask)
    near = exact_search(products[rows], queries, k)
    return Neighbours(near.scores, np.where(near.rows >= 0, rows[near.rows], -1))


def _strict_recall(found: Neighbours, truth: Neighbours) -> float:
    hits = [np.isin(rows, true_rows[true_rows >= 0]) for rows, true_rows in zip(found.rows, truth.rows, strict=True)]
    return float(np.sum(hits) / np.sum(truth.found))


@pytest.mark.parametrize(("factory", "point"), _TYPES)
@pytest.mark.parametrize("share", [0.0005, 0.01, 0.3, 0.9])
def test_matching_rows_only_and_never_too_few(
    make_index: Make,
    products: np.ndarray,
    queries: np.ndarray,
    factory: str,
    point: OperatingPoint,
    share: float,
) -> None:
    mask = _scattered(products, share)
    found = make_index(factory).search(queries, 50, point, rows=mask)
    assert mask[found.rows[found.rows >= 0]].all()
    assert found.found.tolist() == [min(50, np.count_nonzero(mask))] * len(queries)
    assert all(len(set(rows[rows >= 0])) == np.count_nonzero(rows >= 0) for rows in found.rows), "a row came twice"
    assert (found.scores[:, :-1] >= found.scores[:, 1:]).all(), "not best first"


@pytest.mark.parametrize(("factory", "point"), _TYPES)
@pytest.mark.parametrize("number", [30, 1_500])
def test_matches_far_from_the_query_are_found_too(
    make_index: Make,
    products: np.ndarray,
    queries: np.ndarray,
    factory: str,
    point: OperatingPoint,
    number: int,
) -> None:
    mask = _far_away(products, queries[0], number)
    found = make_index(factory).search(queries[:1], 50, point, rows=mask)
    assert found.found.tolist() == [min(50, number)]
    assert mask[found.rows[found.rows >= 0]].all()


def test_the_plain_search_would_have_found_too_few(
    make_index: Make, products: np.ndarray, queries: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule of the last resort is really needed: without it the case above fails."""
    index, mask = make_index("IVF64,SQfp16"), _far_away(products, queries[0], 1_500)
    monkeypatch.setattr(filters, "_replace_rows", lambda found, *_: found)
    assert index.search(queries[:1], 50, OperatingPoint(nprobe=1), rows=mask).found[0] < 50


@pytest.mark.parametrize("factory", ["Flat", "IVF64,Flat", "IVF64,SQ8,Refine(SQfp16)", "HNSW16"])
def test_a_selective_filter_is_answered_exactly(
    make_index: Make, products: np.ndarray, queries: np.ndarray, factory: str
) -> None:
    index, mask = make_index(factory), _scattered(products, 0.02)
    point = OperatingPoint(
        nprobe=1 if index.structure.list_count else None, k_factor=1.0 if index.structure.refines else None
    )
    found, truth = index.search(queries, 20, point, rows=mask), _true_neighbours(products, queries, 20, mask)
    recall = _strict_recall(found, truth)
    assert recall >= (0.99 if "SQ" in factory else 1.0)
    assert np.allclose(found.scores, truth.scores, atol=1e-3)


def test_a_wide_filter_is_answered_about_as_well_as_no_filter(
    make_index: Make, products: np.ndarray, queries: np.ndarray, exact: Neighbours
) -> None:
    index, mask, point = make_index("IVF64,SQfp16"), _scattered(products, 0.2), OperatingPoint(nprobe=8)
    nearest = Neighbours(exact.scores[:, :50], exact.rows[:, :50])
    unfiltered = _strict_recall(index.search(queries, 50, point), nearest)
    truth = _true_neighbours(products, queries, 50, mask)
    filtered = _strict_recall(index.search(queries, 50, point, rows=mask), truth)
    assert filtered >= unfiltered - 0.01


@pytest.mark.parametrize("block_rows", [1, 7, 100_000])
def test_blocks_of_the_exact_search_do_not_show(
    make_index: Make,
    products: np.ndarray,
    queries: np.ndarray,
    block_rows: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mask = _scattered(products, 0.01)
    monkeypatch.setattr(filters, "_BLOCK_ROWS", block_rows)
    found = make_index("Flat").search(queries[:3], 20, rows=mask)
    assert np.array_equal(found.rows, _true_neighbours(products, queries[:3], 20, mask).rows)


def test_an_empty_filter_finds_nothing(make_index: Make, queries: np.ndarray) -> None:
    nothing = np.zeros(6_000, dtype=bool)
    found = make_index("IVF64,SQfp16").search(queries, 5, OperatingPoint(nprobe=4), rows=nothing)
    assert (found.rows == -1).all() and np.isneginf(found.scores).all() and found.rows.shape == (40, 5)


def test_a_filter_that_allows_all_changes_nothing(make_index: Make, queries: np.ndarray) -> None:
    index, point = make_index("IVF64,SQfp16"), OperatingPoint(nprobe=4)
    filtered = index.search(queries, 20, point, rows=np.ones(6_000, dtype=bool))
    assert np.array_equal(filtered.rows, index.search(queries, 20, point).rows)


def test_a_selector_that_faiss_ignored_is_noticed(
    make_index: Make, products: np.ndarray, queries: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the classic GPU types do: they take a selector and search everything."""
    monkeypatch.setattr(filters, "raw_search", lambda index, queries, k, _: raw_search(index, queries, k, None))
    mask = _scattered(products, 0.5)
    found = make_index("Flat").search(queries, 20, rows=mask)
    assert np.array_equal(found.rows, _true_neighbours(products, queries, 20, mask).rows)
