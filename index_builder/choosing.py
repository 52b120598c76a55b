"""The type of index, chosen by measurement.

All types that come into question are built over a sample of the products, tuned to the target recall, and
compared in time. What a sample tells of the whole catalogue:

- Recall. A random sample of a share p of the products thins out the neighbours of a query as it thins out what
  they can be confused with. So the k best of all, k times p of the sample, stand at the same distance, with the
  same number of rivals for each, and coarse codes lose the same share of them. Recall on the sample is taken at
  that depth. At 100 it would be too kind to coarse codes.
- Time. Lists grow with the square root of the count, in number and in length, and with them all that a search
  through the same number of lists does; a search through all rows grows with the count. A query is timed with
  the full k.
- Lists. Over all products somewhat more of them must be visited than over the sample. That holds for all types
  alike; the operating point itself is tuned over all products.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from index_builder.indexing import IndexWish, fill_index, sample_vectors
from index_builder.progress import Tell
from knn import (
    Device,
    DeviceError,
    GpuVectorIndex,
    IndexSpec,
    Tuning,
    VectorIndex,
    gpu_count,
    make_yardstick,
    spec_of_factory,
    to_gpu,
    torch_gpu_count,
    tune_operating_point,
    with_lists_for,
)
from towers.query_encoder import Vectors

RECALL_DEPTH = 100  # as many products as a search returns
# Rows that types are compared on. At a width of 256 a type takes some ten seconds of one core: clustering (which grows
# faster than the sample), filling and tuning.
SAMPLE_ROWS = 100_000
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


@dataclass(frozen=True)
class Choice:
    """What to build.

    Attributes:
        spec: the type chosen.
        trials: what the choice rests on; empty where there was only one type.
    """

    spec: IndexSpec
    trials: tuple[Trial, ...] = ()

    @property
    def surest(self) -> IndexSpec:
        """The type with the best recall on the sample: where over all products the chosen one misses the target."""
        best = max(self.trials, key=lambda trial: trial.tuning.best_recall, default=None)
        return best.spec if best else self.spec


def choose_index(
    specs: Sequence[IndexSpec], wish: IndexWish, vectors: Vectors, queries: Vectors, tell: Tell = lambda line: None
) -> Choice:
    """The type that answers fastest among those that reach the target; where none does, the best recall.

    Where the index is for a GPU and there is none here, times say nothing: then the first in the list that
    reaches the target.

    Args:
        specs: what comes into question, the one to take in case of doubt first.
        wish: the target, and what it is for.
        vectors: (count, D) float32, those to be indexed; may be memory-mapped.
        queries: (n, D) float32, real ones.
        tell: told of each trial.
    """
    if len(specs) == 1:
        return Choice(specs[0])
    sample = sample_vectors(vectors, SAMPLE_ROWS, wish.seed)
    yardstick = make_yardstick(sample, queries, _depth(len(sample), len(vectors)))
    trials = []
    for spec in specs:
        sample_spec = spec_of_factory(with_lists_for(spec.factory, len(sample)), len(sample))
        index = fill_index(sample_spec, sample, wish.seed)
        with on_device(index, wish.device) as served:
            tuning = tune_operating_point(served, yardstick, wish.target_recall, timed_k=RECALL_DEPTH)
        trials.append(_trial(spec, index, tuning, len(vectors)))
        tell(describe_trial(trials[-1]))
    return Choice(_best(trials, timed=_can_time(wish.device)).spec, tuple(trials))


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


def _trial(spec: IndexSpec, index: VectorIndex, tuning: Tuning, count: int) -> Trial:
    growth = count / index.count
    grown_ms = tuning.chosen.latency_ms * (growth if index.structure.list_count is None else growth**0.5)
    return Trial(spec, index.count, round(index.index_bytes * growth), tuning, grown_ms)


def _best(trials: Sequence[Trial], timed: bool) -> Trial:
    good = [trial for trial in trials if trial.tuning.reached_target]
    if not good:
        return max(trials, key=lambda trial: trial.tuning.chosen.recall.tie_tolerant)
    best = good[0]
    for trial in good[1:] if timed else ():
        if trial.estimated_ms < (1 - LEAST_ADVANTAGE) * best.estimated_ms:
            best = trial
    return best
