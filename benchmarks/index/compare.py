"""Ours and the peers at equal recall: each dial turned as far as it must be, then all searched in turns.

The level is the target recall, or what the peer reaches at most where that is less; ours is then set to the same level.
A dial is set with the tuning queries, to the least value that reaches the level. Times and the recall that is told are
those of the test queries, with one thread.
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
MOST_EF = 4096
OURS = "Vitrine"


@dataclass(frozen=True)
class Contender:
    """An index that can be searched.

    Attributes:
        name: whose it is.
        dials: values of its dial, ascending; a single one where there is nothing to turn.
        searcher: of a value of the dial, the search.
    """

    name: str
    dials: range
    searcher: Callable[[int], Search]


@dataclass(frozen=True)
class Questions:
    """The queries, and their exact answers."""

    vectors: Vectors
    tuning: Vectors
    tuning_exact: Rows
    test: Vectors
    test_exact: Rows


class Side(Record):
    """One of two that are compared."""

    name: str
    dial: int
    tolerant: float
    strict: float
    singles_per_s: tuple[float, ...]  # one query at a time; a value a round
    batch_per_s: tuple[float, ...]  # all queries in one call


class Duel(Record):
    """Ours and a peer at the same level of recall."""

    level: float
    ours: Side
    peer: Side


class Compared(Record):
    """All duels."""

    duels: tuple[Duel, ...]


def compare(ours: Contender, peers: list[Contender], questions: Questions, target: float) -> list[Duel]:
    """Measure ours against each peer."""
    duels = []
    for peer in peers:
        level = min(target, _recall(peer, peer.dials[-1], questions))
        dials = {side.name: least_dial(side, level, questions) for side in (ours, peer)}
        first, second = _in_turns([(side, dials[side.name]) for side in (ours, peer)], questions)
        duels.append(Duel(level=level, ours=first, peer=second))
    return duels


def least_dial(side: Contender, level: float, questions: Questions) -> int:
    """The least value of the dial that reaches the level with the tuning queries; the last one where none does."""
    low, high = 0, len(side.dials) - 1
    while low < high:
        middle = (low + high) // 2
        if _recall(side, side.dials[middle], questions) >= level:
            high = middle
        else:
            low = middle + 1
    return side.dials[low]


def make_questions(made: VectorSet, rows: int) -> Questions:
    """The queries of a set with their exact answers among its first rows."""
    vectors, tuning, test = made.vectors(rows), made.queries("tuning"), made.queries("test")
    k = min(RECALL_DEPTH, rows)
    return Questions(vectors, tuning, exact_search(vectors, tuning, k).rows, test, exact_search(vectors, test, k).rows)


def our_contender(path: Path, built: Built, k: int) -> Contender:
    """Ours; its dial is nprobe, while k_factor stays as it was tuned."""
    index = read_index(path, built.sha256, built.size_bytes)

    def searcher(dial: int) -> Search:
        point = built.point if built.nprobe is None else OperatingPoint(dial, built.k_factor)
        return lambda queries: index.search(queries, k, point).rows

    lists = index.structure.list_count
    return Contender(OURS, range(1, 2) if lists is None else range(1, lists + 1), searcher)


def hnswlib_contender(path: Path, width: int, k: int) -> Contender:
    """hnswlib; its dial is ef."""
    from benchmarks.index.hnswlib_peer import empty_index

    index = empty_index(width)
    index.load_index(str(path))

    def searcher(dial: int) -> Search:
        index.set_ef(dial)
        return lambda queries: index.knn_query(queries, k=k, num_threads=1)[0].astype(np.int64)

    return Contender(HNSWLIB, range(k, MOST_EF + 1), searcher)


def autofaiss_contender(path: Path, built: PeerBuilt, k: int) -> Contender:
    """autofaiss; its dial is the one that it tunes itself, and what depends on that follows as it does there."""
    index = untyped_faiss.read_index(str(path))
    lists = int(found[1]) if (found := re.search(r"IVF(\d+)", built.kind)) else 0

    def searcher(dial: int) -> Search:
        settings = autofaiss_settings(built.parameters, dial)
        if settings:
            untyped_faiss.ParameterSpace().set_index_parameters(index, settings)
        return lambda queries: index.search(queries, k)[1]

    dials = range(1, lists + 1) if lists else range(k, MOST_EF + 1)
    return Contender(AUTOFAISS, dials if built.parameters else range(1, 2), searcher)


def autofaiss_settings(parameters: str, dial: int) -> str:
    """autofaiss' parameters with its dial, the first of them, at this value; efSearch is twice an nprobe there."""
    names = [part.split("=")[0] for part in parameters.split(",") if part]
    found = {"nprobe": dial, "efSearch": 2 * dial if "nprobe" in names else dial, "ht": 2048}
    return ",".join(f"{name}={found[name]}" for name in names)


def _recall(side: Contender, dial: int, questions: Questions) -> float:
    found = side.searcher(dial)(questions.tuning)
    return mean_recall(questions.vectors, questions.tuning, found, questions.tuning_exact).tolerant


def _in_turns(sides: list[tuple[Contender, int]], questions: Questions) -> list[Side]:
    """Rounds in which everyone has a turn, so that a noisy machine hits all alike."""
    rates: dict[str, tuple[list[float], list[float]]] = {side.name: ([], []) for side, _ in sides}
    for _ in range(ROUNDS):
        for side, dial in sides:
            answer, (singles, batches) = side.searcher(dial), rates[side.name]
            answer(questions.test)  # what the other has pushed out of the caches comes back
            singles.append(1000 / float(np.mean(singles_ms(answer, questions.test))))
            batches.append(1000 / batch_ms(answer, questions.test))
    found = []
    for side, dial in sides:
        recall = mean_recall(
            questions.vectors, questions.test, side.searcher(dial)(questions.test), questions.test_exact
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
    rows: Annotated[int, typer.Option(help="How many of them.")],
    indexes: Annotated[
        Path, typer.Option(help="Folder of the indexes: NAME.index, and NAME.json of how it was built.")
    ],
    target: Annotated[float, typer.Option(help="Tie-tolerant recall to compare at.")],
    out: Annotated[Path, typer.Option(help="Where the result goes.")],
) -> None:
    """Compare ours with the peers whose index is there."""
    made, k = open_set(folder), min(RECALL_DEPTH, rows)
    questions = make_questions(made, rows)
    set_threads(1)
    ours = our_contender(indexes / f"{OURS}.index", read_record(indexes / f"{OURS}.json", Built), k)
    peers = []
    if (indexes / f"{HNSWLIB}.json").is_file():
        peers.append(hnswlib_contender(indexes / f"{HNSWLIB}.index", made.card.width, k))
    if (indexes / f"{AUTOFAISS}.json").is_file():
        built = read_record(indexes / f"{AUTOFAISS}.json", PeerBuilt)
        peers.append(autofaiss_contender(indexes / f"{AUTOFAISS}.index", built, k))
    write_result(out, Compared(duels=tuple(compare(ours, peers, questions, target))))


if __name__ == "__main__":
    typer.run(main)
