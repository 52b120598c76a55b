import faiss
import numpy as np
import pytest

from knn import ArgumentError, Device, IndexSpec, VectorIndex, build_index, gpu, list_candidates
from knn.candidates import FLAT_MAX_ROWS


def _factories(count: int, width: int, device: Device = "cpu") -> list[str]:
    return [candidate.spec.factory for candidate in list_candidates(count, width, device)]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("count", [0, 1, FLAT_MAX_ROWS])
def test_few_rows_are_all_scored(count: int, device: Device) -> None:
    assert _factories(count, 256, device) == ["Flat"]


@pytest.mark.parametrize(
    ("count", "width", "device", "factories"),
    [
        (FLAT_MAX_ROWS + 1, 256, "cpu", [
            "IVF512,SQfp16", "IVF512,SQ8",
            "PCAR128,IVF512,PQ128x4fsr,Refine(SQ8)", "PCAR128,IVF512,PQ128x4fsr,Refine(SQfp16)",
        ]),
        (39_000, 33, "cpu", ["IVF512,Flat", "IVF512,SQ8"]),
        (40_000, 33, "cpu", ["IVF1024,Flat", "IVF1024,SQ8"]),
        (3_380_000, 250, "cpu", [
            "IVF8192,Flat", "IVF8192,SQ8",
            "PCAR125,IVF8192,PQ125x4fsr,Refine(SQ8)", "PCAR125,IVF8192,PQ125x4fsr,RFlat",
        ]),
        (300_000, 33, "cpu", ["IVF2048,Flat", "IVF2048,SQ8"]),
        (3_380_000, 256, "cuda", ["SQfp16", "IVF8192,SQfp16", "IVF8192,SQ8"]),
        (30_000_000, 256, "cuda", ["IVF16384,SQfp16", "IVF16384,SQ8", "SQfp16"]),
    ],
)  # fmt: skip
def test_the_types_follow_from_count_width_and_device(
    count: int, width: int, device: Device, factories: list[str]
) -> None:
    assert _factories(count, width, device) == factories


@pytest.mark.parametrize("width", [24, 33, 250, 256])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_faiss_can_make_every_candidate(width: int, device: Device) -> None:
    for factory in _factories(1_000_000, width, device):
        faiss.index_factory(width, factory, faiss.METRIC_INNER_PRODUCT)


def test_what_is_for_a_gpu_goes_there(products: np.ndarray) -> None:
    for candidate in list_candidates(1_000_000, 32, "cuda"):
        index = _build(candidate.spec.factory, products)
        assert gpu._find_refusal(index) is None


def _build(factory: str, products: np.ndarray) -> VectorIndex:
    """With as many lists as the products can train."""
    small = factory.replace("IVF4096", "IVF64")
    return build_index(IndexSpec(small, len(products)), products.shape[1], [products], products)


@pytest.mark.parametrize("width", [32, 33])
def test_the_estimate_of_memory_is_about_the_size_of_the_file(width: int) -> None:
    count = 60_000
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((count, width)).astype(np.float32)
    for candidate in list_candidates(count, width):
        index = build_index(candidate.spec, width, [vectors], vectors[:40_000])
        assert candidate.index_bytes == pytest.approx(index.index_bytes, rel=0.1)


def test_there_are_always_enough_rows_to_train_on() -> None:
    for count in range(FLAT_MAX_ROWS + 1, 50 * FLAT_MAX_ROWS, 3_456):
        for candidate in list_candidates(count, 64):
            lists = candidate.spec.list_count
            assert 39 * lists <= candidate.spec.training_rows <= count  # FAISS warns below 39


@pytest.mark.parametrize(("count", "width"), [(-1, 8), (10, 0)])
def test_bad_sizes(count: int, width: int) -> None:
    with pytest.raises(ArgumentError, match=f"^expected a count from 0 and a width from 1, got {count} and {width}$"):
        list_candidates(count, width)
