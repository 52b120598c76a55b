"""The GPU part: refusals, rules with a CPU index standing in for the copy, real searches where a GPU is."""

from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest

from knn import (
    ArgumentError,
    DeviceError,
    FaissGpuIndex,
    OperatingPoint,
    UnsupportedTypeError,
    VectorIndex,
    faiss_gpu_fault,
    gpu,
    gpu_bytes,
    gpu_count,
    make_ground_truth,
    read_index,
    to_gpu,
    write_index,
)
from knn.gpu import TEMP_MEMORY_BYTES

Make = Callable[[str], VectorIndex]
_POINT = OperatingPoint(nprobe=8)


class _StandIn:
    """A copy of an index that counts its searches, or fails in them as a GPU does."""

    def __init__(self, index: VectorIndex, error: Exception | None = None) -> None:
        self._index, self._error = index.faiss_index, error
        self.ntotal, self.searches = index.count, 0

    def search(self, queries: np.ndarray, k: int, params: faiss.SearchParameters) -> tuple[np.ndarray, np.ndarray]:
        self.searches += 1
        if self._error is not None:
            raise self._error
        scores, rows = self._index.search(queries, k, params=params)
        return scores, rows


def _on_stand_in(index: VectorIndex, error: Exception | None = None) -> tuple[FaissGpuIndex, _StandIn]:
    copy = _StandIn(index, error)
    return FaissGpuIndex(index, copy, object()), copy  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        ("IVF64,SQ8,Refine(SQfp16)", "refinement runs on the CPU only"),
        ("HNSW16", "FAISS has no IndexHNSWFlat for a GPU"),
        ("SQ8", "FAISS has no such scalar codes for a GPU"),
        ("IVF64(HNSW16),SQ8", "its coarse quantizer is not flat"),
    ],
)
def test_types_that_do_not_run_on_a_gpu(make_index: Make, factory: str, reason: str) -> None:
    with pytest.raises(UnsupportedTypeError) as caught:
        to_gpu(make_index(factory))
    assert str(caught.value) == (
        f"an index of type {factory} cannot be searched on a GPU: {reason}; "
        "search it on the CPU or build one such as 'Flat' or 'IVF1024,SQfp16'"
    )


@pytest.mark.parametrize(
    ("factory", "name"), [("IVF64,PQ8x4fs", "IndexIVFPQFastScan"), ("IVF64,RaBitQ", "IndexIVFRaBitQ")]
)
def test_a_cousin_of_a_supported_type_is_not_supported(make_index: Make, factory: str, name: str) -> None:
    with pytest.raises(DeviceError, match=f"FAISS has no {name} for a GPU"):
        to_gpu(make_index(factory))


def test_a_gpu_index_is_not_moved_again(make_index: Make) -> None:
    with pytest.raises(DeviceError, match="it is on a GPU already"):
        to_gpu(_on_stand_in(make_index("Flat"))[0])


@pytest.mark.skipif(gpu_count() > 0, reason="there is a GPU")
@pytest.mark.parametrize("factory", ["Flat", "SQfp16", "IVF64,Flat", "IVF64,SQfp16", "IVF64,PQ2x8", "PCA32,IVF64,SQ8"])
def test_without_a_gpu_the_remedy_is_named(make_index: Make, factory: str) -> None:
    with pytest.raises(DeviceError) as caught:
        to_gpu(make_index(factory))
    assert str(caught.value) == (
        "expected one of the 0 GPUs that FAISS sees, got device 0; check the driver and install a "
        "GPU wheel of FAISS (one of the extras gpu and gpu-cuvs, in place of cpu)"
    )


def test_unfiltered_searches_go_to_the_copy(make_index: Make, queries: np.ndarray) -> None:
    cpu = make_index("IVF64,SQfp16")
    gpu, copy = _on_stand_in(cpu)
    assert np.array_equal(gpu.search(queries, 20, _POINT).rows, cpu.search(queries, 20, _POINT).rows)
    assert copy.searches == 1
    assert (gpu.width, gpu.count, gpu.index_type) == (cpu.width, cpu.count, cpu.index_type)


@pytest.mark.parametrize("share", [0.01, 0.5])
def test_filtered_searches_stay_on_the_cpu(make_index: Make, queries: np.ndarray, share: float) -> None:
    cpu = make_index("IVF64,SQfp16")
    gpu, copy = _on_stand_in(cpu)
    mask = np.arange(cpu.count) < share * cpu.count
    found = gpu.search(queries, 20, _POINT, rows=mask)
    assert copy.searches == 0 and mask[found.rows].all()
    assert np.array_equal(found.rows, cpu.search(queries, 20, _POINT, rows=mask).rows)


