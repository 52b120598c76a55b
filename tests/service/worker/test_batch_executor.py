"""A batch of queries that one version answers."""

import dataclasses

import numpy as np
import pyarrow as pa

from service.core.errors import FilterError, QueryError, UnknownProductError
from service.protocol.answers import RenderedAnswer
from service.protocol.filters import Filters, OneOf, Range
from service.protocol.queries import ImageQuery, Page, ProductQuery, SearchQuery, SimilarQuery
from service.worker.batch_executor import answer_batch
from service.worker.filter_masks import FilterColumns
from service.worker.modality_scores import ModalityScores
from service.worker.modality_similarities import ModalitySimilarities
from service.worker.ranking import Ranking
from service.worker.search_plans import ProductRow
from tests.service.stand_ins import UNREADABLE, results_of, stand_in_version


def rows(result: object) -> list[int]:
    assert isinstance(result, Ranking), result
    assert len(result.rows) == len(result.scores)
    assert (np.diff(result.scores) < 0).all()
    return [int(row) for row in result.rows]


def test_each_query_gets_its_own_answer_and_its_own_k() -> None:
    queries = [
        SearchQuery("2", Page(1)),
        SearchQuery("0", Page(4)),
        SearchQuery("1", Page(2)),
        SearchQuery("3", Page(1000)),
    ]
    found = results_of(queries, stand_in_version())
    # Product N leans to axis N + 1, and less to N + 2: the nearest to "N" are N, N - 1, N - 2, N - 3.
    assert [rows(result) for result in found] == [[2], [0, 3, 2, 1], [1, 0], [3, 2, 1, 0]]


def test_the_encoder_is_asked_once_for_a_batch() -> None:
    version = stand_in_version()
    results_of([SearchQuery("2", Page(1)), SearchQuery("0", Page(4))], version)
    assert version.encoder.batches == [["2", "0"]]  # type: ignore[attr-defined]


def test_filters_are_kept_apart() -> None:
    small, exactly_two = (Range("size", (("lt", 2),)),), (OneOf("size", (2,)),)
    searches: list[tuple[str, Filters]] = [("0", small), ("0", ()), ("1", small), ("0", exactly_two)]
    queries = [SearchQuery(text, Page(4, filters=filters)) for text, filters in searches]
    found = results_of(queries, stand_in_version())
    assert [rows(result) for result in found] == [[0, 1], [0, 3, 2, 1], [1, 0], [2]]


def test_filters_that_are_equal_to_python_alone_are_kept_apart() -> None:
    true, one = ((OneOf("is_even", (value,)),) for value in (True, 1))
    queries = [SearchQuery("0", Page(4, filters=filters)) for filters in (true, one)]
    version = stand_in_version()
    table = pa.table({"product_id": list("abcd"), "is_even": [True, False, True, False]})
    found, refused = results_of(queries, dataclasses.replace(version, filter_columns=FilterColumns(table)))
    assert {*rows(found)} == {0, 2}
    assert isinstance(refused, FilterError) and str(refused) == "filters.is_even is 1: expected true or false"


def test_a_filter_that_nothing_meets_finds_nothing() -> None:
    found = results_of([SearchQuery("0", Page(4, filters=(OneOf("size", (9,)),)))], stand_in_version())
    assert rows(found[0]) == []


def test_one_bad_filter_fails_alone() -> None:
    queries = [
        SearchQuery("0", Page(1)),
        SearchQuery("0", Page(1, filters=(OneOf("shade", ("red",)),))),
        SearchQuery("1", Page(1)),
    ]
    first, bad, last = results_of(queries, stand_in_version())
    assert isinstance(bad, FilterError)
    assert (rows(first), rows(last)) == ([0], [1])


def test_one_unreadable_query_fails_alone() -> None:
    first, bad, last = results_of(
        [SearchQuery("0", Page(1)), SearchQuery(UNREADABLE, Page(1)), SearchQuery("1", Page(1))], stand_in_version()
    )
    assert isinstance(bad, QueryError)
    assert str(bad) == "query holds nothing that the model can read"
    assert (rows(first), rows(last)) == ([0], [1])


