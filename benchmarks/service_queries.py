"""What is searched for in bench-service: a shop's own queries, and where these are too few, mixtures of two of them."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.service_load import Requests

DEPTH = 100
# Of the stream of repeated queries: the second most frequent query comes half as often as the first, and so on.
ZIPF_EXPONENT = 1.0
_TRIES = 20  # mixtures drawn for each one that is wanted, at most


def shop_queries(log: Path, wanted: int, seed: int) -> list[str]:
    """Different queries in any order: those of a search log, then mixtures.

    A mixture has the first words of one query and the last of another, so that its length is that of queries.

    Args:
        log: interactions.parquet.
        wanted: how many.
        seed: of the order and the mixtures.

    Raises:
        ValueError: The log has too few queries to mix so many.
    """
    rng = np.random.default_rng(seed)
    texts = pc.unique(pq.read_table(log, columns=["query"])["query"]).to_pylist()
    own = sorted({" ".join(text.split()) for text in texts if text and text.strip()})
    drawn = [own[place] for place in rng.permutation(len(own))[:wanted]]
    found = dict.fromkeys([*drawn, *_mixtures(own, wanted - len(drawn), rng)])
    if len(found) < wanted:
        raise ValueError(f"{log}: {len(own):,} queries, of which only {len(found):,} different ones can be mixed")
    return list(found)[:wanted]


def zipf_stream(count: int, length: int, seed: int) -> npt.NDArray[np.int64]:
    """Numbers below `count`, number i drawn in proportion to 1 / (i + 1) ** ZIPF_EXPONENT. Shape (length,)."""
    frequency = np.cumsum(np.arange(1, count + 1, dtype=float) ** -ZIPF_EXPONENT)
    drawn = np.random.default_rng(seed).random(length) * frequency[-1]
    numbers: npt.NDArray[np.int64] = np.searchsorted(frequency, drawn, side="right").astype(np.int64)
    return numbers


def write_posts(path: Path, texts: Sequence[str], *, distinct: bool = True) -> Requests:
    """Requests to Vitrine, or to a service that is asked alike."""
    return _write(path, (f"POST /search {json.dumps({'query': text})}" for text in texts), distinct)


def write_gets(path: Path, texts: Sequence[str]) -> Requests:
    """Requests to txtai."""
    return _write(path, (f"GET /search?{urlencode({'query': text, 'limit': DEPTH})}" for text in texts), True)


def _mixtures(texts: Sequence[str], wanted: int, rng: np.random.Generator) -> Iterator[str]:
    known = set(texts)
    for first, second in rng.integers(len(texts), size=(max(0, wanted) * _TRIES, 2)).tolist() if texts else ():
        if wanted <= 0:
            return
        head, tail = texts[first].split(), texts[second].split()
        mixed = " ".join([*head[: -(-len(head) // 2)], *tail[len(tail) // 2 :]])
        if mixed not in known:
            known.add(mixed)
            wanted -= 1
            yield mixed


def _write(path: Path, lines: Iterable[str], distinct: bool) -> Requests:
    written = [f"{line}\n" for line in lines]
    path.write_text("".join(written), encoding="utf-8")
    return Requests(path, len(written), distinct)
