"""A batch of searches over one version."""

import numpy as np

from service.answering import Found, SearchQuery, answer_queries
from service.errors import FilterError, QueryError
from service.filters import Filters, OneOf, Range
from tests.service.stand_ins import UNREADABLE, stand_in_version


def rows(result: object) -> list[int]:
    assert isinstance(result, Found), result
    assert len(result.rows) == len(result.scores)
    assert (np.diff(result.scores) < 0).all()
    return [int(row) for row in result.rows]


def test_each_query_gets_its_own_answer_and_its_own_k() -> None:
    queries = [SearchQuery("2", 1), SearchQuery("0", 4), SearchQuery("1", 2), SearchQuery("3", 1000)]
    batch = answer_queries(queries, stand_in_version())
    # Product N leans to axis N + 1, and less to N + 2: the nearest to "N" are N, N - 1, N - 2, N - 3.
    assert [rows(result) for result in batch.results] == [[2], [0, 3, 2, 1], [1, 0], [3, 2, 1, 0]]


def test_the_encoder_is_asked_once_for_a_batch() -> None:
    version = stand_in_version()
    answer_queries([SearchQuery("2", 1), SearchQuery("0", 4)], version)
    assert version.encoder.batches == [["2", "0"]]  # type: ignore[attr-defined]


def test_filters_are_kept_apart() -> None:
    small, exactly_two = (Range("size", (("lt", 2),)),), (OneOf("size", (2,)),)
    searches: list[tuple[str, Filters]] = [("0", small), ("0", ()), ("1", small), ("0", exactly_two)]
    queries = [SearchQuery(text, 4, filters) for text, filters in searches]
    batch = answer_queries(queries, stand_in_version())
    assert [rows(result) for result in batch.results] == [[0, 1], [0, 3, 2, 1], [1, 0], [2]]


def test_a_filter_that_nothing_meets_finds_nothing() -> None:
    batch = answer_queries([SearchQuery("0", 4, (OneOf("size", (9,)),))], stand_in_version())
    assert rows(batch.results[0]) == []


def test_one_bad_filter_fails_alone() -> None:
    queries = [SearchQuery("0", 1), SearchQuery("0", 1, (OneOf("shade", ("red",)),)), SearchQuery("1", 1)]
    first, bad, last = answer_queries(queries, stand_in_version()).results
    assert isinstance(bad, FilterError)
    assert (rows(first), rows(last)) == ([0], [1])


def test_one_unreadable_query_fails_alone() -> None:
    first, bad, last = answer_queries(
        [SearchQuery("0", 1), SearchQuery(UNREADABLE, 1), SearchQuery("1", 1)], stand_in_version()
    ).results
    assert isinstance(bad, QueryError)
    assert str(bad) == "query holds nothing that the model can read"
    assert (rows(first), rows(last)) == ([0], [1])


def test_a_batch_of_unreadable_queries() -> None:
    batch = answer_queries([SearchQuery(UNREADABLE, 5)] * 2, stand_in_version())
    assert all(isinstance(result, QueryError) for result in batch.results)
