"""Exact search over a catalogue in blocks of products, with bounded memory, resumable after a kill.

The running best of all queries is kept in the work folder after each block, so that a kill costs one
block. The result equals `knn.exact_search` over all products at once: every score is correctly rounded,
and equal scores stand in the order of the catalogue. Products with exactly equal vectors are therefore
ordered by their position in the catalogue alone, so that it is arbitrary which of them are among the first hundred.

Memory, in bytes, for n queries of width D searched to depth k over towers of widths d_t:

    n (4 D + 36 k)            query vectors; running best, 12 a place, and twice as much while it is written
    + 512 MiB                 one chunk of queries with its candidates, weights, libraries
    + b (16 sum_t d_t + 4 D)  b products: tower vectors, up to four times while they are put in the cache,
                              and fused ones

b is chosen so that the sum is the bound. The catalogue's texts come on top.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Never

import numpy as np
from tqdm import tqdm

from evaluation.core.array_cache import read_arrays, write_arrays
from evaluation.core.errors import EvaluationError
from evaluation.systems.degenerate import check_answers_differ, check_finite, check_vectors_differ
from knn import Neighbours, extend_exact_search, no_neighbours
from towers.query_encoder import Vectors

QUERIES_PER_CHUNK = 4096
LEAST_BLOCK = 1024  # products; below that the search would be all overhead
_FIXED_BYTES = 512 << 20
_BYTES_PER_PLACE = 36
_BYTES_PER_NUMBER = 4


@dataclass(frozen=True)
class Encoder:
    """What gives the vectors of a model, a block of products at a time.

    Attributes:
        width: D.
        tower_widths: sum of d_t over the product side's towers.
        queries: gives (n, D) of all queries.
        products: gives (stop - start, D) of the catalogue's rows from start to stop.
    """

    width: int
    tower_widths: int
    queries: Callable[[], Vectors]
    products: Callable[[int, int], Vectors]


def rows_per_block(encoder: Encoder, queries: int, depth: int, memory_gb: float) -> int:
    """How many products may be held at once; formula above.

    Raises:
        EvaluationError: the bound leaves no room for LEAST_BLOCK products.
    """
    fixed = queries * (_BYTES_PER_NUMBER * encoder.width + _BYTES_PER_PLACE * depth) + _FIXED_BYTES
    each = _BYTES_PER_NUMBER * (4 * encoder.tower_widths + encoder.width)
    least_gb = (fixed + LEAST_BLOCK * each) / 1e9
    if memory_gb < least_gb:
        raise EvaluationError(f"--memory-gb is {memory_gb:g}, but this evaluation needs at least {least_gb:.1f}")
    return int((memory_gb * 1e9 - fixed) / each)


def search(
    encoder: Encoder, queries: int, products: int, depth: int, *, block_rows: int, kept: Path, name: str
) -> Neighbours:
    """The `depth` nearest products of every query, shape (n, depth).

    Args:
        encoder: of the model.
        queries: n.
        products: catalogue size.
        depth: at most the catalogue's size.
        block_rows: products held at once.
        kept: where the running best is kept; the name must stand for model, data set and depth. Removed by
            the caller when the result is written.
        name: for the progress bar.

    Raises:
        DegenerateError: vectors, or answers, are all alike.
    """
    best, done = _resume(kept, queries, products, depth)
    vectors = encoder.queries()
    check_finite(vectors, "query")
    check_vectors_differ(vectors, "query")
    bar = tqdm(
        total=queries * products,
        initial=queries * done,
        desc=f"search {name}",
        unit="pair",
        unit_scale=True,
        disable=None,
    )
    with bar:
        while done < products:
            stop = min(done + block_rows, products)
            block = encoder.products(done, stop)
            check_finite(block, "product", first=done)
            if done == 0:  # a later block may well hold copies of one product
                check_vectors_differ(block, "product")
            _extend(best, block, vectors, done, bar)
            done = stop
            write_arrays(kept, {"scores": best.scores, "rows": best.rows, "done": np.array(done)})
    check_answers_differ(best.rows, products)
    return best


def _resume(kept: Path, queries: int, products: int, depth: int) -> tuple[Neighbours, int]:
    """The running best and how many products it is over."""
    arrays = read_arrays(kept)
    if arrays is None or arrays["rows"].shape != (queries, depth) or not 0 < int(arrays["done"]) <= products:
        return no_neighbours(queries, depth), 0
    return Neighbours(arrays["scores"], arrays["rows"]), int(arrays["done"])


def _extend(best: Neighbours, block: Vectors, vectors: Vectors, first_row: int, bar: "tqdm[Never]") -> None:
    """Put a block's products into the running best, in place."""
    depth = best.rows.shape[1]
    for start in range(0, len(vectors), QUERIES_PER_CHUNK):
        chunk = slice(start, start + QUERIES_PER_CHUNK)
        so_far = Neighbours(best.scores[chunk], best.rows[chunk])
        found = extend_exact_search(so_far, block, vectors[chunk], first_row, depth)
        best.scores[chunk], best.rows[chunk] = found.scores, found.rows
        bar.update(len(found.rows) * len(block))
