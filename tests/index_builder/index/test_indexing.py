"""Which types of index come into question, of what one is trained, and when a bad choice is refused."""

import numpy as np
import pytest

import knn
from index_builder.core.errors import BuildError, OptionError
from index_builder.index import indexing
from index_builder.index.indexing import IndexRequest, fill_index, plan_index


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    drawn = np.random.default_rng(5).standard_normal((2_000, 16)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def _planned(index_request: IndexRequest, count: int, width: int) -> list[str]:
    return [spec.factory for spec in plan_index(index_request, count, width)]


@pytest.mark.parametrize(("count", "width"), [(300, 48), (60_000, 256), (3_380_000, 256), (60_000, 250)])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_auto_takes_all_candidates_where_there_is_room(count: int, width: int, device: knn.Device) -> None:
    index_request = IndexRequest(device=device, memory_budget_bytes=10**12)
    candidates = knn.list_candidates(count, width, device)
    assert plan_index(index_request, count, width) == tuple(candidate.spec for candidate in candidates)


@pytest.mark.parametrize(
    ("gigabytes", "factories"),
    [
        (1.0, ["IVF8192,SQ8"]),
        (1.3, ["IVF8192,SQ8", "PCAR128,IVF8192,PQ128x4fsr,Refine(SQ8)"]),
        (1.9, ["IVF8192,SQfp16", "IVF8192,SQ8", "PCAR128,IVF8192,PQ128x4fsr,Refine(SQ8)"]),
    ],
)
def test_only_what_fits_into_the_memory(gigabytes: float, factories: list[str]) -> None:
    index_request = IndexRequest(memory_budget_bytes=round(gigabytes * 1e9))
    assert _planned(index_request, 3_380_000, 256) == factories


def test_nothing_fits() -> None:
    with pytest.raises(BuildError) as caught:
        plan_index(IndexRequest(memory_budget_bytes=500_000_000), 3_380_000, 256)
    assert str(caught.value) == (
        "no index of 3,380,000 vectors of width 256 fits into 0.5 GB; the smallest, IVF8192,SQ8, takes 0.928 GB: "
        "raise --memory-budget, or name a type with --index"
    )


def test_a_bad_budget_is_refused() -> None:
    with pytest.raises(OptionError, match="memory budget: expected more than 0 bytes, got -1"):
        plan_index(IndexRequest(memory_budget_bytes=-1), 300, 48)


@pytest.mark.parametrize("factory", ["IVF16,SQ8", "IVF8192,SQfp16", "HNSW8"])
def test_a_given_type_is_the_only_one_whatever_it_takes(factory: str) -> None:
    index_request = IndexRequest(factory, memory_budget_bytes=1)
    assert plan_index(index_request, 3_380_000, 16) == (knn.spec_of_factory(factory, 3_380_000),)


@pytest.mark.parametrize("factory", ["IVF16,Nonsense", "flat", "SQ", "PQ7"])
def test_what_faiss_cannot_make_is_refused_before_any_work(factory: str) -> None:
    with pytest.raises(knn.IndexSpecError, match=f"factory '{factory}': FAISS cannot make it for width 16"):
        plan_index(IndexRequest(factory), 2_000, 16)


@pytest.mark.parametrize("factory", ["Flat", "HNSW8", "IVF16,SQ8", "IVF16,PQ8x4fs,Refine(SQfp16)"])
def test_rows_are_those_of_the_vectors(vectors: np.ndarray, factory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "BLOCK_ROWS", 300)
    index = fill_index(knn.spec_of_factory(factory, 2_000), vectors, seed=0)
    assert index.count == 2_000
    picked = np.arange(0, 2_000, 97)
    dials = index.structure
    point = knn.OperatingPoint(16 if dials.list_count else None, 16.0 if dials.refines else None)
    np.testing.assert_array_equal(index.search(vectors[picked], 1, point).rows[:, 0], picked)


def test_the_seed_decides_the_index(vectors: np.ndarray) -> None:
    spec = knn.IndexSpec("IVF16,Flat", 1_000)
    codes = [fill_index(spec, vectors, seed).search(vectors, 20, knn.OperatingPoint(1)).rows for seed in (0, 0, 1)]
    np.testing.assert_array_equal(codes[0], codes[1])
    assert (codes[0] != codes[2]).any()


def test_the_training_sample_is_drawn_from_all_rows(vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    samples: list[np.ndarray] = []

    def keep(spec: object, width: int, blocks: object, sample: np.ndarray, *_: object) -> None:
        samples.append(sample)

    monkeypatch.setattr(indexing, "build_index", keep)
    fill_index(knn.IndexSpec("IVF16,Flat", 500), vectors, seed=3)
    rows = np.array([np.flatnonzero((vectors == row).all(axis=1))[0] for row in samples[0]])
    assert len(set(rows)) == 500
    assert rows.min() < 100 and rows.max() >= 1_900
    assert abs(rows.mean() - 1_000) < 100


def test_more_lists_than_products_are_refused(vectors: np.ndarray) -> None:
    (spec,) = plan_index(IndexRequest("IVF4096,Flat"), 2_000, 16)
    with pytest.raises(knn.IndexSpecError, match="at least 4096 rows, one per list, got 2000"):
        fill_index(spec, vectors, seed=0)
