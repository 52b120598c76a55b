"""That contenders are set to equal recall by the tuning queries alone, and measured on the others."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.index.compare import (
    OURS,
    QuerySets,
    SearchableIndex,
    autofaiss_settings,
    compare,
    least_dial,
    make_query_sets,
    open_ours,
)
from benchmarks.index.ours import build
from benchmarks.index.search import Search
from benchmarks.vectors.mean_recall import Rows, mean_recall
from benchmarks.vectors.vector_sets import Vectors, VectorSet, make_hard_set, open_set
from knn import read_index

ROWS = 1500


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> VectorSet:
    folder = tmp_path_factory.mktemp("sets") / "hard"
    make_hard_set(folder, ROWS)
    return open_set(folder)


@pytest.fixture(scope="module")
def query_sets(made: VectorSet) -> QuerySets:
    whole = make_query_sets(made, ROWS)
    return QuerySets(whole.vectors, whole.tuning[:50], whole.tuning_exact[:50], whole.test[:60], whole.test_exact[:60])


def first_found(query_sets: QuerySets, most: int) -> SearchableIndex:
    """A contender that is right at as many places as its dial says, and at no other."""
    answers = {
        queries.tobytes(): exact
        for queries, exact in ((query_sets.tuning, query_sets.tuning_exact), (query_sets.test, query_sets.test_exact))
    }
    single = dict(zip((query.tobytes() for query in query_sets.test), query_sets.test_exact, strict=True))

    def searcher(dial: int) -> Search:
        def answer(queries: Vectors) -> Rows:
            exact = answers.get(queries.tobytes())
            found = np.array(single[queries.tobytes()][None] if exact is None else exact)
            found[:, dial:] = -1
            return found

        return answer

    return SearchableIndex("peer", range(1, most + 1), searcher)


@pytest.mark.parametrize(("level", "dial"), [(0.5, 50), (0.505, 51), (0.01, 1), (0.8, 80), (0.9, 80)])
def test_the_least_dial_that_reaches_a_level(query_sets: QuerySets, level: float, dial: int) -> None:
    assert least_dial(first_found(query_sets, 80), level, query_sets) == dial


def test_ours_is_set_to_what_the_peer_reaches(made: VectorSet, query_sets: QuerySets, tmp_path: Path) -> None:
    built = build(made.folder, ROWS, "IVF32,SQ8", tmp_path / "ours")
    ours = open_ours(tmp_path / "ours", built, 100)
    (weak,) = compare(ours, [first_found(query_sets, 60)], query_sets, target=0.99)
    (strong,) = compare(ours, [first_found(query_sets, 100)], query_sets, target=0.95)
    assert weak.level == weak.peer.tolerant == pytest.approx(0.6) and weak.peer.dial == 60
    assert strong.level == 0.95 and strong.peer.dial == 95
    assert weak.ours.name == OURS and weak.ours.dial < strong.ours.dial < 32
    assert weak.ours.tolerant == pytest.approx(0.6, abs=0.15) and strong.ours.tolerant == pytest.approx(0.95, abs=0.03)
    index = read_index(tmp_path / "ours", built.sha256, built.size_bytes)
    point = built.point.__class__(strong.ours.dial, None)
    found = index.search(query_sets.test, 100, point).rows
    assert (
        strong.ours.tolerant == mean_recall(query_sets.vectors, query_sets.test, found, query_sets.test_exact).tolerant
    )
    for side in (weak.ours, weak.peer):
        assert len(side.singles_per_s) == len(side.batch_per_s) == 5
        assert min(side.singles_per_s + side.batch_per_s) > 0


@pytest.mark.parametrize(
    ("parameters", "settings"),
    [
        ("", ""),
        ("efSearch=305", "efSearch=7"),
        ("nprobe=4", "nprobe=7"),
        ("nprobe=4,ht=2048", "nprobe=7,ht=2048"),
        ("nprobe=20,efSearch=40,ht=2048", "nprobe=7,efSearch=14,ht=2048"),
    ],
)
def test_autofaiss_parameters_with_another_dial(parameters: str, settings: str) -> None:
    assert autofaiss_settings(parameters, 7) == settings


def test_hnswlib_finds_with_ef_what_it_should(made: VectorSet, query_sets: QuerySets, tmp_path: Path) -> None:
    pytest.importorskip("hnswlib")  # with the `bench` extra
    from benchmarks.index.compare import open_hnswlib
    from benchmarks.index.hnswlib_peer import build as build_graph

    graph = build_graph(made.folder, ROWS, tmp_path / "graph")
    assert graph.size_bytes > ROWS * 4 * made.card.width and graph.build_s > 0
    peer = open_hnswlib(tmp_path / "graph", made.card.width, 100)
    recalls = [
        mean_recall(
            query_sets.vectors, query_sets.test, peer.searcher(ef)(query_sets.test), query_sets.test_exact
        ).strict
        for ef in (100, 1000)
    ]
    assert 0.7 < recalls[0] <= recalls[1] and recalls[1] > 0.99
