"""Answers are found again for the same query and version alone, and take no more memory than they may."""

import dataclasses
import itertools
import json
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from service.core import bounded_cache
from service.dispatch import answer_cache
from service.dispatch.answer_cache import AnswerCache
from service.protocol.answers import RenderedAnswer
from service.protocol.filters import OneOf, Range
from service.protocol.queries import Page, SearchQuery, SimilarQuery
from service.telemetry.metrics import Metrics

ASKED = SearchQuery("red shoes", Page(10))


def hits(size: int = 100, version_id: str = "v1") -> RenderedAnswer:
    """An answer whose bytes cannot be compressed."""
    return RenderedAnswer(version_id, np.random.default_rng(size).bytes(size), None)


def cache(max_bytes: int = 10_000) -> AnswerCache:
    return AnswerCache(max_bytes, Metrics())


def test_an_answer_is_found_again() -> None:
    earlier = cache()
    earlier.put(earlier.digest(ASKED), hits())
    assert earlier.get("v1", earlier.digest(SearchQuery("red shoes", Page(10)))) == hits()
    # At intake, both would have become one.
    assert earlier.get("v1", earlier.digest(SearchQuery("red  shoes", Page(10)))) is None


@pytest.mark.parametrize(
    "other",
    [
        SearchQuery("Red shoes", Page(10)),
        SearchQuery("redshoes", Page(10)),
        SearchQuery("red shoes", Page(11)),
        SearchQuery("red shoes", Page(10, 1)),
        SearchQuery("red shoes", Page(10), explain=True),
        SearchQuery("red shoes", Page(10), modality="text"),
        SearchQuery("red shoes", Page(10), prior=0.5),
        SearchQuery("red shoes", Page(10, filters=(OneOf("in_stock", (True,)),))),
        SimilarQuery("red shoes", Page(10)),
    ],
)
def test_another_query_is_another_entry(other: SearchQuery | SimilarQuery) -> None:
    earlier = cache()
    earlier.put(earlier.digest(ASKED), hits())
    assert earlier.get("v1", earlier.digest(other)) is None
    assert earlier.get("v2", earlier.digest(ASKED)) is None


FILTERS = [
    OneOf("c", (True,)), OneOf("c", (1,)), OneOf("c", (1.0,)), OneOf("c", ("1",)), OneOf("c", ("True",)),
    OneOf("c", ("1", "2")), OneOf("c", ("1', '2",)), OneOf("c", ("1, 2",)), OneOf("c\ud800", ("1",)),
    Range("c", (("gte", 1),)), Range("c", (("gt", 1),)), Range("c", (("gte", 1), ("lt", 2))),
]  # fmt: skip
QUERIES: list[SearchQuery | SimilarQuery] = [
    *(SearchQuery("a", Page(1, filters=(condition,))) for condition in FILTERS),
    *(SearchQuery("a", Page(1, filters=pair)) for pair in itertools.combinations(FILTERS[:3], 2)),
    *(SearchQuery(text, Page(1)) for text in ("a", "a' False None 1 0 ()", "a\\", "'a'", '"', "'")),
    *(SearchQuery("a", Page(1), explain, modality) for explain in (True, False) for modality in ("text", "photo")),
    *(SimilarQuery(product, page) for product in ("a", "b") for page in (Page(1), Page(11), Page(1, 1))),
]


def test_no_two_queries_share_an_answer() -> None:
    earlier = cache(10**6)
    for number, query in enumerate(QUERIES):
        earlier.put(earlier.digest(query), hits(100 + number))
    for number, query in enumerate(QUERIES):
        assert earlier.get("v1", earlier.digest(query)) == hits(100 + number), query


def test_every_field_of_a_query_counts() -> None:
    """A field that is added to a query and forgotten in the key would give one client the answer of another."""
    changed = {"text": "b", "explain": True, "modality": "text", "prior": 0.5, "product_id": "b", "page": Page(2)}
    changed |= {"ranking": "words", "correct": False}
    paged = {"k": 2, "offset": 1, "filters": (FILTERS[0],)}
    for query in (SearchQuery("a", Page(1)), SimilarQuery("a", Page(1))):
        earlier = cache(10**6)
        earlier.put(earlier.digest(query), hits())
        for field in dataclasses.fields(query):
            assert (
                earlier.get("v1", earlier.digest(dataclasses.replace(query, **{field.name: changed[field.name]})))
                is None
            )
        for field in dataclasses.fields(Page):
            page = dataclasses.replace(query.page, **{field.name: paged[field.name]})
            assert earlier.get("v1", earlier.digest(dataclasses.replace(query, page=page))) is None


def test_what_was_not_used_for_longest_goes_first() -> None:
    earlier = cache(1_800)  # room for three of about 520 bytes
    queries = [SearchQuery(text, Page(1)) for text in "abcd"]
    for query in queries[:3]:
        earlier.put(earlier.digest(query), hits())
    earlier.get("v1", earlier.digest(queries[0]))
    earlier.put(earlier.digest(queries[3]), hits())
    assert [earlier.get("v1", earlier.digest(query)) is not None for query in queries] == [True, False, True, True]


