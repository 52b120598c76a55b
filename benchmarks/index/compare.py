"""Compare Vitrine's index with a peer's at equal recall, searching them in turns.

Each index has one search parameter that trades speed for recall, such as nprobe. With the tuning queries it is set to
the least value that reaches a level of recall: the target, or the peer's highest recall where that is lower. Times and
the reported recall are those of the test queries, with one thread.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from artifacts.records import Record, read_record
from benchmarks.common.measured_process import write_result
from benchmarks.index.ours import Built
from benchmarks.index.peers import AUTOFAISS, HNSWLIB, PeerBuilt
from benchmarks.index.search import Search, batch_ms, singles_ms
from benchmarks.vectors.mean_recall import Rows, mean_recall
from benchmarks.vectors.vector_sets import Vectors, VectorSet, open_set
from index_builder.index.type_choice import RECALL_DEPTH
from knn import OperatingPoint, exact_search, read_index, set_threads
from knn._untyped import untyped_faiss

ROUNDS = 5
MAX_EF = 4096
OURS = "Vitrine"


@dataclass(frozen=True)
class SearchableIndex:
    """An index with one search parameter.

    Attributes:
        name: Who built it.
        dials: Values of its search parameter, ascending; a single one where there is none.
        searcher: Returns the search function for a value of the parameter.
    """

    name: str
    dials: range
    searcher: Callable[[int], Search]


@dataclass(frozen=True)
class QuerySets:
    """The vectors and queries of a set, with the exact answers."""

    vectors: Vectors
    tuning: Vectors
    tuning_exact: Rows
    test: Vectors
    test_exact: Rows


class Side(Record):
    """One of the two indexes of a comparison."""

    name: str
    dial: int
    tolerant: float
    strict: float
    singles_per_s: tuple[float, ...]  # one query at a time; one value per round
    batch_per_s: tuple[float, ...]  # all queries in one call


class Comparison(Record):
    """Vitrine's index and a peer's at the same level of recall."""

    level: float
    ours: Side
    peer: Side


class Comparisons(Record):
    """The comparisons with all peers."""

    comparisons: tuple[Comparison, ...]


def compare(
    ours: SearchableIndex, peers: list[SearchableIndex], query_sets: QuerySets, target: float
) -> list[Comparison]:
    """Compare Vitrine's index with each peer's."""
    comparisons = []
    for peer in peers:
        level = min(target, _recall(peer, peer.dials[-1], query_sets))
        dials = {side.name: least_dial(side, level, query_sets) for side in (ours, peer)}
        first, second = _in_turns([(side, dials[side.name]) for side in (ours, peer)], query_sets)
        comparisons.append(Comparison(level=level, ours=first, peer=second))
    return comparisons


def least_dial(side: SearchableIndex, level: float, query_sets: QuerySets) -> int:
    """Return the least parameter value that reaches the level with the tuning queries; the last if none does."""
    low, high = 0, len(side.dials) - 1
    while low < high:
        middle = (low + high) // 2
        if _recall(side, side.dials[middle], query_sets) >= level:
            high = middle
        else:
            low = middle + 1
    return side.dials[low]


def make_query_sets(made: VectorSet, rows: int) -> QuerySets:
    """Return the queries of a set with their exact answers among its first rows."""
    vectors, tuning, test = made.vectors(rows), made.queries("tuning"), made.queries("test")
    k = min(RECALL_DEPTH, rows)
    return QuerySets(vectors, tuning, exact_search(vectors, tuning, k).rows, test, exact_search(vectors, test, k).rows)


def open_ours(path: Path, built: Built, k: int) -> SearchableIndex:
    """Open Vitrine's index. Its parameter is nprobe; k_factor stays as it was tuned."""
    index = read_index(path, built.sha256, built.size_bytes)

    def searcher(dial: int) -> Search:
        point = built.point if built.nprobe is None else OperatingPoint(dial, built.k_factor)
        return lambda queries: index.search(queries, k, point).rows

    lists = index.structure.list_count
    return SearchableIndex(OURS, range(1, 2) if lists is None else range(1, lists + 1), searcher)


