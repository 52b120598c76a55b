"""Messages between the HTTP process and a worker process, over sockets that only these two hold.

A message has a head, which is JSON, and a body of raw bytes: photos on the way to the worker, rendered hits on the way
back. The lengths of both come first.
"""

import json
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from service.core.errors import RequestError, ServiceError, UnavailableError, leaf_classes
from service.protocol.answers import BatchAnswer, BatchSeconds, RenderedAnswer
from service.protocol.filters import Condition, Filters, OneOf, Range
from service.protocol.queries import ImageQuery, Page, PhotoQuery, ProductQuery, Query, SearchQuery, SimilarQuery

_LENGTHS = struct.Struct("<II")  # bytes of the head and of the body
_ENCODER = json.JSONEncoder(separators=(",", ":"))  # json.dumps would make a new one for each message
_ERRORS = {kind.__name__: kind for parent in (RequestError, UnavailableError) for kind in leaf_classes(parent)}
_RECEIVE_BYTES = 1 << 20


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes:
        head: any value that JSON can hold.
        body: raw bytes.
    """

    head: Any
    body: bytes = b""

    def to_bytes(self) -> bytes:
        """Return the message as it is sent over a socket."""
        head = _ENCODER.encode(self.head).encode()
        return b"".join((_LENGTHS.pack(len(head), len(self.body)), head, self.body))


HEARTBEAT = Message("heartbeat")  # a worker process sends it back at once, also while it loads its version


class MessageBuffer:
    """Received bytes, which are cut into messages again."""

    def __init__(self) -> None:
        self._received = bytearray()

    def add(self, data: bytes) -> None:
        """Append received bytes."""
        self._received += data

    def next(self) -> Message | None:
        """Remove and return the first message; None until it has arrived completely."""
        received = self._received
        if len(received) < _LENGTHS.size:
            return None
        head_bytes, body_bytes = _LENGTHS.unpack_from(received)
        body_start = _LENGTHS.size + head_bytes
        end = body_start + body_bytes
        if len(received) < end:
            return None
        with memoryview(received) as view:
            message = Message(json.loads(bytes(view[_LENGTHS.size : body_start])), bytes(view[body_start:end]))
        del received[:end]
        return message


def receive(connection: socket.socket, buffer: MessageBuffer) -> Message | None:
    """Wait for a message; None when the other side has closed the connection.

    Args:
        connection: the socket to read.
        buffer: bytes of this socket that were read before.
    """
    while (message := buffer.next()) is None:
        try:
            data = connection.recv(_RECEIVE_BYTES)
        except OSError:
            return None
        if not data:
            return None
        buffer.add(data)
    return message


def answer_to_message(answer: BatchAnswer) -> Message:
    """Encode the answer of a batch. The version is left out: the receiver knows which version it asked."""
    heads: list[object] = []
    contents: list[bytes] = []
    for outcome in answer.outcomes:
        if isinstance(outcome, ServiceError):
            heads.append(error_to_json(outcome))
        else:
            heads.append((len(outcome.content), outcome.total_matches, outcome.corrected))
            contents.append(outcome.content)
    seconds = answer.seconds
    stages = (seconds.decode, seconds.encode, seconds.words, seconds.search, seconds.render)
    return Message((heads, stages), b"".join(contents))


def answer_from_message(message: Message, version_id: str) -> BatchAnswer:
    """Decode what `answer_to_message` encoded.

    Args:
        message: the message.
        version_id: the version that was asked.
    """
    heads, seconds = message.head
    outcomes: list[RenderedAnswer | ServiceError] = []
    start = 0
    for head in heads:
        if isinstance(head, dict):
            outcomes.append(error_from_json(head))
            continue
        length, total_matches, corrected = head
        content = message.body[start : start + length]
        outcomes.append(RenderedAnswer(version_id, content, total_matches, corrected))
        start += length
    return BatchAnswer(outcomes, BatchSeconds(*seconds))


def error_to_json(error: ServiceError) -> dict[str, str]:
    """Encode an error by the name of its class and its message."""
    return {"error": type(error).__name__, "detail": str(error)}


def error_from_json(payload: dict[str, str]) -> ServiceError:
    """Decode what `error_to_json` encoded."""
    return _ERRORS[payload["error"]](payload["detail"])


def queries_to_message(queries: Sequence[Query]) -> Message:
    """Encode a batch of queries."""
    head = [_query_to_json(query) for query in queries]
    return Message(head, b"".join(query.content for query in queries if isinstance(query, PhotoQuery)))


def queries_from_message(message: Message) -> list[Query]:
    """Decode what `queries_to_message` encoded."""
    start = 0

    def photo_query(length: int, page: list[Any]) -> PhotoQuery:
        nonlocal start
        content = message.body[start : start + length]
        start += length
        return PhotoQuery(content, _page_from_json(page))

    decoders: dict[str, Callable[..., Query]] = {
        "text": lambda text, page, *options: SearchQuery(text, _page_from_json(page), *options),
        "similar": lambda product_id, page: SimilarQuery(product_id, _page_from_json(page)),
        "product": ProductQuery,
        "image": ImageQuery,
        "photo": photo_query,
    }
    return [decoders[kind](*fields) for kind, *fields in message.head]


def _query_to_json(query: Query) -> tuple[object, ...]:
    if isinstance(query, SearchQuery):
        options = (query.explain, query.modality, query.prior, query.ranking, query.correct)
        return "text", query.text, _page_to_json(query.page), *options
    if isinstance(query, SimilarQuery):
        return "similar", query.product_id, _page_to_json(query.page)
    if isinstance(query, ProductQuery):
        return "product", query.product_id
    if isinstance(query, ImageQuery):
        return "image", query.product_id
    return "photo", len(query.content), _page_to_json(query.page)


def _page_to_json(page: Page) -> tuple[object, ...]:
    return page.k, page.offset, [_condition_to_json(condition) for condition in page.filters]


def _page_from_json(payload: list[Any]) -> Page:
    k, offset, conditions = payload
    filters: Filters = tuple(_condition_from_json(*condition) for condition in conditions)
    return Page(k, offset, filters)


def _condition_to_json(condition: Condition) -> tuple[object, ...]:
    if isinstance(condition, OneOf):
        return "one_of", condition.column, condition.values
    return "range", condition.column, condition.bounds


def _condition_from_json(kind: str, column: str, values: list[Any]) -> Condition:
    if kind == "one_of":
        return OneOf(column, tuple(values))
    return Range(column, tuple((operator, bound) for operator, bound in values))