def test_its_size_is_bounded_and_told() -> None:
    metrics = Metrics()
    earlier = AnswerCache(5_000, metrics)
    for number in range(100):
        earlier.put(earlier.digest(SearchQuery(str(number % 17), Page(1))), hits(50 * (number % 9)))
    size = _metric(metrics, "vitrine_cache_bytes")
    assert 4_000 < size <= 5_000
    earlier.put(earlier.digest(ASKED), hits(5_001))
    assert earlier.get("v1", earlier.digest(ASKED)) is None and _metric(metrics, "vitrine_cache_bytes") == size
    earlier.clear()
    assert _metric(metrics, "vitrine_cache_bytes") == 0


def long_search(number: int) -> SearchQuery:
    """A search with 60 KB of filters, which are about as much as a body can hold."""
    values = tuple(f"{number:05d}-{place:03d}-{'x' * 590}" for place in range(100))
    return SearchQuery("red shoes", Page(10, filters=(OneOf("colour", values),)))


def short_search(number: int) -> SearchQuery:
    return SearchQuery(f"red shoes {number}", Page(10))


@pytest.mark.parametrize(
    ("search", "content_bytes", "count", "budget"),
    [(long_search, 200, 200, 64_000_000), (long_search, 200, 100, 20_000), (short_search, 0, 2_800, 64_000_000),
     (short_search, 0, 2_000, 400_000), (short_search, 2_000, 500, 200_000)],
)  # fmt: skip
def test_it_takes_no_more_memory_than_it_says(
    search: Callable[[int], SearchQuery], content_bytes: int, count: int, budget: int
) -> None:
    metrics = Metrics()
    earlier = AnswerCache(budget, metrics)
    content = np.random.default_rng(0).bytes(content_bytes)
    earlier.get("v1", earlier.digest(search(0)))
    tracemalloc.start()
    try:
        for number in range(count):
            # As from another process: nothing is shared with other answers.
            earlier.put(
                earlier.digest(search(number)), RenderedAnswer("v" + str(1), bytes(bytearray(content)), 1_000 + number)
            )
        snapshot = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    # Threads that other tests have left may take memory meanwhile.
    files = [tracemalloc.Filter(True, file) for file in (__file__, answer_cache.__file__, bounded_cache.__file__)]
    taken = sum(trace.size for trace in snapshot.filter_traces(files).traces)
    told = _metric(metrics, "vitrine_cache_bytes")
    assert taken - 10_000 < told <= budget
    assert taken > told / 2


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\x00" * 3, json.dumps(list(range(5_000))).encode()])
@pytest.mark.parametrize("total_matches", [None, 0, 7])
def test_what_is_found_again_is_what_was_kept(content: bytes, total_matches: int | None) -> None:
    earlier = cache(100_000)
    earlier.put(earlier.digest(ASKED), RenderedAnswer("v1", content, total_matches))
    assert (
        earlier.get("v1", earlier.digest(ASKED))
        == earlier.get("v1", earlier.digest(ASKED))
        == RenderedAnswer("v1", content, total_matches)
    )


def test_hits_that_are_alike_take_a_fraction_of_their_bytes() -> None:
    metrics = Metrics()
    earlier = AnswerCache(1_000_000, metrics)
    many = ",".join(json.dumps({"rank": rank, "score": 0.5, "title": "Red Shoe", "brand": "a"}) for rank in range(100))
    earlier.put(earlier.digest(ASKED), RenderedAnswer("v1", many.encode(), None))
    assert 300 < _metric(metrics, "vitrine_cache_bytes") < 500 + len(many) / 4


def test_hits_and_misses_are_counted() -> None:
    metrics = Metrics()
    earlier = AnswerCache(5_000, metrics)
    for _ in range(3):
        earlier.get("v1", earlier.digest(ASKED))
    earlier.put(earlier.digest(ASKED), hits())
    earlier.get("v1", earlier.digest(ASKED))
    assert _metric(metrics, 'vitrine_cache_lookups_total{outcome="miss"}') == 3
    assert _metric(metrics, 'vitrine_cache_lookups_total{outcome="hit"}') == 1


def test_without_room_nothing_is_kept_or_counted() -> None:
    metrics = Metrics()
    earlier = AnswerCache(0, metrics)
    earlier.put(earlier.digest(ASKED), hits(0))
    assert earlier.get("v1", earlier.digest(ASKED)) is None
    assert _metric(metrics, 'vitrine_cache_lookups_total{outcome="miss"}') == 0
    assert _metric(metrics, 'vitrine_cache_lookups_total{outcome="hit"}') == 0


def _metric(metrics: Metrics, name: str) -> float:
    (line,) = [line for line in metrics.render().decode().splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])
