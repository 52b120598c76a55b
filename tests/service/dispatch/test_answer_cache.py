"""Answers are found again for the same query and version alone, and take no more memory than they may."""

import json

import numpy as np
import pytest

from service.dispatch.answer_cache import AnswerCache
from service.protocol.answers import RenderedAnswer
from service.protocol.filters import OneOf
from service.protocol.queries import Page, SearchQuery, SimilarQuery
from service.telemetry.metrics import Metrics

ASKED = SearchQuery("red shoes", Page(10))


def hits(size: int = 100, version_id: str = "v1") -> RenderedAnswer:
    """An answer whose bytes cannot be compressed."""
    return RenderedAnswer(version_id, np.random.default_rng(size).bytes(size), None)


def cache(max_bytes: int = 10_000) -> AnswerCache:
    return AnswerCache(max_bytes, Metrics())


@pytest.mark.parametrize("text", ["red shoes", "red   shoes", "red\tshoes\n"])
def test_blanks_make_no_other_query(text: str) -> None:
    earlier = cache()
    earlier.put(ASKED, hits())
    assert earlier.get("v1", SearchQuery(text, Page(10))) == hits()


@pytest.mark.parametrize(
    "other",
    [
        SearchQuery("Red shoes", Page(10)),
        SearchQuery("redshoes", Page(10)),
        SearchQuery("red shoes", Page(11)),
        SearchQuery("red shoes", Page(10, 1)),
        SearchQuery("red shoes", Page(10), explain=True),
        SearchQuery("red shoes", Page(10), modality="text"),
        SearchQuery("red shoes", Page(10, filters=(OneOf("in_stock", (True,)),))),
        SimilarQuery("red shoes", Page(10)),
    ],
)
def test_another_query_is_another_entry(other: SearchQuery | SimilarQuery) -> None:
    earlier = cache()
    earlier.put(ASKED, hits())
    assert earlier.get("v1", other) is None
    assert earlier.get("v2", ASKED) is None


def test_true_and_one_are_different_filters() -> None:
    earlier = cache()
    true, one, float_one = (SearchQuery("a", Page(1, filters=(OneOf("c", (value,)),))) for value in (True, 1, 1.0))
    earlier.put(true, hits())
    assert earlier.get("v1", true) and not earlier.get("v1", one) and not earlier.get("v1", float_one)


def test_what_was_not_used_for_longest_goes_first() -> None:
    earlier = cache(2_000)  # room for three of 600 bytes
    queries = [SearchQuery(text, Page(1)) for text in "abcd"]
    for query in queries[:3]:
        earlier.put(query, hits())
    earlier.get("v1", queries[0])
    earlier.put(queries[3], hits())
    assert [earlier.get("v1", query) is not None for query in queries] == [True, False, True, True]


def test_its_size_is_bounded_and_told() -> None:
    metrics = Metrics()
    earlier = AnswerCache(5_000, metrics)
    for number in range(100):
        earlier.put(SearchQuery(str(number % 7), Page(1)), hits(50 * (number % 9)))
    size = _metric(metrics, "vitrine_cache_bytes")
    assert 4_000 < size <= 5_000
    earlier.put(ASKED, hits(5_001))
    assert earlier.get("v1", ASKED) is None and _metric(metrics, "vitrine_cache_bytes") == size
    earlier.clear()
    assert _metric(metrics, "vitrine_cache_bytes") == 0


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\x00" * 3, json.dumps(list(range(5_000))).encode()])
@pytest.mark.parametrize("total_matches", [None, 0, 7])
def test_what_is_found_again_is_what_was_kept(content: bytes, total_matches: int | None) -> None:
    earlier = cache(100_000)
    earlier.put(ASKED, RenderedAnswer("v1", content, total_matches))
    assert earlier.get("v1", ASKED) == earlier.get("v1", ASKED) == RenderedAnswer("v1", content, total_matches)


def test_hits_that_are_alike_take_a_fraction_of_their_bytes() -> None:
    metrics = Metrics()
    earlier = AnswerCache(1_000_000, metrics)
    many = ",".join(json.dumps({"rank": rank, "score": 0.5, "title": "Red Shoe", "brand": "a"}) for rank in range(100))
    earlier.put(ASKED, RenderedAnswer("v1", many.encode(), None))
    assert 500 < _metric(metrics, "vitrine_cache_bytes") < 500 + len(many) / 4


def test_hits_and_misses_are_counted() -> None:
    metrics = Metrics()
    earlier = AnswerCache(5_000, metrics)
    for _ in range(3):
        earlier.get("v1", ASKED)
    earlier.put(ASKED, hits())
    earlier.get("v1", ASKED)
    assert _metric(metrics, 'vitrine_cache_lookups_total{outcome="miss"}') == 3
    assert _metric(metrics, 'vitrine_cache_lookups_total{outcome="hit"}') == 1


def test_without_room_nothing_is_kept_or_counted() -> None:
    metrics = Metrics()
    earlier = AnswerCache(0, metrics)
    earlier.put(ASKED, hits(0))
    assert earlier.get("v1", ASKED) is None
    assert _metric(metrics, 'vitrine_cache_lookups_total{outcome="miss"}') == 0
    assert _metric(metrics, 'vitrine_cache_lookups_total{outcome="hit"}') == 0


def _metric(metrics: Metrics, name: str) -> float:
    (line,) = [line for line in metrics.render().decode().splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])
