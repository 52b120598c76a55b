"""Answers of a version, as records that need no model and no index."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.core.errors import ServiceError


@dataclass(frozen=True)
class RenderedAnswer:
    """The answer to one query, as JSON that is ready to be sent.

    The same record comes from the worker, is kept in the cache and is put into the HTTP answer.

    Attributes:
        version_id: the version that answered.
        content: the hits as the elements of a JSON array, without its brackets; for a ProductQuery the product as a
            JSON object.
        total_matches: how many products meet the filters; None if the query had none.
        corrected: the text that was searched for, if it is another than the one that was typed.
    """

    version_id: str
    content: bytes
    total_matches: int | None
    corrected: str | None = None


@dataclass(frozen=True)
class BatchSeconds:
    """The seconds that a batch spent in each stage.

    Attributes:
        decode: decoding photos.
        encode: encoding queries, photos included.
        words: correcting typing errors and searching by words.
        search: filtering, searching the index and explaining scores.
        render: writing the hits as JSON.
    """

    decode: float
    encode: float
    words: float
    search: float
    render: float


@dataclass(frozen=True)
class BatchAnswer:
    """The outcome of each query of a batch: its answer, or the error that says why it has none."""

    outcomes: Sequence[RenderedAnswer | ServiceError]
    seconds: BatchSeconds
