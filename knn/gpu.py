"""Search on a GPU.

Index types that score every row (`Flat`, `SQfp16`) are searched by PyTorch if it sees a GPU: exactly, and with filters
on the GPU (see `torch_exact`). All other types are searched by FAISS, which supports few types on a GPU, ignores
filters there, and does not allow two searches at a time. Therefore types are checked before an index is moved,
filtered searches run on the CPU copy, and searches of one index wait for each other.
"""

import threading

import faiss
import numpy as np

from .errors import ArgumentError, DeviceError, KnnError, UnsupportedTypeError
from .gpu_index import GpuVectorIndex
from .index import VectorIndex
from .neighbours import Neighbours
from .operating_point import OperatingPoint
from .parameters import search_parameters
from .raw import raw_search
from .structure import walk_index
from .torch_exact import TorchExactIndex, scores_every_row, torch_index_bytes
from .torch_gpus import torch_gpu_count

# The highest k and nprobe that the GPU kernels of FAISS support.
GPU_MAX_K = 2048
GPU_MAX_NPROBE = 2048
# Scratch memory for one stream of searches. By default FAISS would take up to 1.5 GiB.
TEMP_MEMORY_BYTES = 256 << 20

_LIST_ROUNDING = 32  # vectors; a list on a GPU takes a multiple of them

# Creating an index while another one is destroyed has crashed FAISS (issue 4718), so this lock is held for both.
_device_lock = threading.Lock()


class FaissGpuIndex(GpuVectorIndex):
    """An index whose unfiltered searches run on a GPU in FAISS; the CPU index answers filtered ones.

    Args:
        cpu_index: The index that was copied.
        gpu_index: Its copy on the GPU.
        resources: The scratch memory and streams that only this copy uses.
    """

    def __init__(self, cpu_index: VectorIndex, gpu_index: faiss.Index, resources: object) -> None:
        super().__init__(cpu_index)
        self._gpu_index: faiss.Index | None = gpu_index
        self._resources: object | None = resources

    def close(self) -> None:
        """Free the memory on the GPU. Closing twice is allowed; searching a closed index is an error."""
        with self._search_lock, _device_lock:
            self._gpu_index = None  # before the resources it uses
            self._resources = None

    def _search_all(self, queries: np.ndarray, k: int, point: OperatingPoint) -> Neighbours:
        _check_limits(k, point)
        parameters = search_parameters(self.faiss_index, point)
        with self._search_lock:
            if self._gpu_index is None:
                raise DeviceError("this GPU index is closed; move the CPU index to the GPU again with to_gpu")
            try:
                return raw_search(self._gpu_index, queries, k, parameters)
            except KnnError as exc:
                raise DeviceError(f"the GPU failed in a search of {len(queries)} queries: {exc}") from exc


def gpu_count() -> int:
    """Return how many GPUs FAISS sees; 0 with its CPU-only wheel."""
    return int(faiss.get_num_gpus()) if hasattr(faiss, "StandardGpuResources") else 0


def to_gpu(index: VectorIndex, device: int = 0, temp_memory_bytes: int = TEMP_MEMORY_BYTES) -> GpuVectorIndex:
    """Copy an index to a GPU and return the copy.

    Args:
        index: An index of type Flat or SQfp16, or with inverted lists of Flat, SQfp16, SQ8, SQ4 or PQ codes and a
            flat coarse quantizer, also behind a linear transform such as PCA.
        device: Number of the GPU, from 0.
        temp_memory_bytes: Scratch memory of FAISS on the GPU, in addition to the index.

    Raises:
        UnsupportedTypeError: The index type does not run on a GPU.
        DeviceError: There is no such GPU, or its memory is too small.
    """
    if _runs_in_torch(index, device):
        return TorchExactIndex(index, f"cuda:{device}")
    refusal = _find_refusal(index)
    if refusal is not None:
        raise UnsupportedTypeError(
            f"an index of type {index.index_type} cannot be searched on a GPU: {refusal}; "
            "search it on the CPU or build one such as 'Flat' or 'IVF1024,SQfp16'"
        )
    if not 0 <= device < gpu_count():
        raise DeviceError(
            f"expected one of the {gpu_count()} GPUs that FAISS sees, got device {device}; check the driver "
            "and install a GPU wheel of FAISS (one of the extras gpu and gpu-cuvs, in place of cpu)"
        )
    try:
        with _device_lock:
            return _clone(index, device, temp_memory_bytes)
    except RuntimeError as exc:
        raise DeviceError(
            f"GPU {device} could not take an index of type {index.index_type} and {index.index_bytes} bytes: {exc}"
        ) from exc


