"""Exact search over a catalogue in blocks of products, with bounded memory, resumable after an interruption.

The best products so far of all queries are saved in the work folder after each block, so that an interruption loses
at most one block. The result equals `knn.exact_search` over all products at once: every score is correctly rounded,
and equal scores are ordered by the position in the catalogue. Among products with exactly equal vectors it is
therefore arbitrary which ones are in the first hundred.

Memory in bytes for n queries, vectors of width D, depth k and towers of widths d_t:

    n (4 D + 36 k)            query vectors; best products so far, 12 per entry, and 24 more while they are saved
    + 512 MiB                 one chunk of queries with its candidates, weights, libraries
    + b (16 sum_t d_t + 4 D)  block of b products: tower vectors, held up to four times while they are cached,
                              and fused vectors

b is chosen so that the sum equals the bound. The texts of the catalogue need memory in addition.
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
LEAST_BLOCK = 1024  # products; with smaller blocks the overhead would dominate
_FIXED_BYTES = 512 << 20
_BYTES_PER_PLACE = 36
_BYTES_PER_NUMBER = 4


@dataclass(frozen=True)
class Encoder:
    """Functions that encode the queries and, block by block, the products.

    Attributes:
        width: width D of the vectors.
        tower_widths: sum of the widths d_t of the product side's towers.
        queries: returns the vectors of all queries, (n, D).
        products: takes start and stop, returns the vectors of these catalogue rows, (stop - start, D).
    """

    width: int
    tower_widths: int
    queries: Callable[[], Vectors]
    products: Callable[[int, int], Vectors]


def rows_per_block(encoder: Encoder, queries: int, depth: int, memory_gb: float) -> int:
    """Return the number of products per block that the memory bound allows; the formula is in the module docstring.

    Raises:
        EvaluationError: the bound is too small for a block of LEAST_BLOCK products.
    """
    fixed = queries * (_BYTES_PER_NUMBER * encoder.width + _BYTES_PER_PLACE * depth) + _FIXED_BYTES
    each = _BYTES_PER_NUMBER * (4 * encoder.tower_widths + encoder.width)
    least_gb = (fixed + LEAST_BLOCK * each) / 1e9
    if memory_gb < least_gb:
        raise EvaluationError(f"--memory-gb is {memory_gb:g}, but this evaluation needs at least {least_gb:.1f}")
    return int((memory_gb * 1e9 - fixed) / each)


def search(
    encoder: Encoder, queries: int, products: int, depth: int, *, block_rows: int, state_file: Path, name: str
) -> Neighbours:
    """Return the `depth` nearest products of every query, (n, depth).

    Args:
        encoder: encodes queries and products.
        queries: number of queries, n.
        products: number of products in the catalogue.
        depth: products per query, at most the catalogue size.
        block_rows: number of products per block.
        state_file: file for the state of the search; its name must identify model, data set and depth. The caller
            deletes it once the result is written.
        name: name of the system, for the progress bar.

    Raises:
        DegenerateError: the vectors, or the answers of all queries, are nearly equal, or a vector contains NaN.
    """
    best, done = _resume(state_file, queries, products, depth)
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
            if done == 0:  # a later block may consist of copies of one product
                check_vectors_differ(block, "product")
            _extend(best, block, vectors, done, bar)
            done = stop
            write_arrays(state_file, {"scores": best.scores, "rows": best.rows, "done": np.array(done)})
    check_answers_differ(best.rows, products)
    return best


def _resume(state_file: Path, queries: int, products: int, depth: int) -> tuple[Neighbours, int]:
    """Return the best products so far and the number of products already searched."""
    arrays = read_arrays(state_file)
    if arrays is None or arrays["rows"].shape != (queries, depth) or not 0 < int(arrays["done"]) <= products:
        return no_neighbours(queries, depth), 0
    return Neighbours(arrays["scores"], arrays["rows"]), int(arrays["done"])


def _extend(best: Neighbours, block: Vectors, vectors: Vectors, first_row: int, bar: "tqdm[Never]") -> None:
    """Update the best products so far with those of a block, in place."""
    depth = best.rows.shape[1]
    for start in range(0, len(vectors), QUERIES_PER_CHUNK):
        chunk = slice(start, start + QUERIES_PER_CHUNK)
        so_far = Neighbours(best.scores[chunk], best.rows[chunk])
        found = extend_exact_search(so_far, block, vectors[chunk], first_row, depth)
        best.scores[chunk], best.rows[chunk] = found.scores, found.rows
        bar.update(len(found.rows) * len(block))
