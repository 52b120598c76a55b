"""Build an index from vectors, one block at a time."""

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
    """Build an index of all vectors of the blocks, in order: the first vector of the first block is row 0.

    Only one block is in memory besides the index. The result does not depend on how the vectors are divided into
    blocks.

    Args:
        spec: The type of index.
        width: Numbers per vector.
        blocks: Arrays of shape (any, width), float32.
        training_sample: Shape (m, width), float32, drawn at random from the same vectors;
            `IndexSpec.training_rows` says how many. None for a type that needs no training, such as ``Flat``.
        seed: Seed of the clustering; with one thread, the same seed, sample and blocks give the same index.
        centres: Centres of the inverted lists, as `cluster_lists` returns them for the same vectors; they save most
            of the training. With None they are computed here. A type without lists ignores them.

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
    return _filled(index, blocks, spec.factory)


def refill_index(index: VectorIndex, blocks: Iterable[np.ndarray]) -> VectorIndex:
    """Build an index of other vectors with the type, the centres and the codebooks of an index, without training.

    Args:
        index: The index, which is emptied and must not be used any more.
        blocks: Arrays of shape (any, width), float32; the first vector of the first block is row 0.

    Raises:
        IndexSpecError: FAISS cannot add vectors to an index of this type.
        VectorError: A block is not finite float32 of this width.
    """
    index.owner.reset()
    return _filled(index.owner, blocks, index.index_type)


def cluster_lists(lists: int, sample: np.ndarray, seed: int = 0) -> np.ndarray:
    """Compute the centres of inverted lists. Index types that differ only in their codes can share them.

    Args:
        lists: Number of lists.
        sample: Shape (m, width), float32, with at least one row per list.
        seed: Seed of the clustering.

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


def _filled(index: faiss.Index, blocks: Iterable[np.ndarray], index_type: str) -> VectorIndex:
    for block in blocks:
        block = check_vectors(block, index.d, name="block")
        try:
            index.add(block)
        except (RuntimeError, AssertionError) as exc:
            raise IndexSpecError(f"factory {index_type!r}: FAISS cannot add vectors to it: {exc}") from exc
    return VectorIndex(index)


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
    """Train the transforms before the codes, and remove the centring of PCA, which would shift inner products."""
    for transform in _transforms(index):
        if not transform.is_trained:
            transform.train(sample)
        if isinstance(transform, faiss.PCAMatrix):
            transform.have_bias = False
        sample = transform.apply(sample)


def _give_centres(index: faiss.Index, spec: IndexSpec, centres: np.ndarray) -> None:
    """Use the given centres, passed through the index's transforms, as the centres of its lists."""
    innermost = list(walk_index(index))[-1]
    if not isinstance(innermost, faiss.IndexIVF):
        return
    if innermost.nlist != len(centres):
        raise IndexSpecError(f"factory {spec.factory!r}: expected {innermost.nlist} centres, got {len(centres)}")
    for transform in _transforms(index):
        centres = transform.apply(centres)
    innermost.quantizer.add(centres)


def _transforms(index: faiss.Index) -> list[Any]:
    """Return the transforms that vectors pass before they are encoded, in order."""
    wraps = [part for part in walk_index(index) if isinstance(part, faiss.IndexPreTransform)]
    return [transform for part in wraps for transform in transforms_of(part)]


def _set_seed(index: faiss.Index, seed: int) -> None:
    """Set the seed of every clustering inside the index; the random rotation of OPQ keeps FAISS's fixed seed."""
    for part in walk_index(index):
        for clustering in (getattr(part, "cp", None), getattr(getattr(part, "pq", None), "cp", None)):
            if clustering is not None:
                clustering.seed = seed


def _last_words(exc: BaseException) -> str:
    """Return a FAISS message without the C++ signature and source line in front."""
    return str(exc).rsplit(".cpp:", maxsplit=1)[-1].split(": ", maxsplit=1)[-1]