def gpu_bytes(index: VectorIndex, device: int = 0) -> int:
    """Estimate the memory that an index takes on a GPU while it is searched there; for indexes that `to_gpu` takes.

    Args:
        index: The index on the CPU.
        device: Number of the GPU, from 0.
    """
    if _runs_in_torch(index, device):
        return torch_index_bytes(index)
    row_bytes = index.index_bytes / max(1, index.count)
    rounding = (index.structure.list_count or 0) * _LIST_ROUNDING * row_bytes
    return round(index.index_bytes + rounding) + TEMP_MEMORY_BYTES


def faiss_gpu_fault(device: int) -> str | None:
    """Let FAISS search on a GPU; return why it cannot, or None if it can. An old driver ends the process instead.

    Args:
        device: Number of the GPU, from 0.
    """
    if not hasattr(faiss, "StandardGpuResources"):
        return f"FAISS {faiss.__version__} is built without GPUs"
    if not 0 <= device < gpu_count():
        return f"FAISS {faiss.__version__} sees {gpu_count()} GPUs, numbered from 0"
    vectors = np.eye(8, dtype=np.float32)
    table = faiss.IndexFlatIP(8)
    table.add(vectors)
    try:
        _clone(VectorIndex(table, vectors.nbytes), device, 1 << 20).search(vectors, 1)
    except (RuntimeError, KnnError) as exc:
        return f"FAISS cannot search on GPU {device}: {exc}"
    return None


def _runs_in_torch(index: VectorIndex, device: int) -> bool:
    return scores_every_row(index) and 0 <= device < torch_gpu_count()


def _clone(index: VectorIndex, device: int, temp_memory_bytes: int) -> FaissGpuIndex:
    resources = faiss.StandardGpuResources()
    resources.setTempMemory(temp_memory_bytes)
    options = faiss.GpuClonerOptions()
    options.use_cuvs = False  # cuVS supports neither scalar quantizers nor these limits
    gpu_index = faiss.index_cpu_to_gpu(resources, device, index.faiss_index, options)
    return FaissGpuIndex(index, gpu_index, resources)


def _find_refusal(index: VectorIndex) -> str | None:
    """Return why the index cannot be moved, or None. Exact types count: FAISS would move a subclass as its parent."""
    if isinstance(index, GpuVectorIndex):
        return "it is on a GPU already"
    *wrappers, core = walk_index(index.faiss_index)
    if any(isinstance(wrapper, faiss.IndexRefine) for wrapper in wrappers):
        return "refinement runs on the CPU only"
    scalar_types = (faiss.IndexScalarQuantizer, faiss.IndexIVFScalarQuantizer)
    if type(core) not in (*_FLAT_TYPES, *scalar_types, faiss.IndexIVFFlat, faiss.IndexIVFPQ):
        return f"FAISS has no {type(core).__name__} for a GPU"
    if isinstance(core, scalar_types) and core.sq.qtype not in _SCALAR_TYPES[type(core)]:
        return "FAISS has no such scalar codes for a GPU"
    if isinstance(core, faiss.IndexIVF) and type(faiss.downcast_index(core.quantizer)) not in _FLAT_TYPES:
        return "its coarse quantizer is not flat"
    return None


def _check_limits(k: int, point: OperatingPoint) -> None:
    if k > GPU_MAX_K:
        raise ArgumentError(f"k: expected at most {GPU_MAX_K} on a GPU, got {k}; search this one on the CPU")
    if point.nprobe is not None and point.nprobe > GPU_MAX_NPROBE:
        raise ArgumentError(f"nprobe: expected at most {GPU_MAX_NPROBE} on a GPU, got {point.nprobe}; probe less")


_FLAT_TYPES = (faiss.IndexFlat, faiss.IndexFlatIP)
_SCALAR_TYPES = {
    faiss.IndexScalarQuantizer: {faiss.ScalarQuantizer.QT_fp16},
    faiss.IndexIVFScalarQuantizer: {
        faiss.ScalarQuantizer.QT_fp16,
        faiss.ScalarQuantizer.QT_8bit,
        faiss.ScalarQuantizer.QT_4bit,
    },
}
