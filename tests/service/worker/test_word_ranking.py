"""Rankings that read words: fusion against a case solved by hand, filters, pages, and what is refused."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from lexical import WordHits
from lexical.rank_fusion import fuse
from service.core.errors import QueryError
from service.protocol.filters import OneOf
from service.protocol.queries import Page, SearchQuery
from service.worker.loaded_version import LoadedVersion
from service.worker.ranking import Ranking
from tests.lexical.words import open_words
from tests.service.stand_ins import StandInEncoder, results_of, stand_in_version

# The encoder of the stand-in reads the query "N", to which products N, N+1, N+2 are nearest, in this order.
TITLES = ["2 lamp", "3", "lamp", "2 2"]


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> LoadedVersion:
    words = open_words(tmp_path_factory.mktemp("words") / "words", TITLES, id=["a", "b", "c", "77"])
    return dataclasses.replace(stand_in_version(), words=words)


def rank(version: LoadedVersion, text: str, page: Page, ranking: str, **options: object) -> Ranking:
    query = dataclasses.replace(SearchQuery(text, page), ranking=ranking, **options)  # type: ignore[arg-type]
    (result,) = results_of([query], version)
    assert isinstance(result, Ranking), result
    return result


def test_fusion_as_solved_by_hand() -> None:
    hits = WordHits(np.array([8, 3, 5]), np.array([1000, 4, 2], np.float32), named=1)
    rows, parts = fuse(np.array([5, 8, 2]), hits)
    found = {int(row): {name: float(part[place]) for name, part in parts.items()} for place, row in enumerate(rows)}
    assert found == {
        2: {"cosine": 1 / 63, "words": 0, "identifier": 0},
        3: {"cosine": 0, "words": 1 / 62, "identifier": 0},
        5: {"cosine": 1 / 61, "words": 1 / 63, "identifier": 0},
        8: {"cosine": 0, "words": 1 / 61, "identifier": 1},
    }


def test_hybrid_ranks_by_both_and_words_by_words_alone(version: LoadedVersion) -> None:
    cosine = rank(version, "2", Page(4), "cosine")
    words = rank(version, "2", Page(4), "words", explain=True)
    both = rank(version, "2", Page(4), "hybrid", explain=True)
    assert set(words.rows.tolist()) == {0, 3} and both.corrected is None
    expected = {row: 1 / (61 + place) for place, row in enumerate(cosine.rows.tolist())}
    for place, row in enumerate(words.rows.tolist()):
        expected[row] += 1 / (61 + place)
    assert both.rows.tolist() == sorted(expected, key=lambda row: (-expected[row], row))
    np.testing.assert_allclose(both.scores, [expected[row] for row in both.rows.tolist()], rtol=1e-6)
    assert both.explanation is not None and words.explanation is not None
    np.testing.assert_allclose(sum(both.explanation.values.values()), both.scores, rtol=1e-6)
    np.testing.assert_array_equal(words.explanation.values["words"], words.scores)


def test_the_rankings_of_a_batch_do_not_change_each_other(version: LoadedVersion) -> None:
    queries = [
        dataclasses.replace(SearchQuery(text, Page(2)), ranking=ranking)
        for text in ("2", "3")
        for ranking in ("words", "cosine", "hybrid")
    ]
    together = results_of(queries, version)
    for query, result in zip(queries, together, strict=True):
        (alone,) = results_of([query], version)
        assert isinstance(result, Ranking) and isinstance(alone, Ranking)
        assert (result.rows.tolist(), result.scores.tolist()) == (alone.rows.tolist(), alone.scores.tolist())


@pytest.mark.parametrize("ranking", ["words", "hybrid"])
def test_filters_hold_and_pages_fit_together(version: LoadedVersion, ranking: str) -> None:
    filters = (OneOf("size", (0, 2, 3)),)
    whole = rank(version, "2", Page(4, filters=filters), ranking)
    assert 1 not in whole.rows and whole.total_matches == 3
    assert len(whole.rows) == (3 if ranking == "hybrid" else 2)
    pages = [rank(version, "2", Page(1, offset, filters), ranking) for offset in range(4)]
    assert [row for page in pages for row in page.rows.tolist()] == whole.rows.tolist()
    assert [page.first_rank for page in pages] == [1, 2, 3, 4]
    nothing = rank(version, "2", Page(4, filters=(OneOf("size", (9,)),)), ranking)
    assert (len(nothing.rows), nothing.total_matches) == (0, 0)


def test_a_named_product_comes_first_whatever_its_cosine(version: LoadedVersion) -> None:
    encoder = StandInEncoder()
    encoder.encode = lambda queries: np.eye(4, dtype=np.float32)[[0] * len(queries)]  # type: ignore[method-assign]
    reads_all = dataclasses.replace(version, encoder=encoder)
    both = rank(reads_all, "77", Page(4), "hybrid")
    assert both.rows[0] == 3 and both.scores[0] > 1 > both.scores[1]


def test_what_is_corrected_is_encoded_and_said(version: LoadedVersion) -> None:
    encoder = StandInEncoder()
    read = list[str]()

    def encode(queries: list[str]) -> np.ndarray:
        read.extend(queries)
        return np.eye(4, dtype=np.float32)[[0] * len(queries)]

    encoder.encode = encode  # type: ignore[method-assign,assignment]
    reads_all = dataclasses.replace(version, encoder=encoder)
    assert rank(reads_all, "lmap", Page(4), "hybrid").corrected == "lamp"
    assert rank(reads_all, "lmap", Page(4), "hybrid", correct=False).corrected is None
    assert rank(reads_all, "lmap", Page(4), "cosine").corrected is None
    assert rank(reads_all, "lmap", Page(4), "words").corrected == "lamp"
    assert read == ["lamp", "lmap", "lmap"]


@pytest.mark.parametrize("ranking", ["words", "hybrid"])
def test_what_is_refused(version: LoadedVersion, ranking: str, tmp_path: Path) -> None:
    asked = dataclasses.replace(SearchQuery("2", Page(4)), ranking=ranking)
    (refused,) = results_of([asked], stand_in_version())
    assert isinstance(refused, QueryError)
    assert str(refused) == (
        f"ranking is {ranking}, but version v1 has no words of its products: build it again, or rank by cosine"
    )
    (refused,) = results_of([dataclasses.replace(asked, modality="text")], version)
    assert str(refused) == "part goes with the ranking cosine: words are of the whole product"
