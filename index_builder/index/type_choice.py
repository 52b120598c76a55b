"""Chooses the type of an index by measurement.

All candidate types are built over a sample of the products, tuned to the target recall, and compared in time. Their
inverted lists are those of the final index: the centres are found once, for all types and for the final index. From the
sample the figures for the whole catalogue are estimated:

- Recall. A random sample of a share p of the products thins out the nearest neighbours of a query and their rivals
  alike. So the k best of all products, which are k * p of the sample, are at the same distance, in the same lists, with
  the same number of rivals for each, and coarse codes lose the same share of them. Recall on the sample is taken at
  that depth. At 100 it would flatter coarse codes.
- Time. Over all products the lists are longer. So a query is timed over an index of the sample with fewer lists, as
  long as those of the final index, and with the full k. The time of a search without lists grows with the count.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from index_builder.core.progress import ProgressReporter
from index_builder.index.indexing import IndexRequest, fill_index, sample_vectors
from knn import (
    Device,
    DeviceError,
    GpuVectorIndex,
    IndexSpec,
    Tuning,
    VectorIndex,
    cluster_lists,
    gpu_count,
    make_ground_truth,
    time_queries,
    to_gpu,
    torch_gpu_count,
    tune_operating_point,
)
from towers.query_encoder import Vectors

RECALL_DEPTH = 100  # number of products that a search returns
# Number of products that types are compared on. At a width of 256 and 8,192 lists a type takes about 20 s of two cores.
# With 100,000 products such a list holds a dozen, and the cost of visiting lists hides that of comparing codes.
SAMPLE_ROWS = 300_000
MOST_LISTS_TIMED = 2048  # what a GPU visits at most
# How much faster a type must be than an earlier, simpler one of the list: two measurements of the same type differ by
# some percent.
LEAST_ADVANTAGE = 0.1


@dataclass(frozen=True)
class Trial:
    """A type that was measured on a sample.

    Attributes:
        spec: the type as it would be built over all products.
        sample_rows: number of products of the sample.
        index_bytes: estimated size over all products.
        tuning: operating points measured on the sample; its k is the depth there.
        estimated_ms: estimated time of a query over all products, at the chosen operating point.
    """

    spec: IndexSpec
    sample_rows: int
    index_bytes: int
    tuning: Tuning
    estimated_ms: float


@dataclass(frozen=True, eq=False)
class Choice:
    """The chosen type.

    Attributes:
        spec: the type to build.
        trials: measurements of all candidates; empty where there was only one.
        centres: (lists, D) float32, centres of the inverted lists; None where they were not computed.
    """

    spec: IndexSpec
    trials: tuple[Trial, ...] = ()
    centres: Vectors | None = None

    @property
    def highest_recall(self) -> IndexSpec:
        """The type with the best recall on the sample, for when the chosen one misses the target over all products."""
        best = max(self.trials, key=lambda trial: trial.tuning.best_recall, default=None)
        return best.spec if best else self.spec


@dataclass(frozen=True, eq=False)
class TrialData:
    """The data that all types are measured on.

    Attributes:
        sample: (m, D) float32, vectors of the sampled products.
        queries: (n, D) float32, vectors of the queries.
        count: number of all products.
        index_request: which index to build.
        few_centres: (lists, D) float32, centres of so few lists that over the sample they are as long as those of the
            final index; None where no type has lists.
    """

    sample: Vectors
    queries: Vectors
    count: int
    index_request: IndexRequest
    few_centres: Vectors | None


def choose_index(
    specs: Sequence[IndexSpec],
    index_request: IndexRequest,
    vectors: Vectors,
    queries: Vectors,
    report: ProgressReporter = lambda line: None,
) -> Choice:
    """Choose the fastest type of those that reach the target recall; where none does, the one with the best recall.

    Where the index is for a GPU and there is none here, times say nothing: then the first candidate that reaches the
    target is chosen.

    Args:
        specs: candidate types, the preferred one first; those with inverted lists have equally many.
        index_request: target recall, device and seed.
        vectors: (count, D) float32, vectors to index; may be memory-mapped.
        queries: (n, D) float32, vectors of real queries.
        report: receives a line on each trial.
    """
    if len(specs) == 1:
        return Choice(specs[0])
    with_lists = next((spec for spec in specs if spec.list_count), None)
    sample = sample_vectors(vectors, SAMPLE_ROWS, index_request.seed)
    centres = few_centres = None
    if with_lists:
        report(f"finding the centres of {with_lists.list_count:,} lists")
        centres = _cluster(with_lists, vectors, index_request.seed)
        few = with_lists.with_lists(max(1, with_lists.list_count * len(sample) // len(vectors)), len(sample))
        few_centres = _cluster(few, sample, index_request.seed)
    data = TrialData(sample, queries, len(vectors), index_request, few_centres)
    ground_truth = make_ground_truth(sample, queries, _depth(len(sample), len(vectors)))
    trials = []
    for spec in specs:
        index = fill_index(spec, sample, index_request.seed, centres)
        with on_device(index, index_request) as served:
            tuning = tune_operating_point(served, ground_truth, index_request.target_recall, timed_k=RECALL_DEPTH)
        estimated_ms = _estimate_ms(index, spec, tuning, data)
        trials.append(Trial(spec, index.count, _estimate_bytes(index, len(vectors)), tuning, estimated_ms))
        report(describe_trial(trials[-1]))
    return Choice(_best(trials, timed=_can_time(index_request.device)).spec, tuple(trials), centres)


@contextmanager
def on_device(index: VectorIndex, index_request: IndexRequest) -> Iterator[VectorIndex]:
    """Yield the index on the device that will search it, or as it is where that is not possible on this machine."""
    on_gpu = index_request.device == "cuda" and _can_time(index_request.device)
    moved = _moved(index, index_request.gpu) if on_gpu else None
    try:
        yield moved or index
    finally:
        if moved:
            moved.close()


def describe_trial(trial: Trial) -> str:
    """Return one line on the results of a trial."""
    recall = trial.tuning.chosen.recall.tie_tolerant
    missed = "" if trial.tuning.reached_target else ", which misses the target"
    return (
        f"tried {trial.spec.factory} on {trial.sample_rows:,} products: recall {recall:.4f}{missed}, "
        f"about {trial.estimated_ms:.2f} ms a query and {trial.index_bytes / 1e9:.2f} GB over all"
    )


def _can_time(device: Device) -> bool:
    return device == "cpu" or max(gpu_count(), torch_gpu_count()) > 0


def _moved(index: VectorIndex, gpu: int) -> GpuVectorIndex | None:
    try:
        return to_gpu(index, gpu)
    except DeviceError:
        return None


def _depth(sample_rows: int, count: int) -> int:
    # At a depth of 1 there is no spread of scores by which ties are told (knn/recall.py).
    return max(min(2, sample_rows), round(min(RECALL_DEPTH, count) * sample_rows / count))


def _cluster(spec: IndexSpec, vectors: Vectors, seed: int) -> Vectors:
    return cluster_lists(spec.list_count, sample_vectors(vectors, spec.training_rows, seed), seed)


def _estimate_ms(trial: VectorIndex, spec: IndexSpec, tuning: Tuning, data: TrialData) -> float:
    """Estimate the time of a query over all products, at the operating point chosen on the sample."""
    growth, few_centres, point = data.count / trial.count, data.few_centres, tuning.operating_point
    if few_centres is None or point.nprobe is None:
        return tuning.chosen.latency_ms * growth
    if growth == 1:
        return tuning.chosen.latency_ms
    few = spec.with_lists(len(few_centres), trial.count)
    long_list_index = fill_index(few, data.sample, data.index_request.seed, few_centres)
    visited = min(point.nprobe, len(few_centres))

    def time_in(index: VectorIndex, k: int, nprobe: int) -> float:
        with on_device(index, data.index_request) as served:
            return time_queries(served, data.queries, k, replace(point, nprobe=nprobe))

    visit_ms = time_in(long_list_index, RECALL_DEPTH, visited) * point.nprobe / visited
    return visit_ms + max(0.0, time_in(trial, 1, 1) - time_in(long_list_index, 1, 1))


def _estimate_bytes(index: VectorIndex, count: int) -> int:
    centres = (index.structure.list_count or 0) * index.structure.coded_width * np.dtype(np.float32).itemsize
    return round(centres + (index.index_bytes - centres) * count / index.count)


def _best(trials: Sequence[Trial], timed: bool) -> Trial:
    reaching = [trial for trial in trials if trial.tuning.reached_target]
    if not reaching:
        return max(trials, key=lambda trial: trial.tuning.chosen.recall.tie_tolerant)
    best = reaching[0]
    for trial in reaching[1:] if timed else ():
        if trial.estimated_ms < (1 - LEAST_ADVANTAGE) * best.estimated_ms:
            best = trial
    return best
