"""What the process that speaks HTTP and one that searches say to each other, over sockets that only they have.

A message is a head, which is JSON, and a body of bytes that stand as they are: photos there, rendered hits back. Before
both stand their lengths.
"""

import json
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artifacts.records import Record
from service.core.device import Device
from service.core.errors import RequestError, ServiceError, UnavailableError, leaf_classes
from service.core.logs import LogFormat
from service.protocol.filters import Condition, Filters, OneOf, Range
from service.protocol.queries import Page, PhotoQuery, ProductQuery, Query, SearchQuery, SimilarQuery

_LENGTHS = struct.Struct("<II")  # of head and body
_ENCODER = json.JSONEncoder(separators=(",", ":"))  # json.dumps makes one for each message
_ERRORS = {kind.__name__: kind for parent in (RequestError, UnavailableError) for kind in leaf_classes(parent)}
_RECEIVED_AT_ONCE = 1 << 20


class Order(Record):
    """What a search process is told to do.

    Attributes:
        store: Of the version.
        device: It is searched on.
        encoder_threads: Of one photo.
        photo_search: Whether photos are to be queries.
        index_threads: Of FAISS, for each batch.
        log_format: Of the service.
        most_bytes: Of memory that the version may take; None without a limit.
        version_id: That is loaded. This and the next are told when a process begins.
        control: Number of the socket on which the version is told of.
        lines: Numbers of the sockets on which batches come, a thread each.
    """

    store: Path
    device: Device
    encoder_threads: int
    photo_search: bool
    index_threads: int
    log_format: LogFormat
    most_bytes: int | None = None
    version_id: str = ""
    control: int = -1
    lines: tuple[int, ...] = ()


@dataclass(frozen=True)
class Message:
    """One message."""

    head: Any
    body: bytes = b""

    def packed(self) -> bytes:
        """As it is sent."""
        head = _ENCODER.encode(self.head).encode()
        return b"".join((_LENGTHS.pack(len(head), len(self.body)), head, self.body))


class Unpacker:
    """Messages out of what comes, however that is cut."""

    def __init__(self) -> None:
        self._received = bytearray()

    def add(self, data: bytes) -> None:
        """Take what came."""
        self._received += data

    def next(self) -> Message | None:
        """The first message, once it is whole."""
        received = self._received
        if len(received) < _LENGTHS.size:
            return None
        head_bytes, body_bytes = _LENGTHS.unpack_from(received)
        begin = _LENGTHS.size + head_bytes
        end = begin + body_bytes
        if len(received) < end:
            return None
        with memoryview(received) as view:
            message = Message(json.loads(bytes(view[_LENGTHS.size : begin])), bytes(view[begin:end]))
        del received[:end]
        return message


def receive(connection: socket.socket, unpacker: Unpacker) -> Message | None:
    """Wait for a message; None when the other side has hung up."""
    while (message := unpacker.next()) is None:
        try:
            data = connection.recv(_RECEIVED_AT_ONCE)
        except OSError:
            return None
        if not data:
            return None
        unpacker.add(data)
    return message


@dataclass(frozen=True)
class Rendered:
    """What one query found, ready to be sent on.

    Attributes:
        content: Its hits as the elements of a JSON array, or its product as an object.
        passing: How many products meet the filters; None without filters.
    """

    content: bytes
    passing: int | None


@dataclass(frozen=True)
class BatchSeconds:
    """Where the time of a batch went.

    Attributes:
        decode: Of photos.
    """

    decode: float
    encode: float
    search: float
    render: float


@dataclass(frozen=True)
class BatchAnswer:
    """What a batch found, query by query, or why one has no answer."""

    outcomes: Sequence[Rendered | ServiceError]
    seconds: BatchSeconds

    def to_message(self) -> Message:
        """As it is sent."""
        told: list[object] = []
        contents: list[bytes] = []
        for outcome in self.outcomes:
            if isinstance(outcome, ServiceError):
                told.append(error_to_json(outcome))
            else:
                told.append((len(outcome.content), outcome.passing))
                contents.append(outcome.content)
        seconds = self.seconds
        head = (told, (seconds.decode, seconds.encode, seconds.search, seconds.render))
        return Message(head, b"".join(contents))

    @classmethod
    def of_message(cls, message: Message) -> "BatchAnswer":
        """As it was before it was sent."""
        told, seconds = message.head
        outcomes: list[Rendered | ServiceError] = []
        start = 0
        for one in told:
            if isinstance(one, dict):
                outcomes.append(error_of_json(one))
                continue
            length, passing = one
            outcomes.append(Rendered(message.body[start : start + length], passing))
            start += length
        return cls(outcomes, BatchSeconds(*seconds))


def error_to_json(error: ServiceError) -> dict[str, str]:
    """An error as the other side makes it again."""
    return {"error": type(error).__name__, "detail": str(error)}


def error_of_json(told: dict[str, str]) -> ServiceError:
    """See `error_to_json`."""
    return _ERRORS[told["error"]](told["detail"])


def to_message(queries: Sequence[Query]) -> Message:
    """A batch of queries as it is sent."""
    told = [_to_json(query) for query in queries]
    return Message(told, b"".join(query.content for query in queries if isinstance(query, PhotoQuery)))


def queries_of(message: Message) -> list[Query]:
    """See `to_message`."""
    start = 0

    def photo(told: list[Any]) -> PhotoQuery:
        nonlocal start
        length, page = told
        content = message.body[start : start + length]
        start += length
        return PhotoQuery(content, _page_of(page))

    kinds: dict[str, Callable[[list[Any]], Query]] = {
        "text": lambda told: SearchQuery(told[0], _page_of(told[1]), told[2], told[3]),
        "similar": lambda told: SimilarQuery(told[0], _page_of(told[1])),
        "product": lambda told: ProductQuery(told[0]),
        "photo": photo,
    }
    return [kinds[kind](told) for kind, *told in message.head]


def _to_json(query: Query) -> tuple[object, ...]:
    if isinstance(query, SearchQuery):
        return "text", query.text, _page_to_json(query.page), query.explain, query.part
    if isinstance(query, SimilarQuery):
        return "similar", query.product_id, _page_to_json(query.page)
    if isinstance(query, ProductQuery):
        return "product", query.product_id
    return "photo", len(query.content), _page_to_json(query.page)


def _page_to_json(page: Page) -> tuple[object, ...]:
    return page.k, page.offset, [_condition_to_json(condition) for condition in page.filters]


def _page_of(told: list[Any]) -> Page:
    k, offset, conditions = told
    filters: Filters = tuple(_condition_of(*condition) for condition in conditions)
    return Page(k, offset, filters)


def _condition_to_json(condition: Condition) -> tuple[object, ...]:
    if isinstance(condition, OneOf):
        return "one_of", condition.column, condition.values
    return "range", condition.column, condition.bounds


def _condition_of(kind: str, column: str, told: list[Any]) -> Condition:
    if kind == "one_of":
        return OneOf(column, tuple(told))
    return Range(column, tuple((operator, bound) for operator, bound in told))