@pytest.mark.parametrize(
    ("k", "nprobe", "message"),
    [
        (2_049, 8, "k: expected at most 2048 on a GPU, got 2049; search this one on the CPU"),
        (10, 2_049, "nprobe: expected at most 2048 on a GPU, got 2049; probe less"),
    ],
)
def test_limits_of_the_kernels(make_index: Make, queries: np.ndarray, k: int, nprobe: int, message: str) -> None:
    gpu, copy = _on_stand_in(make_index("IVF64,SQfp16"))
    with pytest.raises(ArgumentError) as caught:
        gpu.search(queries, k, OperatingPoint(nprobe=nprobe))
    assert str(caught.value) == message and copy.searches == 0
    assert gpu.search(queries, 2_048, OperatingPoint(nprobe=2_048)).rows.shape == (40, 2_048)


def test_a_closed_index_says_so(make_index: Make, queries: np.ndarray) -> None:
    gpu, _ = _on_stand_in(make_index("Flat"))
    gpu.close()
    gpu.close()
    with pytest.raises(DeviceError, match=r"^this GPU index is closed; move the CPU index to the GPU again"):
        gpu.search(queries, 5)


def test_a_failure_of_the_gpu_is_a_device_error(make_index: Make, queries: np.ndarray) -> None:
    gpu, _ = _on_stand_in(make_index("Flat"), RuntimeError("CUDA error 2 out of memory"))
    with pytest.raises(DeviceError, match=r"^the GPU failed in a search of 40 queries: .*out of memory$"):
        gpu.search(queries, 5)


def test_lists_take_their_file_and_room_to_work(make_index: Make) -> None:
    index = make_index("IVF64,SQfp16")
    rounded = index.index_bytes * (1 + 64 * 32 / index.count)
    assert index.index_bytes < gpu_bytes(index) - TEMP_MEMORY_BYTES <= round(rounded)


@pytest.mark.skipif(gpu_count() > 0, reason="there is a GPU")
def test_faiss_says_why_it_cannot_search_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = faiss_gpu_fault(0)
    assert fault is not None and fault.startswith(f"FAISS {faiss.__version__} ")
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(gpu, "gpu_count", lambda: 2)
    assert faiss_gpu_fault(2) == f"FAISS {faiss.__version__} sees 2 GPUs, numbered from 0"

    def fail(*_: object) -> None:
        raise RuntimeError("CUDA error 209 no kernel image is available for execution on the device")

    monkeypatch.setattr(gpu, "_clone", fail)
    fault = faiss_gpu_fault(1)
    assert fault is not None and fault.startswith("FAISS cannot search on GPU 1: CUDA error 209 no kernel image")
    monkeypatch.setattr(gpu, "_clone", lambda index, device, temp: index)
    assert faiss_gpu_fault(1) is None


def test_a_file_gets_the_cpu_copy(make_index: Make, queries: np.ndarray, tmp_path: Path) -> None:
    cpu = make_index("IVF64,SQfp16")
    gpu, _ = _on_stand_in(cpu)
    file = write_index(gpu, tmp_path / "index.faiss")
    back = read_index(tmp_path / "index.faiss", file.sha256, file.size_bytes)
    assert np.array_equal(back.search(queries, 20, _POINT).rows, cpu.search(queries, 20, _POINT).rows)


_in_faiss = pytest.mark.skipif(gpu_count() == 0, reason="no GPU for FAISS")


@pytest.mark.gpu
@_in_faiss
@pytest.mark.parametrize(
    ("factory", "point"),
    [
        ("Flat", OperatingPoint()),
        ("SQfp16", OperatingPoint()),
        ("IVF64,Flat", _POINT),
        ("IVF64,SQfp16", _POINT),
        ("IVF64,SQ8", _POINT),
        ("IVF64,PQ2x8", _POINT),
        ("PCA32,IVF64,SQfp16", _POINT),
    ],
)
def test_a_gpu_finds_what_the_cpu_finds(
    make_index: Make, queries: np.ndarray, factory: str, point: OperatingPoint
) -> None:
    cpu = make_index(factory)
    gpu = to_gpu(cpu, temp_memory_bytes=16 << 20)
    found, expected = gpu.search(queries, 50, point), cpu.search(queries, 50, point)
    assert np.mean([np.isin(*pair).mean() for pair in zip(found.rows, expected.rows, strict=True)]) >= 0.98
    assert np.allclose(found.scores, expected.scores, atol=1e-2)
    gpu.close()


@pytest.mark.gpu
@_in_faiss
def test_a_gpu_obeys_the_operating_point(make_index: Make, products: np.ndarray, queries: np.ndarray) -> None:
    gpu, ground_truth = to_gpu(make_index("IVF64,SQfp16")), make_ground_truth(products, queries, 50)
    shallow, deep = (
        ground_truth.measure(gpu.search(queries, 50, OperatingPoint(nprobe=nprobe))).strict for nprobe in (1, 64)
    )
    assert shallow < 0.9 < 0.99 < deep


@pytest.mark.gpu
@_in_faiss
def test_a_gpu_that_is_not_there(make_index: Make) -> None:
    with pytest.raises(DeviceError, match=f"got device {gpu_count()};"):
        to_gpu(make_index("IVF64,SQfp16"), device=gpu_count())