def test_a_batch_of_unreadable_queries() -> None:
    found = results_of([SearchQuery(UNREADABLE, Page(5))] * 2, stand_in_version())
    assert all(isinstance(result, QueryError) for result in found)


def test_pages_follow_each_other_and_end() -> None:
    queries = [SearchQuery("0", Page(k, offset)) for k, offset in [(2, 0), (2, 2), (2, 3), (5, 4), (1, 999)]]
    results = results_of(queries, stand_in_version())
    assert [rows(result) for result in results] == [[0, 3], [2, 1], [1], [], []]
    assert [result.first_rank for result in results if isinstance(result, Ranking)] == [1, 3, 4, 5, 1000]


def test_how_many_products_pass_the_filters_is_told() -> None:
    filters: list[Filters] = [(), (Range("size", (("lt", 3),)),), (OneOf("size", (9,)),)]
    results = results_of([SearchQuery("0", Page(1, filters=each)) for each in filters], stand_in_version())
    assert [result.total_matches for result in results if isinstance(result, Ranking)] == [None, 3, 0]


def test_what_is_like_a_product_leaves_out_the_product() -> None:
    queries = [
        SimilarQuery("v1-p2", Page(100)),
        SimilarQuery("v1-p2", Page(1, offset=1)),
        SimilarQuery("v1-p2", Page(100, filters=(Range("size", (("gt", 0),)),))),
        SimilarQuery("v1-p9", Page(1)),
        SearchQuery("2", Page(1)),
    ]
    version = stand_in_version()
    everything, second, filtered, unknown, text = results_of(queries, version)
    assert isinstance(everything, Ranking) and isinstance(second, Ranking) and isinstance(filtered, Ranking)
    assert {*everything.rows.tolist()} == {0, 1, 3}
    assert second.rows.tolist() == everything.rows.tolist()[1:2]
    assert {*filtered.rows.tolist()} == {1, 3}
    assert isinstance(unknown, UnknownProductError)
    assert rows(text) == [2]
    vectors = version.index.reconstruct(np.arange(4))
    np.testing.assert_allclose(everything.scores, (vectors @ vectors[2])[everything.rows], atol=1e-6)


def test_products_need_no_encoder() -> None:
    version = stand_in_version()
    found, unknown, _ = results_of([ProductQuery("v1-p3"), ProductQuery("p3"), SimilarQuery("v1-p0", Page(1))], version)
    assert found == ProductRow(3)
    assert isinstance(unknown, UnknownProductError)
    assert version.encoder.batches == []  # type: ignore[attr-defined]


def test_image_entries_need_no_encoder() -> None:
    version = stand_in_version()
    answer = answer_batch([ImageQuery("v1-p3"), ImageQuery("p3"), ProductQuery("v1-p3")], version)
    image, unknown, product = answer.outcomes
    assert isinstance(image, RenderedAnswer) and image == RenderedAnswer("v1", b"null", None)
    assert isinstance(unknown, UnknownProductError)
    assert isinstance(product, RenderedAnswer) and product.content.startswith(b'{"product_id":"v1-p3"')
    assert version.encoder.batches == []  # type: ignore[attr-defined]


def test_scores_are_explained_where_that_is_asked_for() -> None:
    version = stand_in_version()
    queries = [SearchQuery("1", Page(3), explain=True), SearchQuery("1", Page(3)), SearchQuery("0", Page(2, 1), True)]
    explained, plain, page = results_of(queries, version)
    assert isinstance(explained, Ranking) and isinstance(plain, Ranking) and isinstance(page, Ranking)
    assert plain.explanation is None and explained.explanation is not None and page.explanation is not None
    assert (explained.explanation.kind, page.explanation.kind) == ("scores", "scores")
    parts = explained.explanation.values
    assert parts["text"].tolist() == [0, 0, 0]  # the query is the second axis alone
    np.testing.assert_allclose(parts["photo"], explained.scores, atol=1e-6)
    np.testing.assert_allclose(page.explanation.values["text"], page.scores, atol=1e-6)
    np.testing.assert_array_equal(explained.rows, plain.rows)


