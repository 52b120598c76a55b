"""All products of a version as prepared JSON, from which hits are rendered by copying.

The JSON of each product, `"product_id":"p1","title":...}`, lies in one Arrow buffer. Arrow builds this buffer and joins
hits from it column by column without holding Python's lock, so that other threads go on meanwhile. The table takes
about as much memory as the uncompressed products.parquet, plus the column names once per product.
"""

import itertools
import json
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from artifacts.catalog import CATALOG_COLUMNS
from artifacts.errors import FormatError
from service.worker.ranking import Ranking

# Fields of a hit that the search itself fills. An attribute of the same name can be filtered by but is not shown.
SEARCH_FIELDS = ("rank", "score", "explain")
_ROWS_AT_ONCE = 65_536
_IMAGE_KEY = ',"image":'
_DECODER = json.JSONDecoder()
_FIRST_PRINTABLE = 0x20  # JSON requires every character below it to be escaped


class HitTable:
    """The JSON of each product, by row number.

    Args:
        products: all products, in the order of the index.

    Raises:
        FormatError: a text is not valid UTF-8.
    """

    def __init__(self, products: pa.Table) -> None:
        self._fragments = pa.concat_arrays([_fragments(batch) for batch in products.to_batches(_ROWS_AT_ONCE)])

    def render(self, rankings: Sequence[Ranking]) -> list[bytes]:
        """Return the hits of each ranking as the elements of a JSON array, without its brackets."""
        counts = [len(ranking.rows) for ranking in rankings]
        if not any(counts):
            return [b""] * len(counts)
        prefixes = [_hit_prefixes(ranking.first_rank, count) for count, ranking in zip(counts, rankings, strict=True)]
        rows = np.concatenate([ranking.rows for ranking in rankings])
        scores = np.concatenate([ranking.scores for ranking in rankings])
        texts = pc.binary_join_element_wise(
            pa.concat_arrays(prefixes),
            _score_texts(scores),
            _COMMA,
            _explanations(rankings),
            self._fragments.take(pa.array(rows)),
            _COMMA,
            _EMPTY,
        )
        return _join_rankings(texts, counts)

    def render_product(self, row: int) -> bytes:
        """Return a product as a JSON object."""
        return b"{" + memoryview(self._fragments[row].as_buffer())

    def image(self, row: int) -> bytes:
        """Return the image entry of a product as a JSON string, or `null` if it has none.

        It is cut out of the product's JSON. The key is found at its first occurrence: only the id and the title stand
        before it, and within a JSON string every quote is escaped.
        """
        fragment: str = self._fragments[row].as_py()
        start = fragment.index(_IMAGE_KEY) + len(_IMAGE_KEY)
        _, end = _DECODER.raw_decode(fragment, start)
        return fragment[start:end].encode()


@lru_cache(maxsize=64)
def _hit_prefixes(first_rank: int, count: int) -> pa.Array:
    """Return the JSON before the score of each hit. It is cached, since most searches ask for the same page."""
    ranks = pc.cast(pa.array(np.arange(count) + first_rank), pa.large_string())
    return pc.binary_join_element_wise(_RANK, ranks, _SCORE, _EMPTY)


def _score_texts(scores: npt.NDArray[np.float32]) -> pa.Array:
    """Return the scores as text with six decimal places."""
    return pc.cast(pc.cast(pa.array(scores.astype(np.float64)), _SIX_PLACES), pa.large_string())


def _join_rankings(texts: pa.Array, counts: Sequence[int]) -> list[bytes]:
    """Split the joined text of all hits into one bytes object per ranking and drop each trailing comma."""
    _, offsets, content = texts.buffers()
    ends = np.frombuffer(offsets, np.int64)[np.cumsum([0, *counts])].tolist()
    content = memoryview(content)
    return [bytes(content[start : max(start, end - 1)]) for start, end in itertools.pairwise(ends)]


def _explanations(rankings: Sequence[Ranking]) -> pa.Array | pa.Scalar:
    """Return the field `explain` of each hit with a comma after it; empty for hits without an explanation."""
    if not any(ranking.explanation for ranking in rankings):
        return _EMPTY
    return pa.array([text for ranking in rankings for text in _explanation_texts(ranking)], pa.large_string())


def _explanation_texts(ranking: Ranking) -> list[str]:
    if ranking.explanation is None:
        return [""] * len(ranking.rows)
    pairs = [
        [f'"{name}":{"null" if math.isnan(value) else f"{value:.6f}"}' for value in values.tolist()]
        for name, values in ranking.explanation.values.items()
    ]
    kind = '"kind":"cosines",' if ranking.explanation.kind == "cosines" else ""
    return [f'"explain":{{{kind}{",".join(hit)}}},' for hit in zip(*pairs, strict=True)]


def _fragments(batch: pa.RecordBatch) -> pa.Array:
    """Return the JSON that follows rank and score in the hit of each product, as large_string."""
    pieces: list[pa.Array | pa.Scalar] = []
    attributes = [name for name in batch.schema.names if name not in CATALOG_COLUMNS]
    for name in (*CATALOG_COLUMNS, *attributes):
        if name in SEARCH_FIELDS:
            continue
        column = pc.fill_null(batch[name], "") if name == "title" else batch[name]
        key = _text(f"{',' if pieces else ''}{json.dumps(name)}:")
        pieces += [key, pc.fill_null(_json_values(name, column), "null")]
    return pc.binary_join_element_wise(*pieces, _text("}"), _EMPTY)


def _text(text: str) -> pa.Scalar:
    return pa.scalar(text, pa.large_string())


def _json_values(name: str, column: pa.Array) -> pa.Array:
    """Return each value of a column as JSON text, as large_string; null stays null."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _json_texts(name, column.cast(pa.large_string()))
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, kind))  # JSON has no NaN
    if any(is_kind(kind) for is_kind in _WRITTEN_BY_ARROW):
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
    text = escaped.buffers()[2]  # holds these rows alone, since `escaped` is no slice
    if text is not None and text.size and np.frombuffer(text, dtype=np.uint8).min() < _FIRST_PRINTABLE:
        return _json_one_by_one(texts)
    return _quoted(escaped)


def _json_one_by_one(column: pa.Array) -> pa.Array:
    """Return values as JSON by Python, for rare cases: texts with control characters, lists and structures."""
    values = [
        None if value is None else json.dumps(value, ensure_ascii=False, default=str) for value in column.to_pylist()
    ]
    return pa.array(values, pa.large_string())


def _quoted(texts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(_QUOTE, texts, _QUOTE, _EMPTY)


_WRITTEN_BY_ARROW = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
)
_RANK, _SCORE, _QUOTE, _COMMA, _EMPTY = map(_text, ('{"rank":', ',"score":', '"', ",", ""))
_SIX_PLACES = pa.decimal128(18, 6)
