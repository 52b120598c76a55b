"""The products of a version as ready JSON, so that a hit costs one copy and no model.

Each product's text, `"product_id":"p1","title":...}`, lies in one Arrow buffer. It is made column by column
in Arrow, which holds no Python lock: a swap under load must not stall the searches. In memory it takes about
as much as products.parquet unpacked, plus the column names once per product.
"""

import json
import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from artifacts.catalog import CATALOG_COLUMNS
from artifacts.errors import FormatError
from service.tower_cosines import Explanation

# Fields of a hit that the search itself gives. An attribute of that name can be filtered by but is not shown.
SEARCH_FIELDS = ("rank", "score", "explain")
_ROWS_AT_ONCE = 65_536
_FIRST_PRINTABLE = 0x20  # JSON wants every character below it escaped


class HitTable:
    """Products by row number, ready to be sent.

    Args:
        products: The catalogue's rows.

    Raises:
        FormatError: A text is not valid UTF-8.
    """

    def __init__(self, products: pa.Table) -> None:
        fragments = pa.concat_arrays([_fragments(batch) for batch in products.to_batches(_ROWS_AT_ONCE)])
        _, starts, text = fragments.buffers()
        self._starts = np.frombuffer(starts, dtype=np.int64)[: len(fragments) + 1]
        self._text = memoryview(text)

    def render(
        self,
        rows: npt.NDArray[np.int64],
        scores: npt.NDArray[np.float32],
        first_rank: int = 1,
        explanation: Explanation | None = None,
    ) -> bytes:
        """Hits as the elements of a JSON array, without its brackets.

        Args:
            rows: Shape (k,), best first, without padding.
            scores: Shape (k,).
            first_rank: Rank of the first.
            explanation: Of the scores, to stand in `explain`.
        """
        text = self._text
        places = zip(self._starts[rows].tolist(), self._starts[rows + 1].tolist(), strict=True)
        parts: list[object] = [b""] * (3 * len(rows))
        parts[::3] = scores.tolist()
        if explanation is not None:
            parts[1::3] = _explained(explanation)
        parts[2::3] = [text[start:end] for start, end in places]
        return _template(first_rank, len(rows)) % tuple(parts)

    def render_product(self, row: int) -> bytes:
        """A product as a JSON object."""
        return b"{" + self._text[self._starts[row] : self._starts[row + 1]]


@lru_cache(maxsize=64)
def _template(first_rank: int, count: int) -> bytes:
    """So many hits with places for score, explanation and product: one formatting instead of one a hit."""
    return b",".join(b'{"rank":%d,"score":%%.6f,%%b%%b' % rank for rank in range(first_rank, first_rank + count))


def _explained(explanation: Explanation) -> list[bytes]:
    """The field `explain` of each hit, with the comma after it."""
    pairs = [
        [b'"%b":%b' % (name.encode(), b"null" if math.isnan(value) else b"%.6f" % value) for value in values.tolist()]
        for name, values in explanation.values.items()
    ]
    kind = b'"kind":"cosines",' if explanation.kind == "cosines" else b""
    return [b'"explain":{%b%b},' % (kind, b",".join(hit)) for hit in zip(*pairs, strict=True)]


def _fragments(batch: pa.RecordBatch) -> pa.Array:
    """What follows rank and score in each hit, as large_string."""
    parts: list[pa.Array | pa.Scalar] = []
    attributes = [name for name in batch.schema.names if name not in CATALOG_COLUMNS]
    for name in (*CATALOG_COLUMNS, *attributes):
        if name in SEARCH_FIELDS:
            continue
        column = pc.fill_null(batch[name], "") if name == "title" else batch[name]
        key = pa.scalar(f"{',' if parts else ''}{json.dumps(name)}:", pa.large_string())
        parts += [key, pc.fill_null(_json_values(name, column), "null")]
    return pc.binary_join_element_wise(*parts, pa.scalar("}", pa.large_string()), _EMPTY)


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
_QUOTE = pa.scalar('"', pa.large_string())
_EMPTY = pa.scalar("", pa.large_string())
