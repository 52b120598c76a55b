"""A message arrives as it was sent."""

import socket
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.errors import FilterError, QueryError, RequestError, UnavailableError, leaf_classes
from service.protocol.answers import BatchAnswer, BatchSeconds, RenderedAnswer
from service.protocol.filters import OneOf, Range
from service.protocol.messages import (
    Message,
    MessageBuffer,
    answer_from_message,
    answer_to_message,
    error_from_json,
    error_to_json,
    queries_from_message,
    queries_to_message,
    receive,
)
from service.protocol.queries import ImageQuery, Page, PhotoQuery, ProductQuery, Query, SearchQuery, SimilarQuery

_VALUES = st.one_of(
    st.text(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.just(10**400)
)
_NUMBERS = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
_BOUNDS = st.lists(st.tuples(st.sampled_from(["gte", "gt", "lte", "lt"]), _NUMBERS), min_size=1, max_size=4)
_CONDITIONS = st.one_of(
    st.builds(OneOf, st.text(), st.lists(_VALUES, min_size=1, max_size=4).map(tuple)),
    st.builds(Range, st.text(), _BOUNDS.map(tuple)),
)
_PAGES = st.builds(Page, st.integers(1, 1000), st.integers(0, 999), st.lists(_CONDITIONS, max_size=3).map(tuple))
_TEXTS = st.text(st.characters(exclude_categories=()))  # lone surrogates too: JSON as clients send it has them
_RANKINGS = st.sampled_from(["cosine", "words", "hybrid"])
_QUERIES = st.one_of(
    st.builds(SearchQuery, _TEXTS, _PAGES, st.booleans(), st.none() | st.text(), st.floats(0, 1), _RANKINGS),
    st.builds(SimilarQuery, _TEXTS, _PAGES),
    st.builds(ProductQuery, _TEXTS),
    st.builds(ImageQuery, _TEXTS),
    st.builds(PhotoQuery, st.binary(), _PAGES),
)
_OUTCOMES = st.one_of(
    st.builds(RenderedAnswer, st.just("v1"), st.binary(), st.none() | st.integers(0, 10**7), st.none() | _TEXTS),
    st.builds(QueryError, st.text()),
    st.builds(FilterError, st.text()),
)


def over(cut: int, message: Message) -> Message:
    """A message that comes in pieces of so many bytes."""
    buffer, packed = MessageBuffer(), message.to_bytes()
    for start in range(0, len(packed), cut):
        assert buffer.next() is None
        buffer.add(packed[start : start + cut])
    came = buffer.next()
    assert came is not None and buffer.next() is None
    return came


@given(st.lists(_QUERIES, max_size=5), st.integers(1, 40))
def test_queries(queries: list[Query], cut: int) -> None:
    came = queries_from_message(over(cut, queries_to_message(queries)))
    assert came == queries
    assert repr(came) == repr(queries), "1, 1.0 and True are equal to Python, and not the same to a filter"


@given(st.lists(_OUTCOMES, max_size=5), st.integers(1, 40))
def test_answers(outcomes: list[RenderedAnswer | QueryError | FilterError], cut: int) -> None:
    seconds = BatchSeconds(0.25, 0.5, 0.125, 1e-9, 3.0)
    came = answer_from_message(over(cut, answer_to_message(BatchAnswer(outcomes, seconds))), "v1")
    assert came.seconds == seconds
    assert [(type(one), str(one)) for one in came.outcomes] == [(type(one), str(one)) for one in outcomes]


@pytest.mark.parametrize("kind", [*leaf_classes(RequestError), *leaf_classes(UnavailableError)])
def test_every_error_that_is_answered_goes_over(kind: Callable[[str], QueryError]) -> None:
    came = error_from_json(error_to_json(kind("why, in words")))
    assert type(came) is kind and str(came) == "why, in words"


def test_messages_that_come_together_are_told_apart() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(Message(1, b"one").to_bytes() + Message(2).to_bytes() + Message(3, b"three").to_bytes()[:5])
        buffer = MessageBuffer()
        assert [receive(theirs, buffer), receive(theirs, buffer)] == [Message(1, b"one"), Message(2)]
        rest = threading.Timer(0.05, lambda: ours.sendall(Message(3, b"three").to_bytes()[5:]))
        rest.start()
        assert receive(theirs, buffer) == Message(3, b"three")
        ours.close()
        assert receive(theirs, buffer) is None
