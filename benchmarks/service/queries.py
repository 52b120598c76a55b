"""The queries of bench-service: those of a shop's search log and, where these are too few, mixtures of two of them."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.service.load import Requests

DEPTH = 100
# Exponent of the repeated queries: with 1.0 the second most frequent query comes half as often as the first.
ZIPF_EXPONENT = 1.0
_TRIES = 20  # highest number of rounds in which missing mixtures are drawn


def shop_queries(log: Path, wanted: int, seed: int) -> list[str]:
    """Return distinct queries in random order: those of a search log, then mixtures.

    A mixture joins the first half of one query and the second half of another, so that its length is typical.

    Args:
        log: interactions.parquet of the shop.
        wanted: number of queries.
        seed: seed of the order and of the mixtures.

    Raises:
        ValueError: too few different queries can be mixed from those of the log.
    """
    rng = np.random.default_rng(seed)
    texts = pc.unique(pq.read_table(log, columns=["query"])["query"]).to_pylist()
    own = sorted({" ".join(text.split()) for text in texts if text and text.strip()})
    drawn = [own[place] for place in rng.permutation(len(own))[:wanted]]
    found = [*drawn, *sorted(_mixtures(own, wanted - len(drawn), rng))]
    if len(found) < wanted:
        raise ValueError(f"{log}: {len(own):,} queries, of which only {len(found):,} different ones can be mixed")
    return [found[place] for place in rng.permutation(wanted)]


def zipf_stream(count: int, length: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw numbers i below `count` with probability proportional to 1 / (i + 1) ** ZIPF_EXPONENT. Shape (length,)."""
    frequency = np.cumsum(np.arange(1, count + 1, dtype=float) ** -ZIPF_EXPONENT)
    drawn = np.random.default_rng(seed).random(length) * frequency[-1]
    numbers: npt.NDArray[np.int64] = np.searchsorted(frequency, drawn, side="right").astype(np.int64)
    return numbers


def write_posts(path: Path, texts: Sequence[str], *, distinct: bool = True) -> Requests:
    """Write a file of requests to Vitrine, or to a service with the same route and body."""
    return _write(path, (f"POST /search {json.dumps({'query': text})}" for text in texts), distinct)


def write_gets(path: Path, texts: Sequence[str]) -> Requests:
    """Write a file of requests to txtai."""
    return _write(path, (f"GET /search?{urlencode({'query': text, 'limit': DEPTH})}" for text in texts), True)


def _mixtures(texts: Sequence[str], wanted: int, rng: np.random.Generator) -> set[str]:
    """Return `wanted` mixtures that are not among the texts, or fewer if no more can be mixed."""
    found: set[str] = set()
    known = set(texts)
    for _ in range(_TRIES if texts else 0):
        for first, second in rng.integers(len(texts), size=(wanted - len(found), 2)).tolist():
            head, tail = texts[first].split(), texts[second].split()
            found.add(" ".join([*head[: -(-len(head) // 2)], *tail[len(tail) // 2 :]]))
        found -= known
    return found


def _write(path: Path, lines: Iterable[str], distinct: bool) -> Requests:
    written = [f"{line}\n" for line in lines]
    path.write_text("".join(written), encoding="utf-8")
    return Requests(path, len(written), distinct)
