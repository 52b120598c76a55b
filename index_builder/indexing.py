"""Which type of index, and the vectors on disk into it."""

import re
from collections.abc import Iterator

import numpy as np
from tqdm import tqdm

from index_builder.embed import BLOCK_ROWS
from knn import IndexSpec, IndexSpecError, VectorIndex, build_index, choose_index_type
from knn.spec import TRAINING_ROWS_PER_LIST
from towers.query_encoder import Vectors

AUTO = "auto"
# Vectors that an index type of the user's own choice is trained on, at least: plenty for product
# quantisers, whose codebooks have 256 entries. Inverted lists ask for more, see TRAINING_ROWS_PER_LIST.
LEAST_TRAINING_ROWS = 65_536


def index_spec(index: str, count: int, width: int) -> IndexSpec:
    """What to build: the type that suits the count for AUTO, otherwise the given FAISS factory string.

    Raises:
        IndexSpecError: FAISS does not know the factory string or cannot make it at this width. Faults that
            only show on vectors, such as more lists than products, come later.
    """
    if index == AUTO:
        return choose_index_type(count, width)
    lists = max((int(number) for number in re.findall(r"IVF(\d+)", index)), default=0)
    spec = IndexSpec(index, min(count, max(LEAST_TRAINING_ROWS, TRAINING_ROWS_PER_LIST * lists)))
    try:
        build_index(spec, width, blocks=())
    except IndexSpecError as error:
        if error.__cause__ is not None:  # FAISS's own refusal; otherwise only the training sample is missing
            raise
    return spec


def fill_index(spec: IndexSpec, vectors: Vectors, seed: int) -> VectorIndex:
    """An index of all vectors, row by row; besides the index, one block and the training sample are held.

    Args:
        spec: what to build.
        vectors: (count, D) float32; may be memory-mapped.
        seed: of the training sample and the clustering.

    Raises:
        IndexSpecError: the index cannot be trained on these vectors, or takes none.
    """
    sample = _training_sample(vectors, spec.training_rows, seed) if spec.training_rows else None
    return build_index(spec, vectors.shape[1], _blocks(vectors), sample, seed)


def _training_sample(vectors: Vectors, rows: int, seed: int) -> Vectors:
    """Vectors drawn at random, in the order of their rows, which reads a disk from front to back."""
    drawn = np.random.default_rng(seed).choice(len(vectors), min(rows, len(vectors)), replace=False)
    return np.array(vectors[np.sort(drawn)])


def _blocks(vectors: Vectors) -> Iterator[Vectors]:
    with tqdm(total=len(vectors), desc="index", unit="product", disable=None) as bar:
        for start in range(0, len(vectors), BLOCK_ROWS):
            block = vectors[start : start + BLOCK_ROWS]
            yield block
            bar.update(len(block))
