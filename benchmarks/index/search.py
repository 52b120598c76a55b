"""Recall and search time of a built index for queries that it was not tuned with, compared with exact search."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from artifacts.cores import usable_cores
from artifacts.records import Record, read_record
from benchmarks.common.measured_process import write_result
from benchmarks.index.ours import Built
from benchmarks.vectors.mean_recall import Rows, mean_recall
from benchmarks.vectors.vector_sets import Vectors, open_set
from index_builder.index.type_choice import RECALL_DEPTH
from knn import exact_search, read_index, set_threads

ROUNDS = 3
_EXACT_SINGLES = 5  # few, because each reads all vectors, which takes a third of a second
_WARM_UP = 50

Search = Callable[[Vectors], Rows]  # queries (n, D) to rows (n, RECALL_DEPTH)


class Searched(Record):
    """Measurements of an index."""

    tolerant: float
    strict: float
    single_ms: tuple[float, ...]  # single queries, one thread; each test query ROUNDS times
    batch_ms: tuple[float, ...]  # per query, all test queries in one call, one thread; one value per round
    exact_single_ms: tuple[float, ...]  # exact search of single queries, one thread
    exact_batch_ms: float  # per query, all test queries in one call, all threads


def search(folder: Path, rows: int, path: Path, built: Built) -> Searched:
    """Measure an index of the first rows of a set at its operating point."""
    made = open_set(folder)
    vectors, queries = made.vectors(rows), made.queries("test")
    k = min(RECALL_DEPTH, rows)
    set_threads(usable_cores())
    begin = time.perf_counter()
    exact = exact_search(vectors, queries, k)
    exact_batch_ms = 1000 * (time.perf_counter() - begin) / len(queries)
    set_threads(1)
    exact_ms = singles_ms(lambda some: exact_search(vectors, some, k).rows, queries[:_EXACT_SINGLES])
    index = read_index(path, built.sha256, built.size_bytes)

    def answer(some: Vectors) -> Rows:
        return index.search(some, k, built.point).rows

    recall = mean_recall(vectors, queries, answer(queries), exact.rows)
    singles_ms(answer, queries[:_WARM_UP])
    rounds = [(singles_ms(answer, queries), batch_ms(answer, queries)) for _ in range(ROUNDS)]
    return Searched(
        tolerant=recall.tolerant,
        strict=recall.strict,
        single_ms=tuple(ms for singles, _ in rounds for ms in singles),
        batch_ms=tuple(batch for _, batch in rounds),
        exact_single_ms=exact_ms,
        exact_batch_ms=exact_batch_ms,
    )


def singles_ms(answer: Search, queries: Vectors) -> tuple[float, ...]:
    """Return the time of each query searched alone, in ms."""
    found = []
    for row in range(len(queries)):
        begin = time.perf_counter()
        answer(queries[row : row + 1])
        found.append(round(1000 * (time.perf_counter() - begin), 4))
    return tuple(found)


def batch_ms(answer: Search, queries: Vectors) -> float:
    """Return the time per query of all queries searched in one call, in ms."""
    begin = time.perf_counter()
    answer(np.ascontiguousarray(queries))
    return 1000 * (time.perf_counter() - begin) / len(queries)


def main(
    folder: Annotated[Path, typer.Option(help="The set of vectors.")],
    rows: Annotated[int, typer.Option(help="Number of its vectors that are indexed.")],
    index: Annotated[Path, typer.Option(help="File of the index.")],
    built: Annotated[Path, typer.Option(help="Result of the build.")],
    out: Annotated[Path, typer.Option(help="File of the result.")],
) -> None:
    """Measure an index."""
    write_result(out, search(folder, rows, index, read_record(built, Built)))


if __name__ == "__main__":
    typer.run(main)
