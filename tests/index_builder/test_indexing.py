"""Which index is built, of what it is trained, and when a bad choice is refused."""

import numpy as np
import pytest

import knn
from index_builder import indexing
from index_builder.indexing import LEAST_TRAINING_ROWS, fill_index, index_spec


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    drawn = np.random.default_rng(5).standard_normal((2_000, 16)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.mark.parametrize(("count", "width"), [(300, 48), (60_000, 256), (3_380_000, 256), (60_000, 250)])
def test_auto_is_the_choice_of_knn(count: int, width: int) -> None:
    assert index_spec("auto", count, width) == knn.choose_index_type(count, width)


@pytest.mark.parametrize(
    ("factory", "count", "rows"),
    [
        ("IVF16,SQ8", 2_000, 2_000),
        ("IVF16,SQ8", 1_000_000, LEAST_TRAINING_ROWS),
        ("IVF8192,SQfp16", 3_380_000, 64 * 8192),
        ("IVF65536_HNSW32,Flat", 100_000, 100_000),
        ("PCA8,IVF16,Flat", 2_000, 2_000),
    ],
)
def test_a_given_type_gets_a_sample_that_suits_its_lists(factory: str, count: int, rows: int) -> None:
    assert index_spec(factory, count, 16) == knn.IndexSpec(factory, rows)


@pytest.mark.parametrize("factory", ["IVF16,Nonsense", "flat", "SQ", "PQ7"])
def test_what_faiss_cannot_make_is_refused_before_any_work(factory: str) -> None:
    with pytest.raises(knn.IndexSpecError, match=f"factory '{factory}': FAISS cannot make it for width 16"):
        index_spec(factory, 2_000, 16)


@pytest.mark.parametrize("factory", ["Flat", "HNSW8", "IVF16,SQ8", "auto"])
def test_rows_are_those_of_the_vectors(vectors: np.ndarray, factory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "BLOCK_ROWS", 300)
    index = fill_index(index_spec(factory, 2_000, 16), vectors, seed=0)
    assert index.count == 2_000
    picked = np.arange(0, 2_000, 97)
    point = knn.OperatingPoint(nprobe=16 if index.structure.list_count else None)
    np.testing.assert_array_equal(index.search(vectors[picked], 1, point).rows[:, 0], picked)


def test_the_seed_decides_the_index(vectors: np.ndarray) -> None:
    spec = knn.IndexSpec("IVF16,Flat", 1_000)
    codes = [fill_index(spec, vectors, seed).search(vectors, 20, knn.OperatingPoint(1)).rows for seed in (0, 0, 1)]
    np.testing.assert_array_equal(codes[0], codes[1])
    assert (codes[0] != codes[2]).any()


def test_the_training_sample_is_drawn_from_all_rows(vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    samples: list[np.ndarray] = []

    def keep(spec: object, width: int, blocks: object, sample: np.ndarray, seed: int) -> None:
        samples.append(sample)

    monkeypatch.setattr(indexing, "build_index", keep)
    fill_index(knn.IndexSpec("IVF16,Flat", 500), vectors, seed=3)
    rows = np.array([np.flatnonzero((vectors == row).all(axis=1))[0] for row in samples[0]])
    assert len(set(rows)) == 500
    assert rows.min() < 100 and rows.max() >= 1_900
    assert abs(rows.mean() - 1_000) < 100


def test_more_lists_than_products_are_refused(vectors: np.ndarray) -> None:
    spec = index_spec("IVF4096,Flat", 2_000, 16)
    with pytest.raises(knn.IndexSpecError, match="at least 4096 rows, one per list, got 2000"):
        fill_index(spec, vectors, seed=0)
