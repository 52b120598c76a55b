"""The type of index, chosen by measurement.

All types that come into question are built over a sample of the products, tuned to the target recall, and
compared in time. The inverted lists are those of the final index: their centres are found once, for all types and for
what is built in the end. What a sample then tells of the whole catalogue:

- Recall. A random sample of a share p of the products thins out the neighbours of a query as it thins out what
  they can be confused with. So the k best of all, k times p of the sample, stand at the same distance, in the same
  lists, with the same number of rivals for each, and coarse codes lose the same share of them. Recall on the sample is
  taken at that depth. At 100 it would be too kind to coarse codes.
- Time. Over all products the lists are longer, so a query is timed with the full k and with as many more lists as holds
  the rows that it would score. That is somewhat more than it will take, since lists have a price of their own. A search
  through all rows grows with the count.
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

RECALL_DEPTH = 100  # as many products as a search returns
# Rows that types are compared on. At a width of 256 and 8,192 lists a type takes some 20 s of two cores. Of 100,000
# rows such a list holds a dozen, and then the price of the lists hides that of the codes.
SAMPLE_ROWS = 300_000
MOST_LISTS_TIMED = 2048  # what a GPU visits at most
# How much faster a type must be than one that stands before it in the list, which is the simpler one: two
# measurements of the same thing differ by some percent.
LEAST_ADVANTAGE = 0.1


@dataclass(frozen=True)
class Trial:
    """A type that was tried on a sample.

    Attributes:
        spec: as it would be built over all products.
        sample_rows: size of the sample.
        index_bytes: over all products, estimated.
        tuning: on the sample; its k is the depth there.
        estimated_ms: of a query over all products, at the point that tuning chose.
    """

    spec: IndexSpec
    sample_rows: int
    index_bytes: int
    tuning: Tuning
    estimated_ms: float


@dataclass(frozen=True, eq=False)
class Choice:
    """What to build.

    Attributes:
        spec: the type chosen.
        trials: what the choice rests on; empty where there was only one type.
        centres: of the lists of every type that has them, (lists, D) float32; None where they are still to be found.
    """

    spec: IndexSpec
    trials: tuple[Trial, ...] = ()
    centres: Vectors | None = None

    @property
    def highest_recall(self) -> IndexSpec:
        """The type with the best recall on the sample: where over all products the chosen one misses the target."""
        best = max(self.trials, key=lambda trial: trial.tuning.best_recall, default=None)
        return best.spec if best else self.spec


@dataclass(frozen=True, eq=False)
class TrialData:
    """What all types are tried on.

    Attributes:
        sample: (m, D) float32, of the products.
        queries: (n, D) float32.
        count: of all products.
        index_request: what the index is for.
        few_centres: (lists, D) float32, of so few lists that they are as long over the sample as those of the final
            index over all; None where no type has lists.
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
    """The type that answers fastest among those that reach the target; where none does, the best recall.

    Where the index is for a GPU and there is none here, times say nothing: then the first in the list that
    reaches the target.

    Args:
        specs: what comes into question, the one to take in case of doubt first; those with lists have equally many.
        index_request: the target, and what it is for.
        vectors: (count, D) float32, those to be indexed; may be memory-mapped.
        queries: (n, D) float32, real ones.
        report: told of each trial.
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
    tried = TrialData(sample, queries, len(vectors), index_request, few_centres)
    ground_truth = make_ground_truth(sample, queries, _depth(len(sample), len(vectors)))
    trials = []
    for spec in specs:
        index = fill_index(spec, sample, index_request.seed, centres)
        with on_device(index, index_request.device) as served:
            tuning = tune_operating_point(served, ground_truth, index_request.target_recall, timed_k=RECALL_DEPTH)
        estimated_ms = _estimate_ms(index, spec, tuning, tried)
        trials.append(Trial(spec, index.count, _estimate_bytes(index, len(vectors)), tuning, estimated_ms))
        report(describe_trial(trials[-1]))
    return Choice(_best(trials, timed=_can_time(index_request.device)).spec, tuple(trials), centres)


@contextmanager
def on_device(index: VectorIndex, device: Device) -> Iterator[VectorIndex]:
    """The index as it will be searched, if this machine has such a device and it takes the type; else the same."""
    moved = _moved(index) if device == "cuda" and _can_time(device) else None
    try:
        yield moved or index
    finally:
        if moved:
            moved.close()


def describe_trial(trial: Trial) -> str:
    """One line on what came out."""
    recall = trial.tuning.chosen.recall.tie_tolerant
    missed = "" if trial.tuning.reached_target else ", which misses the target"
    return (
        f"tried {trial.spec.factory} on {trial.sample_rows:,} products: recall {recall:.4f}{missed}, "
        f"about {trial.estimated_ms:.2f} ms a query and {trial.index_bytes / 1e9:.2f} GB over all"
    )


def _can_time(device: Device) -> bool:
    return device == "cpu" or max(gpu_count(), torch_gpu_count()) > 0


def _moved(index: VectorIndex) -> GpuVectorIndex | None:
    try:
        return to_gpu(index)
    except DeviceError:
        return None


def _depth(sample_rows: int, count: int) -> int:
    return max(1, round(min(RECALL_DEPTH, count) * sample_rows / count))


def _cluster(spec: IndexSpec, vectors: Vectors, seed: int) -> Vectors:
    return cluster_lists(spec.list_count, sample_vectors(vectors, spec.training_rows, seed), seed)


def _estimate_ms(trial: VectorIndex, spec: IndexSpec, tuning: Tuning, tried: TrialData) -> float:
    """What a query takes over all products, at the point that tuning chose over the sample."""
    growth, few_centres, point = tried.count / trial.count, tried.few_centres, tuning.operating_point
    if few_centres is None or point.nprobe is None:
        return tuning.chosen.latency_ms * growth
    if growth == 1:
        return tuning.chosen.latency_ms
    few = spec.with_lists(len(few_centres), trial.count)
    long = fill_index(few, tried.sample, tried.index_request.seed, few_centres)
    visited = min(point.nprobe, len(few_centres))

    def time_in(index: VectorIndex, k: int, nprobe: int) -> float:
        with on_device(index, tried.index_request.device) as served:
            return time_queries(served, tried.queries, k, replace(point, nprobe=nprobe))

    visit_ms = time_in(long, RECALL_DEPTH, visited) * point.nprobe / visited
    return visit_ms + max(0.0, time_in(trial, 1, 1) - time_in(long, 1, 1))


def _estimate_bytes(index: VectorIndex, count: int) -> int:
    centres = (index.structure.list_count or 0) * index.structure.coded_width * np.dtype(np.float32).itemsize
    return round(centres + (index.index_bytes - centres) * count / index.count)


def _best(trials: Sequence[Trial], timed: bool) -> Trial:
    good = [trial for trial in trials if trial.tuning.reached_target]
    if not good:
        return max(trials, key=lambda trial: trial.tuning.chosen.recall.tie_tolerant)
    best = good[0]
    for trial in good[1:] if timed else ():
        if trial.estimated_ms < (1 - LEAST_ADVANTAGE) * best.estimated_ms:
            best = trial
    return best
