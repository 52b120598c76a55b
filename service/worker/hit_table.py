"""The products of a version as ready JSON, so that a hit costs one copy and no model.

Each product's text, `"product_id":"p1","title":...}`, lies in one Arrow buffer. These are made, and hits are put
together from them, column by column in Arrow, which holds no Python lock: neither a swap nor the hits of a batch
stall the event loop. In memory it takes about as much as products.parquet unpacked, plus the column names once per
product.
"""

import itertools
import json
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from artifacts.catalog import CATALOG_COLUMNS
from artifacts.errors import FormatError
from service.worker.modality_similarities import Explanation

# Fields of a hit that the search itself gives. An attribute of that name can be filtered by but is not shown.
SEARCH_FIELDS = ("rank", "score", "explain")
_ROWS_AT_ONCE = 65_536
_FIRST_PRINTABLE = 0x20  # JSON wants every character below it escaped


class Ranking(Protocol):
    """The products that a search found."""

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Shape (k,), best first, without padding."""

    @property
    def scores(self) -> npt.NDArray[np.float32]:
        """Shape (k,)."""

    @property
    def first_rank(self) -> int:
        """Rank of the first."""

    @property
    def explanation(self) -> Explanation | None:
        """Of the scores, to stand in `explain`."""


class HitTable:
    """Products by row number, ready to be sent.

    Args:
        products: The catalogue's rows.

    Raises:
        FormatError: A text is not valid UTF-8.
    """

    def __init__(self, products: pa.Table) -> None:
        self._fragments = pa.concat_arrays([_fragments(batch) for batch in products.to_batches(_ROWS_AT_ONCE)])

    def render(self, rankings: Sequence[Ranking]) -> list[bytes]:
        """The hits of each ranking as the elements of a JSON array, without its brackets."""
        counts = [len(ranking.rows) for ranking in rankings]
        if not any(counts):
            return [b""] * len(counts)
        beginnings = [_beginnings(ranking.first_rank, count) for count, ranking in zip(counts, rankings, strict=True)]
        rows = np.concatenate([ranking.rows for ranking in rankings])
        scores = np.concatenate([ranking.scores for ranking in rankings])
        texts = pc.binary_join_element_wise(
            pa.concat_arrays(beginnings),
            _score_texts(scores),
            _COMMA,
            _explanations(rankings),
            self._fragments.take(pa.array(rows)),
            _COMMA,
            _EMPTY,
        )
        return _cut(texts, counts)

    def render_product(self, row: int) -> bytes:
        """A product as a JSON object."""
        return b"{" + memoryview(self._fragments[row].as_buffer())


@lru_cache(maxsize=64)
def _beginnings(first_rank: int, count: int) -> pa.Array:
    """What stands before the scores of so many hits. Pages are mostly the same."""
    ranks = pc.cast(pa.array(np.arange(count) + first_rank), pa.large_string())
    return pc.binary_join_element_wise(_RANK, ranks, _SCORE, _EMPTY)


def _score_texts(scores: npt.NDArray[np.float32]) -> pa.Array:
    """With six places."""
    return pc.cast(pc.cast(pa.array(scores.astype(np.float64)), _SIX_PLACES), pa.large_string())


def _cut(texts: pa.Array, counts: Sequence[int]) -> list[bytes]:
    """So many texts and so many after them, each time as one, without the last byte."""
    _, offsets, content = texts.buffers()
    ends = np.frombuffer(offsets, np.int64)[np.cumsum([0, *counts])].tolist()
    content = memoryview(content)
    return [bytes(content[start : max(start, end - 1)]) for start, end in itertools.pairwise(ends)]


def _explanations(rankings: Sequence[Ranking]) -> pa.Array | pa.Scalar:
    """The field `explain` of each hit, with the comma after it; empty where nothing is explained."""
    if not any(ranking.explanation for ranking in rankings):
        return _EMPTY
    return pa.array([text for ranking in rankings for text in _explained(ranking)], pa.large_string())


def _explained(ranking: Ranking) -> list[str]:
    if ranking.explanation is None:
        return [""] * len(ranking.rows)
    pairs = [
        [f'"{name}":{"null" if math.isnan(value) else f"{value:.6f}"}' for value in values.tolist()]
        for name, values in ranking.explanation.values.items()
    ]
    kind = '"kind":"cosines",' if ranking.explanation.kind == "cosines" else ""
    return [f'"explain":{{{kind}{",".join(hit)}}},' for hit in zip(*pairs, strict=True)]


def _fragments(batch: pa.RecordBatch) -> pa.Array:
    """What follows rank and score in each hit, as large_string."""
    parts: list[pa.Array | pa.Scalar] = []
    attributes = [name for name in batch.schema.names if name not in CATALOG_COLUMNS]
    for name in (*CATALOG_COLUMNS, *attributes):
        if name in SEARCH_FIELDS:
            continue
        column = pc.fill_null(batch[name], "") if name == "title" else batch[name]
        key = _text(f"{',' if parts else ''}{json.dumps(name)}:")
        parts += [key, pc.fill_null(_json_values(name, column), "null")]
    return pc.binary_join_element_wise(*parts, _text("}"), _EMPTY)


def _text(text: str) -> pa.Scalar:
    return pa.scalar(text, pa.large_string())


def _json_values(name: str, column: pa.Array) -> pa.Array:
    """Each value as JSON text; null stays null. Shape and order of the column, large_string."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _json_texts(name, column.cast(pa.large_string()))
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, kind))  # JSON has no NaN
    if any(is_kind(kind) for is_kind in _AS_ARROW_WRITES_THEM):
        return column.cast(pa.large_string())
    if pa.types.is_temporal(kind):
        return _quoted(column.cast(pa.large_string()))
    return _json_one_by_one(column)


def _json_texts(name: str, texts: pa.Array) -> pa.Array:
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid as error:
        raise FormatError(f"column {name} of the products is not valid UTF-8: {error}") from error
    escaped = pc.replace_substring(pc.replace_substring(texts, "\\", "\\\\"), '"', '\\"')
    text = escaped.buffers()[2]  # of these rows alone, since `escaped` was made here
    if text is not None and text.size and np.frombuffer(text, dtype=np.uint8).min() < _FIRST_PRINTABLE:
        return _json_one_by_one(texts)
    return _quoted(escaped)


def _json_one_by_one(column: pa.Array) -> pa.Array:
    """For what is rare: control characters in a text; lists and structures."""
    values = [
        None if value is None else json.dumps(value, ensure_ascii=False, default=str) for value in column.to_pylist()
    ]
    return pa.array(values, pa.large_string())


def _quoted(texts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(_QUOTE, texts, _QUOTE, _EMPTY)


_AS_ARROW_WRITES_THEM = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
)
_RANK, _SCORE, _QUOTE, _COMMA, _EMPTY = map(_text, ('{"rank":', ',"score":', '"', ",", ""))
_SIX_PLACES = pa.decimal128(18, 6)
