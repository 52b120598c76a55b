"""Exact search in PyTorch, on the CPU and, where there is one, on a GPU."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from knn import (
    DeviceError,
    GpuVectorIndex,
    IndexSpec,
    Neighbours,
    OperatingPoint,
    TorchExactIndex,
    VectorIndex,
    build_index,
    exact_search,
    gpu,
    gpu_bytes,
    read_index,
    to_gpu,
    torch_exact,
    write_index,
)

Make = Callable[[str], VectorIndex]
# Sums in float32 of numbers with 11 bits, 32 of them: what half precision may cost a score.
HALF_ROUNDING = 5e-4


@pytest.fixture(params=["cpu", pytest.param("cuda:0", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make(make_index: Make, device: str) -> Iterator[Callable[..., TorchExactIndex]]:
    made: list[TorchExactIndex] = []

    def make(factory: str, **options: Any) -> TorchExactIndex:
        made.append(TorchExactIndex(make_index(factory), device, **options))
        return made[-1]

    yield make
    for index in made:
        index.close()


def _true_neighbours(products: np.ndarray, queries: np.ndarray, k: int, mask: np.ndarray) -> Neighbours:
    rows = np.flatnonzero(mask)
    near = exact_search(products[rows], queries, k)
    return Neighbours(near.scores, np.append(rows, -1)[near.rows])  # padding stays padding


def _agree(found: Neighbours, truth: Neighbours, products: np.ndarray, queries: np.ndarray) -> None:
    """The same number of rows, and each as good as the true one at its place, but for rounding."""
    np.testing.assert_array_equal(found.found, truth.found)
    there = truth.rows >= 0
    assert (found.rows[~there] == -1).all() and np.isneginf(found.scores[~there]).all()
    assert np.abs(found.scores[there] - truth.scores[there]).max(initial=0) <= HALF_ROUNDING
    own = np.einsum("nkd,nd->nk", products[found.rows], queries)
    assert np.abs(own[there] - truth.scores[there]).max(initial=0) <= 2 * HALF_ROUNDING


@pytest.mark.parametrize("factory", ["Flat", "SQfp16"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_it_finds_what_exact_search_finds(
    make: Callable[..., TorchExactIndex], products: np.ndarray, queries: np.ndarray, factory: str, dtype: str
) -> None:
    found, truth = make(factory, dtype=dtype).search(queries, 50), exact_search(products, queries, 50)
    same = np.mean([np.isin(*pair).mean() for pair in zip(found.rows, truth.rows, strict=True)])
    assert same >= {"float32": 0.999, "float16": 0.995, "bfloat16": 0.9}[dtype]
    assert (np.diff(found.scores, axis=1) <= 0).all(), "not best first"
    assert found.scores.dtype == np.float32 and found.rows.dtype == np.int64
    if dtype != "bfloat16":
        _agree(found, truth, products, queries)


def test_near_scores_are_not_rounded_together(
    make: Callable[..., TorchExactIndex], queries: np.ndarray, products: np.ndarray
) -> None:
    """Near 1 half precision knows steps of 0.0005 only; sums must be kept finer than that."""
    found = make("Flat").search(products[:5], 100)
    assert all(len(np.unique(scores)) > 90 for scores in found.scores)


@pytest.mark.parametrize(
    ("queries_at_once", "scores_at_once", "converted"), [(7, 1, 1), (40, 9_999, 1_000), (3, 500, 8)]
)
def test_blocks_do_not_show(
    make: Callable[..., TorchExactIndex],
    products: np.ndarray,
    queries: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    queries_at_once: int,
    scores_at_once: int,
    converted: int,
) -> None:
    few, mask = queries[:10], np.random.default_rng(1).random(6_000) < 0.3
    index = make("Flat")
    whole, filtered = index.search(few, 30), index.search(few, 30, rows=mask)
    monkeypatch.setattr(torch_exact, "QUERIES_AT_ONCE", queries_at_once)
    monkeypatch.setattr(torch_exact, "SCORES_AT_ONCE", scores_at_once)
    monkeypatch.setattr(torch_exact, "CONVERTED_AT_ONCE", converted * 32)
    monkeypatch.setattr(torch_exact, "_BLOCK_ROWS", 700)
    again = make("Flat")
    for before, after in ((whole, again.search(few, 30)), (filtered, again.search(few, 30, rows=mask))):
        np.testing.assert_allclose(after.scores, before.scores, atol=1e-6)
        _agree(after, before, products, few)


@pytest.mark.parametrize("marked", [0, 1, 30, 3_000, 6_000])
def test_filters_are_heeded_and_never_leave_too_few(
    make: Callable[..., TorchExactIndex], products: np.ndarray, queries: np.ndarray, marked: int
) -> None:
    mask = np.zeros(6_000, dtype=bool)
    mask[np.argsort(products @ queries[0])[:marked]] = True  # the rows least like the first query
    found = make("Flat").search(queries, 50, rows=mask)
    assert found.found.tolist() == [min(50, marked)] * len(queries)
    assert mask[found.rows[found.rows >= 0]].all()
    _agree(found, _true_neighbours(products, queries, 50, mask), products, queries)


def test_k_beyond_the_count_is_padded(make: Callable[..., TorchExactIndex], queries: np.ndarray) -> None:
    found = make("Flat").search(queries[:2], 6_010)
    assert found.rows.shape == (2, 6_010) and found.found.tolist() == [6_000, 6_000]
    assert sorted(found.rows[0, :6_000]) == list(range(6_000))


def test_nothing_to_search_or_to_ask(device: str, queries: np.ndarray, make: Callable[..., TorchExactIndex]) -> None:
    empty = TorchExactIndex(build_index(IndexSpec("Flat", 0), 32, []), device)
    assert (empty.search(queries, 3).rows == -1).all()
    assert make("Flat").search(queries[:0], 3).rows.shape == (0, 3)


def test_a_file_gets_the_cpu_index(
    make: Callable[..., TorchExactIndex], products: np.ndarray, queries: np.ndarray, tmp_path: Path
) -> None:
    index = make("Flat")
    file = write_index(index, tmp_path / "index.faiss")
    back = read_index(tmp_path / "index.faiss", file.sha256, file.size_bytes)
    assert np.array_equal(back.reconstruct(np.arange(6_000)), products)
    assert (index.index_type, index.count, index.width) == ("Flat", 6_000, 32)


def test_a_closed_index_says_so(make: Callable[..., TorchExactIndex], queries: np.ndarray) -> None:
    index = make("Flat")
    index.close()
    index.close()
    with pytest.raises(DeviceError, match=r"^this GPU index is closed; move the CPU index to the GPU again"):
        index.search(queries, 5)


@pytest.mark.parametrize("factory", ["IVF64,SQfp16", "SQ8", "PQ16x4fs,RFlat", "HNSW16"])
def test_types_with_lists_or_coarse_codes_are_refused(make_index: Make, factory: str) -> None:
    with pytest.raises(DeviceError, match="does not score every row; give it to to_gpu"):
        TorchExactIndex(make_index(factory), "cpu")


def test_a_device_that_is_not_there(make_index: Make) -> None:
    with pytest.raises(DeviceError, match=r"^PyTorch could not hold 6000 vectors of width 32 in float16 on cuda:99: "):
        TorchExactIndex(make_index("Flat"), "cuda:99")


def test_a_failure_of_the_device_is_a_device_error(
    make: Callable[..., TorchExactIndex], queries: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_out_of_memory(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch_exact, "_scores", run_out_of_memory)
    with pytest.raises(DeviceError, match=r"^the GPU failed in a search of 40 queries: CUDA out of memory$"):
        make("Flat").search(queries, 5)


@pytest.mark.parametrize("factory", ["Flat", "SQfp16"])
def test_the_memory_that_it_takes_is_known_before(
    make_index: Make, factory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2 bytes a number whatever the file has; and what a search takes, which is more with many products."""
    monkeypatch.setattr(gpu, "torch_gpu_count", lambda: 1)
    index = make_index(factory)
    assert 2 * 6_000 * 32 < gpu_bytes(index) < 2 * 6_000 * 32 + 4 * 4 * torch_exact.SCORES_AT_ONCE
    monkeypatch.setattr(torch_exact, "SCORES_AT_ONCE", 0)
    assert gpu_bytes(index) == 2 * 6_000 * 32


