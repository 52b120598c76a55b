"""Finds the candidate types of an index, and builds an index from vectors on disk."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

import knn
from index_builder.core.errors import BuildError
from index_builder.index.memory_budget import memory_budget
from knn import (
    Device,
    IndexSpec,
    IndexSpecError,
    VectorIndex,
    build_index,
    list_candidates,
    spec_of_factory,
)
from towers.query_encoder import Vectors

AUTO = "auto"
TARGET_RECALL = 0.99
BLOCK_ROWS = 65_536  # vectors added at once: 64 MiB at a width of 256


@dataclass(frozen=True)
class IndexRequest:
    """Which index to build.

    Attributes:
        index: FAISS factory string, or AUTO for the best of several types by measurement.
        target_recall: tie-tolerant recall@100 against exact search that the operating point should reach.
        device: device that will search it; the machine that builds it need not have one.
        gpu: number of the GPU here on which an index for a GPU is timed, and whose memory counts.
        memory_budget_bytes: memory that an AUTO index may take where it is served; None for half the memory of this
            machine, or of its GPU.
        seed: seed of the training sample, the clustering and the measured queries.

    Raises:
        BuildError: the target is out of range.
    """

    index: str = AUTO
    target_recall: float = TARGET_RECALL
    device: Device = "cpu"
    memory_budget_bytes: int | None = None
    seed: int = 0
    gpu: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.target_recall <= 1:
            raise BuildError(f"target recall: expected a number above 0 and at most 1, got {self.target_recall:g}")


def plan_index(index_request: IndexRequest, count: int, width: int) -> tuple[IndexSpec, ...]:
    """Return the candidate types, the preferred one first; a single one where the request names a factory string.

    Raises:
        BuildError: no type fits into the memory budget.
        OptionError: the memory budget is not above 0, or cannot be found out.
        IndexSpecError: FAISS does not know the factory string or cannot make it at this width. Faults that only show
            with vectors, such as more lists than products, are raised by `fill_index`.
    """
    if index_request.index != AUTO:
        return (_given_spec(index_request.index, count, width),)
    budget = memory_budget(index_request.device, index_request.memory_budget_bytes, index_request.gpu)
    candidates = list_candidates(count, width, index_request.device)
    fitting = tuple(candidate.spec for candidate in candidates if candidate.index_bytes <= budget)
    if not fitting:
        least = min(candidates, key=lambda candidate: candidate.index_bytes)
        raise BuildError(
            f"no index of {count:,} vectors of width {width} fits into {budget / 1e9:.3g} GB; the smallest, "
            f"{least.spec.factory}, takes {least.index_bytes / 1e9:.3g} GB: raise --memory-budget, or name a type "
            "with --index"
        )
    return fitting


def fill_index(spec: IndexSpec, vectors: Vectors, seed: int, centres: Vectors | None = None) -> VectorIndex:
    """Build an index of all vectors; besides the index, one block and the training sample are in memory.

    Args:
        spec: type to build.
        vectors: (count, D) float32; may be memory-mapped.
        seed: seed of the training sample and the clustering.
        centres: centres of its lists, (lists, D), where they are known already.

    Raises:
        IndexSpecError: the index cannot be trained on these vectors, or takes none.
    """
    sample = sample_vectors(vectors, spec.training_rows, seed) if spec.training_rows else None
    return build_index(spec, vectors.shape[1], _blocks(vectors), sample, seed, centres)


def refill_index(index: VectorIndex, vectors: Vectors) -> VectorIndex:
    """Return an index of other vectors with the training of this one, which must not be used any more.

    Args:
        index: index whose type, centres and codes are kept.
        vectors: (count, D) float32; may be memory-mapped.
    """
    return knn.refill_index(index, _blocks(vectors))


def sample_vectors(vectors: Vectors, rows: int, seed: int) -> Vectors:
    """Draw vectors at random; they come in the order of their rows, so that a disk is read from front to back."""
    drawn = np.random.default_rng(seed).choice(len(vectors), min(rows, len(vectors)), replace=False)
    return np.asarray(vectors[np.sort(drawn)])


def _given_spec(factory: str, count: int, width: int) -> IndexSpec:
    spec = spec_of_factory(factory, count)
    try:
        build_index(spec, width, blocks=())
    except IndexSpecError as error:
        if error.__cause__ is not None:  # FAISS's own refusal; otherwise only the training sample is missing
            raise
    return spec


def _blocks(vectors: Vectors) -> Iterator[Vectors]:
    with tqdm(total=len(vectors), desc="index", unit="product", disable=None) as bar:
        for start in range(0, len(vectors), BLOCK_ROWS):
            block = vectors[start : start + BLOCK_ROWS]
            yield block
            bar.update(len(block))