def open_hnswlib(path: Path, width: int, k: int) -> SearchableIndex:
    """Open the index of hnswlib. Its parameter is ef."""
    from benchmarks.index.hnswlib_peer import empty_index

    index = empty_index(width)
    index.load_index(str(path))

    def searcher(dial: int) -> Search:
        index.set_ef(dial)
        return lambda queries: index.knn_query(queries, k=k, num_threads=1)[0].astype(np.int64)

    return SearchableIndex(HNSWLIB, range(k, MAX_EF + 1), searcher)


def open_autofaiss(path: Path, built: PeerBuilt, k: int) -> SearchableIndex:
    """Open the index of autofaiss. Its parameter is the first one that autofaiss tunes; the others depend on it."""
    index = untyped_faiss.read_index(str(path))
    lists = int(found[1]) if (found := re.search(r"IVF(\d+)", built.kind)) else 0

    def searcher(dial: int) -> Search:
        settings = autofaiss_settings(built.parameters, dial)
        if settings:
            untyped_faiss.ParameterSpace().set_index_parameters(index, settings)
        return lambda queries: index.search(queries, k)[1]

    dials = range(1, lists + 1) if lists else range(k, MAX_EF + 1)
    return SearchableIndex(AUTOFAISS, dials if built.parameters else range(1, 2), searcher)


def autofaiss_settings(parameters: str, dial: int) -> str:
    """Return autofaiss' parameters with the first at this value; as autofaiss does, set efSearch to twice nprobe."""
    names = [part.split("=")[0] for part in parameters.split(",") if part]
    found = {"nprobe": dial, "efSearch": 2 * dial if "nprobe" in names else dial, "ht": 2048}
    return ",".join(f"{name}={found[name]}" for name in names)


def _recall(side: SearchableIndex, dial: int, query_sets: QuerySets) -> float:
    found = side.searcher(dial)(query_sets.tuning)
    return mean_recall(query_sets.vectors, query_sets.tuning, found, query_sets.tuning_exact).tolerant


def _in_turns(sides: list[tuple[SearchableIndex, int]], query_sets: QuerySets) -> list[Side]:
    """Measure all in turns for several rounds, so that a noisy machine affects all alike."""
    rates: dict[str, tuple[list[float], list[float]]] = {side.name: ([], []) for side, _ in sides}
    for _ in range(ROUNDS):
        for side, dial in sides:
            answer, (singles, batches) = side.searcher(dial), rates[side.name]
            answer(query_sets.test)  # warms the processor caches, which the other index has used
            singles.append(1000 / float(np.mean(singles_ms(answer, query_sets.test))))
            batches.append(1000 / batch_ms(answer, query_sets.test))
    found = []
    for side, dial in sides:
        recall = mean_recall(
            query_sets.vectors, query_sets.test, side.searcher(dial)(query_sets.test), query_sets.test_exact
        )
        singles, batches = rates[side.name]
        found.append(
            Side(
                name=side.name,
                dial=dial,
                tolerant=recall.tolerant,
                strict=recall.strict,
                singles_per_s=tuple(singles),
                batch_per_s=tuple(batches),
            )
        )
    return found


def main(
    folder: Annotated[Path, typer.Option(help="The set of vectors.")],
    rows: Annotated[int, typer.Option(help="Number of its vectors that are indexed.")],
    indexes: Annotated[
        Path, typer.Option(help="Folder of the indexes: NAME.index, and NAME.json with how it was built.")
    ],
    target: Annotated[float, typer.Option(help="Tie-tolerant recall at which they are compared.")],
    out: Annotated[Path, typer.Option(help="File of the result.")],
) -> None:
    """Compare Vitrine's index with those of the peers that were built."""
    made, k = open_set(folder), min(RECALL_DEPTH, rows)
    query_sets = make_query_sets(made, rows)
    set_threads(1)
    ours = open_ours(indexes / f"{OURS}.index", read_record(indexes / f"{OURS}.json", Built), k)
    peers = []
    if (indexes / f"{HNSWLIB}.json").is_file():
        peers.append(open_hnswlib(indexes / f"{HNSWLIB}.index", made.card.width, k))
    if (indexes / f"{AUTOFAISS}.json").is_file():
        built = read_record(indexes / f"{AUTOFAISS}.json", PeerBuilt)
        peers.append(open_autofaiss(indexes / f"{AUTOFAISS}.index", built, k))
    write_result(out, Comparisons(comparisons=tuple(compare(ours, peers, query_sets, target))))


if __name__ == "__main__":
    typer.run(main)