def test_mixed_towers_are_explained_by_their_cosines() -> None:
    version = stand_in_version()
    towers = np.random.default_rng(0).standard_normal((4, 4)).astype(np.float16)
    cosines = ModalitySimilarities({"bibert": slice(0, 4)}, version.encoder, towers)
    mixed = dataclasses.replace(version, modality_scores=None, modality_similarities=cosines)
    queries = [SearchQuery("1", Page(3), explain=True), SearchQuery("1", Page(3)), SearchQuery("2", Page(2, 1), True)]
    explained, plain, page = results_of(queries, mixed)
    assert isinstance(explained, Ranking) and isinstance(plain, Ranking) and isinstance(page, Ranking)
    assert version.encoder.batches == [["1", "1", "2"], ["1"], ["2"]]  # type: ignore[attr-defined]
    assert plain.explanation is None and explained.explanation is not None and page.explanation is not None
    np.testing.assert_allclose(explained.explanation.values["text"], towers[explained.rows, 1], atol=1e-6)
    np.testing.assert_allclose(page.explanation.values["text"], towers[page.rows, 2], atol=1e-6)


def test_mixed_towers_that_a_version_does_not_keep_explain_nothing() -> None:
    version = dataclasses.replace(stand_in_version(), modality_scores=None)
    refused, other = results_of([SearchQuery("1", Page(3), True), SearchQuery("1", Page(3))], version)
    assert isinstance(refused, QueryError)
    assert str(refused) == (
        "explain is true, but the served model, m, mixes title and photo, and version v1 holds no tower "
        "vectors: build one with `index_builder build --explain`"
    )
    assert isinstance(other, Ranking)


def test_one_part_alone_ranks_the_products() -> None:
    version = stand_in_version()
    queries = [
        SearchQuery("1", Page(4), modality="photo"),
        SearchQuery("1", Page(4), modality="text"),
        SearchQuery("1", Page(4), explain=True, modality="photo"),
        SearchQuery("0", Page(4), modality="text"),
    ]
    photo, text, explained, axis = results_of(queries, version)
    assert isinstance(photo, Ranking) and isinstance(text, Ranking) and isinstance(explained, Ranking)
    assert isinstance(axis, Ranking)
    (whole,) = results_of([SearchQuery("1", Page(4))], version)
    assert isinstance(whole, Ranking)
    np.testing.assert_array_equal(photo.rows, whole.rows)  # the query is the second axis alone, which is the photo's
    np.testing.assert_array_equal(text.scores, 0)
    assert explained.explanation is not None
    np.testing.assert_allclose(explained.explanation.values["photo"], explained.scores, atol=1e-6)
    np.testing.assert_array_equal(explained.explanation.values["text"], 0)
    vectors = version.index.reconstruct(np.arange(4))
    np.testing.assert_allclose(axis.scores, np.sort(vectors[:, 0])[::-1], atol=1e-6)


def test_a_part_that_the_model_lacks_is_refused_and_touches_no_other_query() -> None:
    version = dataclasses.replace(stand_in_version(), modality_scores=ModalityScores((("text", 0, 4),)))
    refused, found = results_of([SearchQuery("1", Page(1), modality="photo"), SearchQuery("1", Page(1))], version)
    assert isinstance(refused, QueryError) and str(refused) == "part is 'photo', but the served model knows only text"
    assert isinstance(found, Ranking)
    (mixed,) = results_of(
        [SearchQuery("1", Page(1), modality="text")], dataclasses.replace(version, modality_scores=None)
    )
    assert isinstance(mixed, QueryError) and str(mixed).startswith("part is 'text', but the served model, m, mixes")
