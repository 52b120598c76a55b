"""All products of a version as prepared JSON, from which hits are rendered by copying.

The JSON of each product, `"product_id":"p1","title":...}`, lies in one Arrow buffer. Arrow joins hits
from it column by column without holding Python's lock, so that other threads go on meanwhile. The table takes about as
much memory as the uncompressed products.parquet, plus the column names once per product.
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

from artifacts.product_json import product_fragments
from service.worker.ranking import Ranking

_IMAGE_KEY = ',"image":'
_DECODER = json.JSONDecoder()


class HitTable:
    """The JSON of each product, by row number.

    Args:
        products: all products, in the order of the index.

    Raises:
        FormatError: a value cannot be shown; the message names its column.
    """

    def __init__(self, products: pa.Table) -> None:
        self._fragments = pa.concat_arrays([*product_fragments(products)])

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
    kind = "" if ranking.explanation.kind == "scores" else f'"kind":"{ranking.explanation.kind}",'
    return [f'"explain":{{{kind}{",".join(hit)}}},' for hit in zip(*pairs, strict=True)]


def _text(text: str) -> pa.Scalar:
    return pa.scalar(text, pa.large_string())


_RANK, _SCORE, _COMMA, _EMPTY = map(_text, ('{"rank":', ',"score":', ",", ""))
_SIX_PLACES = pa.decimal128(18, 6)
