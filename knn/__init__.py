"""Nearest neighbours over FAISS: exact and approximate, on a CPU or a GPU.

This package knows only vectors (float32, of unit length, so that the inner product is the cosine) and row numbers.
It does not know what a row stands for. Typical use:

    candidate = list_candidates(count, width)[0]
    index = build_index(candidate.spec, width, blocks, training_sample, seed=0)
    ground_truth = make_ground_truth(products, queries, k=100)
    tuning = tune_operating_point(index, ground_truth, target_recall=0.98)
    neighbours = index.search(queries, 100, tuning.operating_point)
    file = write_index(index, path)
    index = read_index(path, file.sha256, file.size_bytes)

A filter is a boolean mask over the rows: ``index.search(queries, 100, point, rows=mask)`` returns only matching
rows, and as many as there are up to 100. Thread counts are set per calling thread: see `set_threads`.
"""

from .build import build_index, cluster_lists, refill_index
from .candidates import Candidate, Device, list_candidates
from .errors import (
    ArgumentError,
    DeviceError,
    IndexFileError,
    IndexSpecError,
    KnnError,
    UnsupportedTypeError,
    VectorError,
)
from .exact import exact_search, extend_exact_search, score_rows
from .files import read_index, write_index
from .gpu import FaissGpuIndex, faiss_gpu_fault, gpu_bytes, gpu_count, to_gpu
from .gpu_index import GpuVectorIndex
from .ground_truth import GroundTruth, make_ground_truth
from .index import VectorIndex
from .neighbours import Neighbours, no_neighbours
from .operating_point import OperatingPoint
from .recall import Recall, measure_recall
from .relevant import recall_of_rows
from .spec import IndexSpec, spec_of_factory
from .threads import one_thread, set_threads
from .torch_exact import TorchExactIndex
from .torch_gpus import gpu_fault, gpu_free_bytes, torch_gpu_count
from .tuning import Tuning, TuningPoint, time_queries, tune_operating_point
from .vectors import check_vectors

__all__ = [
    "ArgumentError",
    "Candidate",
    "Device",
    "DeviceError",
    "FaissGpuIndex",
    "GpuVectorIndex",
    "GroundTruth",
    "IndexFileError",
    "IndexSpec",
    "IndexSpecError",
    "KnnError",
    "Neighbours",
    "OperatingPoint",
    "Recall",
    "TorchExactIndex",
    "Tuning",
    "TuningPoint",
    "UnsupportedTypeError",
    "VectorError",
    "VectorIndex",
    "build_index",
    "check_vectors",
    "cluster_lists",
    "exact_search",
    "extend_exact_search",
    "faiss_gpu_fault",
    "gpu_bytes",
    "gpu_count",
    "gpu_fault",
    "gpu_free_bytes",
    "list_candidates",
    "make_ground_truth",
    "measure_recall",
    "no_neighbours",
    "one_thread",
    "read_index",
    "recall_of_rows",
    "refill_index",
    "score_rows",
    "set_threads",
    "spec_of_factory",
    "time_queries",
    "to_gpu",
    "torch_gpu_count",
    "tune_operating_point",
    "write_index",
]
