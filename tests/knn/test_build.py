from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
import pytest

from knn import (
    IndexSpec,
    IndexSpecError,
    OperatingPoint,
    VectorError,
    VectorIndex,
    build_index,
    cluster_lists,
    refill_index,
)

_SPEC = IndexSpec("IVF16,SQfp16", 2_000)
_REMEDY = "use one such as 'Flat' or 'IVF1024,SQfp16'. FAISS says:"


def _bytes(index: VectorIndex) -> bytes:
    return bytes(faiss.serialize_index(index.faiss_index))


@pytest.mark.parametrize("factory", ["Flat", "IVF16,SQfp16", "IVF16,SQ8,Refine(SQfp16)"])
def test_streaming_gives_the_same_index_as_one_block(products: np.ndarray, factory: str) -> None:
    spec, sample = IndexSpec(factory, 2_000), products[:2_000]
    whole = build_index(spec, 32, [products], sample)
    streamed = build_index(spec, 32, (products[i : i + 700] for i in range(0, len(products), 700)), sample)
    assert whole.count == streamed.count == len(products)
    assert _bytes(whole) == _bytes(streamed)


def test_one_seed_one_index_and_another_seed_another(products: np.ndarray) -> None:
    first, again, other = (
        build_index(_SPEC, 32, [products[:3_000]], products[:2_000], seed=seed) for seed in (0, 0, 1)
    )
    assert _bytes(first) == _bytes(again) != _bytes(other)


@pytest.mark.parametrize("factory", ["IVF16,SQfp16", "IVF16,PQ8x4fsr,Refine(SQfp16)"])
def test_centres_found_before_give_the_index_that_finds_them_itself(products: np.ndarray, factory: str) -> None:
    spec, sample = IndexSpec(factory, 2_000), products[:2_000]
    centres = cluster_lists(16, sample, seed=5)
    assert centres.shape == (16, 32)
    given = build_index(spec, 32, [products], sample, 5, centres)
    assert _bytes(given) == _bytes(build_index(spec, 32, [products], sample, 5))


def test_centres_pass_the_transforms_as_vectors_do(products: np.ndarray) -> None:
    sample = products[:2_000]
    centres = cluster_lists(16, sample)
    built = build_index(IndexSpec("PCAR8,IVF16,SQfp16", 2_000), 32, [products], sample, centres=centres)
    rotated: Any = built.faiss_index
    rotation: Any = faiss.downcast_VectorTransform(rotated.chain.at(0))
    inverted_file: Any = faiss.downcast_index(rotated.index)
    matrix = faiss.vector_to_array(rotation.A).reshape(8, 32)
    lists = inverted_file.quantizer.reconstruct_n(0, 16)
    np.testing.assert_allclose(lists, centres @ matrix.T, atol=1e-5)


def test_centres_mean_nothing_to_a_type_without_lists(products: np.ndarray) -> None:
    centres = cluster_lists(16, products[:2_000])
    assert build_index(IndexSpec("Flat", 0), 32, [products], centres=centres).count == len(products)


def test_as_many_centres_as_lists(products: np.ndarray) -> None:
    with pytest.raises(IndexSpecError, match=r"^factory 'IVF16,SQfp16': expected 16 centres, got 8$"):
        build_index(_SPEC, 32, [products], products[:2_000], centres=cluster_lists(8, products[:2_000]))


@pytest.mark.parametrize(
    "factory",
    ["Flat", "IVF16,SQfp16", "IVF16,PQ8x4fsr,Refine(SQfp16)", "PCAR16,IVF16,SQ8,Refine(SQ8)", "SQ8"],
)
def test_an_index_refilled_is_one_of_the_same_training(products: np.ndarray, factory: str) -> None:
    """Also after its first index is gone; blocks of other rows, and fewer, than it was trained on."""
    spec, sample, others = IndexSpec(factory, 2_000), products[:2_000], products[1_000:2_500]
    refilled = refill_index(build_index(spec, 32, [products], sample), [others[:700], others[700:]])
    expected = build_index(spec, 32, [others], sample)
    assert refilled.count == 1_500
    assert _bytes(refilled) == _bytes(expected)
    np.testing.assert_array_equal(refilled.reconstruct(np.arange(9)), expected.reconstruct(np.arange(9)))


