"""Rankings that read words: by the words alone, and by words and vectors together.

`hybrid` fuses both rankings by their places (lexical/rank_fusion.py).
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from service.protocol.queries import Page
from service.worker.filter_masks import Mask
from service.worker.ranking import Explanation, Ranking

if TYPE_CHECKING:  # so that versions without words need no tantivy
    from lexical import QueryWords, WordIndex

# Each ranking is read so deep that a page within this depth is filled; pages of one depth fit together.
_DEPTHS = (100, 1000)

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class AskedWords:
    """The words of a query, and the seconds that it took to understand them."""

    words: "QueryWords"
    seconds: float

    @classmethod
    def of(cls, text: str, index: "WordIndex", *, correct: bool) -> "AskedWords":
        """Return the words of a query's text, with typing errors corrected if wanted."""
        started_at = time.perf_counter()
        words = index.understand(text, correct=correct)
        return cls(words, time.perf_counter() - started_at)

    @property
    def corrected(self) -> str | None:
        """The text that is searched for; None if it is the one that was typed."""
        return self.words.text if self.words.is_corrected else None


def fused_depth(page: Page) -> int:
    """Return how many products of each ranking are fused for a page."""
    return next(depth for depth in _DEPTHS if page.depth <= depth)


def rank_by_words(
    asked: AskedWords, page: Page, index: "WordIndex", mask: Mask | None, total_matches: int | None, *, explain: bool
) -> Ranking:
    """Return a page of the products that share words with a query.

    Args:
        asked: the query's words.
        page: the part of the ranking that is wanted.
        index: the words of the products.
        mask: which products meet the filters; None for all.
        total_matches: how many these are; None for all.
        explain: whether each hit says what is from an identifier and what from words.
    """
    started_at = time.perf_counter()
    hits = index.search(asked.words, page.depth, mask)
    seconds = time.perf_counter() - started_at
    cut = slice(page.offset, page.depth)
    values = {"words": hits.scores[cut]}
    return Ranking(
        hits.rows[cut],
        hits.scores[cut],
        page.offset + 1,
        total_matches,
        Explanation("rankings", values) if explain else None,
        asked.corrected,
        seconds,
    )


def rank_by_both(
    asked: AskedWords,
    page: Page,
    nearest: Rows,
    index: "WordIndex",
    mask: Mask | None,
    total_matches: int | None,
    *,
    explain: bool,
) -> Ranking:
    """Return a page of the fused ranking; see `rank_by_words` for the arguments.

    Args:
        asked: the query's words.
        page: the part of the ranking that is wanted.
        nearest: the rows of the nearest products by cosine that meet the filters, best first, without padding.
        index: the words of the products.
        mask: which products meet the filters; None for all.
        total_matches: how many these are; None for all.
        explain: whether each hit says what it has from either ranking.
    """
    from lexical.rank_fusion import fuse  # a version without words needs no tantivy

    started_at = time.perf_counter()
    depth = fused_depth(page)
    hits = index.search(asked.words, depth, mask)
    seconds = time.perf_counter() - started_at
    rows, parts = fuse(nearest[:depth], hits)
    scores = sum(parts.values(), np.zeros(len(rows)))
    cut = np.lexsort((rows, -scores))[page.offset : page.depth]
    values = {name: part[cut].astype(np.float32) for name, part in parts.items()}
    return Ranking(
        rows[cut],
        scores[cut].astype(np.float32),
        page.offset + 1,
        total_matches,
        Explanation("rankings", values) if explain else None,
        asked.corrected,
        seconds,
    )
