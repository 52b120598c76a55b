"""From vectors to an index, a block at a time."""

from collections.abc import Iterable
from typing import Any

import faiss
import numpy as np

from .errors import IndexSpecError
from .index import VectorIndex
from .spec import IndexSpec
from .structure import inspect_structure, transforms_of, walk_index
from .vectors import check_vectors


def build_index(
    spec: IndexSpec,
    width: int,
    blocks: Iterable[np.ndarray],
    training_sample: np.ndarray | None = None,
    seed: int = 0,
    centres: np.ndarray | None = None,
) -> VectorIndex:
    """An index of all vectors of the blocks, in their order: the first vector of the first block is row 0.

    Only one block is held besides the index, and the result does not depend on how the vectors are cut into
    blocks.

    Args:
        spec: What to build.
        width: Numbers per vector.
        blocks: Arrays of shape (any, width), float32.
        training_sample: Shape (m, width), float32, drawn at random from the same vectors;
            `IndexSpec.training_rows` says how many. Not needed (None) for a type without training such as
            ``Flat``.
        seed: Of the clustering; the same seed, sample and blocks give the same index with one thread.
        centres: Of the inverted lists, as `cluster_lists` gives them, of the same vectors; most of the training is
            done then. None to find them here. A type without lists takes no notice.

    Returns:
        The index, ready to be searched.

    Raises:
        IndexSpecError: FAISS does not know the factory string, cannot build it at this width under inner
            product, or cannot train it on this sample.
        VectorError: A block or the sample is not finite float32 of this width.
    """
    index = _make_index(spec, width)
    _set_seed(index, seed)
    if not index.is_trained:
        _train(index, spec, width, training_sample, centres)
    for block in blocks:
        block = check_vectors(block, width, name="block")
        try:
            index.add(block)
        except (RuntimeError, AssertionError) as exc:
            raise IndexSpecError(f"factory {spec.factory!r}: FAISS cannot add vectors to it: {exc}") from exc
    return VectorIndex(index)


def cluster_lists(lists: int, sample: np.ndarray, seed: int = 0) -> np.ndarray:
    """The centres of inverted lists, which types of index that differ in their codes alone can share.

    Args:
        lists: How many.
        sample: Shape (m, width), float32, with a row for each list at least.
        seed: Of the clustering.

    Returns:
        Shape (lists, width), float32.

    Raises:
        IndexSpecError: The sample is too small.
        VectorError: The sample is not finite float32.
    """
    index = build_index(IndexSpec(f"IVF{lists},Flat", len(sample)), sample.shape[1], [], sample, seed)
    inverted_file: Any = index.faiss_index
    centres: np.ndarray = inverted_file.quantizer.reconstruct_n(0, lists)
    return centres


def _make_index(spec: IndexSpec, width: int) -> faiss.Index:
    try:
        index = faiss.index_factory(width, spec.factory, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as exc:
        raise IndexSpecError(
            f"factory {spec.factory!r}: FAISS cannot make it for width {width} under inner product; "
            f"use one such as 'Flat' or 'IVF1024,SQfp16'. FAISS says: {_last_words(exc)}"
        ) from exc
    if any(isinstance(part, faiss.IndexIDMap) for part in walk_index(index)):
        raise IndexSpecError(f"factory {spec.factory!r}: rows are numbered by order of adding; leave out the IDMap")
    return index


def _train(
    index: faiss.Index, spec: IndexSpec, width: int, sample: np.ndarray | None, centres: np.ndarray | None
) -> None:
    if sample is None:
        raise IndexSpecError(
            f"factory {spec.factory!r}: expected a training sample of {spec.training_rows} rows, got none"
        )
    sample = check_vectors(sample, width, name="training_sample")
    lists = inspect_structure(index).list_count or 1
    if len(sample) < lists:
        raise IndexSpecError(
            f"factory {spec.factory!r}: expected a training sample of at least {lists} rows, one per list, "
            f"got {len(sample)}; sample more or use fewer lists"
        )
    try:
        _train_transforms(index, sample)
        if centres is not None:
            _give_centres(index, spec, check_vectors(centres, width, name="centres"))
        index.train(sample)
    except (RuntimeError, AssertionError) as exc:
        raise IndexSpecError(
            f"factory {spec.factory!r}: FAISS cannot train it on {len(sample)} rows: {_last_words(exc)}"
        ) from exc


def _train_transforms(index: faiss.Index, sample: np.ndarray) -> None:
    """Train what comes before the codes; take the centring out of PCA, which would shift inner products."""
    for transform in _transforms(index):
        if not transform.is_trained:
            transform.train(sample)
        if isinstance(transform, faiss.PCAMatrix):
            transform.have_bias = False
        sample = transform.apply(sample)


def _give_centres(index: faiss.Index, spec: IndexSpec, centres: np.ndarray) -> None:
    """Where the transforms take the centres, there the lists have theirs."""
    innermost = list(walk_index(index))[-1]
    if not isinstance(innermost, faiss.IndexIVF):
        return
    if innermost.nlist != len(centres):
        raise IndexSpecError(f"factory {spec.factory!r}: expected {innermost.nlist} centres, got {len(centres)}")
    for transform in _transforms(index):
        centres = transform.apply(centres)
    innermost.quantizer.add(centres)


def _transforms(index: faiss.Index) -> list[Any]:
    """All that vectors pass before they are coded, in this order."""
    wraps = [part for part in walk_index(index) if isinstance(part, faiss.IndexPreTransform)]
    return [transform for part in wraps for transform in transforms_of(part)]


def _set_seed(index: faiss.Index, seed: int) -> None:
    """Seed every clustering inside; the random rotation of OPQ keeps FAISS's own fixed seed."""
    for part in walk_index(index):
        for clustering in (getattr(part, "cp", None), getattr(getattr(part, "pq", None), "cp", None)):
            if clustering is not None:
                clustering.seed = seed


def _last_words(exc: BaseException) -> str:
    """A FAISS message without the C++ signature and source line in front."""
    return str(exc).rsplit(".cpp:", maxsplit=1)[-1].split(": ", maxsplit=1)[-1]