def test_rows_are_numbered_by_order_of_adding(products: np.ndarray) -> None:
    index = build_index(IndexSpec("Flat", 0), 32, [products[100:103], products[:0], products[5:6]])
    assert index.count == 4
    assert np.array_equal(index.reconstruct(np.arange(4)), products[[100, 101, 102, 5]])


def test_an_index_of_nothing_answers_nothing(queries: np.ndarray) -> None:
    index = build_index(IndexSpec("Flat", 0), 32, [])
    assert index.count == 0
    assert (index.search(queries, 3).rows == -1).all()


@pytest.mark.parametrize(
    ("factory", "width", "message"),
    [
        ("Bogus", 32, "factory 'Bogus': FAISS cannot make it for width 32 under inner product; "
         f"{_REMEDY} could not parse index string Bogus"),
        ("IVF4,PQ8", 33, "factory 'IVF4,PQ8': FAISS cannot make it for width 33 under inner product; "
         f"{_REMEDY} Error: '!(d % M == 0)' failed: The dimension of the vector (d) should "
         "be a multiple of the number of subquantizers (M)"),
        ("IDMap,Flat", 32, "factory 'IDMap,Flat': rows are numbered by order of adding; leave out the IDMap"),
        ("IDMap2,Flat", 32,
         "factory 'IDMap2,Flat': rows are numbered by order of adding; leave out the IDMap"),
    ],
)  # fmt: skip
def test_a_bad_factory_string_is_named(factory: str, width: int, message: str) -> None:
    with pytest.raises(IndexSpecError) as caught:
        build_index(IndexSpec(factory, 0), width, [])
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("sample", "error", "message"),
    [
        (None, IndexSpecError, "factory 'IVF16,SQfp16': expected a training sample of 2000 rows, got none"),
        (np.eye(15, 32, dtype=np.float32), IndexSpecError,
         "factory 'IVF16,SQfp16': expected a training sample of at least 16 rows, "
         "one per list, got 15; sample more or use fewer lists"),
        (np.eye(32), VectorError,
         "training_sample: expected float32, got float64; convert with .astype(np.float32)"),
    ],
)  # fmt: skip
def test_a_bad_training_sample(sample: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        build_index(_SPEC, 32, [], sample)
    assert str(caught.value) == message


def test_a_block_of_another_width_is_refused(products: np.ndarray) -> None:
    with pytest.raises(VectorError, match=r"^block: expected width 32, got 31; encode with the model of this index$"):
        build_index(IndexSpec("Flat", 0), 32, [products[:5], np.ascontiguousarray(products[:5, :31])])


def test_the_metric_is_the_inner_product(
    make_index: Callable[[str], VectorIndex], products: np.ndarray, queries: np.ndarray
) -> None:
    found = make_index("IVF64,Flat").search(queries, 5, OperatingPoint(nprobe=64))
    expected = np.sort(queries @ products.T, axis=1)[:, ::-1][:, :5]
    assert np.allclose(found.scores, expected, atol=1e-6)


def test_pca_does_not_shift_the_inner_product(products: np.ndarray) -> None:
    """FAISS centres before it rotates, which is right for distances and wrong for inner products."""
    shifted = products + np.float32(0.5)
    index = build_index(IndexSpec("PCA32,IVF16,Flat", 2_000), 32, [shifted], shifted[:2_000])
    found = index.search(shifted[:20], 10, OperatingPoint(nprobe=16))
    expected = np.sort(shifted[:20] @ shifted.T, axis=1)[:, ::-1][:, :10]
    assert np.allclose(found.scores, expected, rtol=1e-4)
    assert np.allclose(index.reconstruct(np.arange(5)), shifted[:5], atol=1e-4)