@pytest.mark.parametrize(("factory", "gpus", "in_torch"), [("Flat", 1, True), ("SQfp16", 1, True), ("Flat", 0, False)])
def test_to_gpu_prefers_torch_for_what_scores_every_row(
    make_index: Make, monkeypatch: pytest.MonkeyPatch, factory: str, gpus: int, in_torch: bool
) -> None:
    """With the CPU standing in for the GPU that PyTorch sees, and FAISS seeing none."""
    monkeypatch.setattr(gpu, "torch_gpu_count", lambda: gpus)
    monkeypatch.setattr(gpu, "gpu_count", lambda: 0)
    monkeypatch.setattr(gpu, "TorchExactIndex", lambda index, device: TorchExactIndex(index, "cpu"))
    if in_torch:
        moved = to_gpu(make_index(factory))
        assert isinstance(moved, TorchExactIndex) and isinstance(moved, GpuVectorIndex)
        with pytest.raises(DeviceError, match="it is on a GPU already"):
            to_gpu(moved)
    else:
        with pytest.raises(DeviceError, match="expected one of the 0 GPUs that FAISS sees"):
            to_gpu(make_index(factory))


def test_lists_are_left_to_faiss(make_index: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "torch_gpu_count", lambda: 1)
    monkeypatch.setattr(gpu, "gpu_count", lambda: 0)
    with pytest.raises(DeviceError, match="expected one of the 0 GPUs that FAISS sees"):
        to_gpu(make_index("IVF64,SQfp16"))


def test_an_operating_point_with_parameters_is_refused(
    make: Callable[..., TorchExactIndex], queries: np.ndarray
) -> None:
    with pytest.raises(ValueError, match="expected a value for no search parameter with an index of type Flat"):
        make("Flat").search(queries, 5, OperatingPoint(nprobe=4))
