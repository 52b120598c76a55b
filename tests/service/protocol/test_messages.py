"""What two processes say to each other is on the other side what it was."""

import socket
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.errors import FilterError, QueryError, RequestError, UnavailableError, leaf_classes
from service.protocol.filters import OneOf, Range
from service.protocol.messages import (
    BatchAnswer,
    BatchSeconds,
    Message,
    Rendered,
    Unpacker,
    error_of_json,
    error_to_json,
    queries_of,
    receive,
    to_message,
)
from service.protocol.queries import Page, PhotoQuery, ProductQuery, Query, SearchQuery, SimilarQuery

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
_QUERIES = st.one_of(
    st.builds(SearchQuery, _TEXTS, _PAGES, st.booleans(), st.none() | st.text()),
    st.builds(SimilarQuery, _TEXTS, _PAGES),
    st.builds(ProductQuery, _TEXTS),
    st.builds(PhotoQuery, st.binary(), _PAGES),
)
_OUTCOMES = st.one_of(
    st.builds(Rendered, st.binary(), st.none() | st.integers(0, 10**7)),
    st.builds(QueryError, st.text()),
    st.builds(FilterError, st.text()),
)


def over(cut: int, message: Message) -> Message:
    """A message that comes in pieces of so many bytes."""
    unpacker, packed = Unpacker(), message.packed()
    for start in range(0, len(packed), cut):
        assert unpacker.next() is None
        unpacker.add(packed[start : start + cut])
    came = unpacker.next()
    assert came is not None and unpacker.next() is None
    return came


@given(st.lists(_QUERIES, max_size=5), st.integers(1, 40))
def test_queries(queries: list[Query], cut: int) -> None:
    came = queries_of(over(cut, to_message(queries)))
    assert came == queries
    assert repr(came) == repr(queries), "1, 1.0 and True are equal to Python, and not the same to a filter"


@given(st.lists(_OUTCOMES, max_size=5), st.integers(1, 40))
def test_answers(outcomes: list[Rendered | QueryError | FilterError], cut: int) -> None:
    seconds = BatchSeconds(0.25, 0.5, 1e-9, 3.0)
    came = BatchAnswer.of_message(over(cut, BatchAnswer(outcomes, seconds).to_message()))
    assert came.seconds == seconds
    assert [(type(one), str(one)) for one in came.outcomes] == [(type(one), str(one)) for one in outcomes]


@pytest.mark.parametrize("kind", [*leaf_classes(RequestError), *leaf_classes(UnavailableError)])
def test_every_error_that_is_answered_goes_over(kind: Callable[[str], QueryError]) -> None:
    came = error_of_json(error_to_json(kind("why, in words")))
    assert type(came) is kind and str(came) == "why, in words"


def test_messages_that_come_together_are_told_apart() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(Message(1, b"one").packed() + Message(2).packed() + Message(3, b"three").packed()[:5])
        unpacker = Unpacker()
        assert [receive(theirs, unpacker), receive(theirs, unpacker)] == [Message(1, b"one"), Message(2)]
        rest = threading.Timer(0.05, lambda: ours.sendall(Message(3, b"three").packed()[5:]))
        rest.start()
        assert receive(theirs, unpacker) == Message(3, b"three")
        ours.close()
        assert receive(theirs, unpacker) is None
