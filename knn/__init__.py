"""Nearest neighbours over FAISS: exact and approximate, on a CPU or a GPU.

This package knows vectors (float32, unit length, so that the inner product is the cosine) and row numbers,
nothing else: what a row stands for is the caller's business. Typical use:

    spec = choose_index_type(count, width)
    index = build_index(spec, width, blocks, training_sample, seed=0)
    exact = exact_search(products, queries, k=150)
    tuning = tune_operating_point(index, queries, exact, target_recall=0.98, k=100)
    neighbours = index.search(queries, 100, tuning.operating_point)
    file = write_index(index, path)
    index = read_index(path, file.sha256, file.size_bytes)

Filters are boolean masks over the rows: ``index.search(queries, 100, point, rows=mask)`` returns matching
rows only, and never fewer than there are. Thread counts belong to the calling thread: see `set_threads`.
"""

from .build import build_index
from .errors import ArgumentError, DeviceError, IndexFileError, IndexSpecError, KnnError, VectorError
from .exact import exact_search, extend_exact_search
from .files import IndexFile, read_index, write_index
from .gpu import GpuVectorIndex, gpu_count, to_gpu
from .index import VectorIndex
from .neighbours import Neighbours, no_neighbours
from .operating_point import OperatingPoint
from .recall import Recall, measure_recall
from .relevant import recall_of_rows
from .spec import IndexSpec, choose_index_type
from .threads import set_threads
from .tuning import Tuning, TuningPoint, tune_operating_point
from .vectors import check_vectors

__all__ = [
    "ArgumentError",
    "DeviceError",
    "GpuVectorIndex",
    "IndexFile",
    "IndexFileError",
    "IndexSpec",
    "IndexSpecError",
    "KnnError",
    "Neighbours",
    "OperatingPoint",
    "Recall",
    "Tuning",
    "TuningPoint",
    "VectorError",
    "VectorIndex",
    "build_index",
    "check_vectors",
    "choose_index_type",
    "exact_search",
    "extend_exact_search",
    "gpu_count",
    "measure_recall",
    "no_neighbours",
    "read_index",
    "recall_of_rows",
    "set_threads",
    "to_gpu",
    "tune_operating_point",
    "write_index",
]
