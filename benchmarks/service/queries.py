"""What is searched for in bench-service: a shop's own queries, and where these are too few, mixtures of two of them."""

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
# Of the stream of repeated queries: the second most frequent query comes half as often as the first, and so on.
ZIPF_EXPONENT = 1.0
_TRIES = 20  # times that what is missing is drawn, at most


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
    found = [*drawn, *sorted(_mixtures(own, wanted - len(drawn), rng))]
    if len(found) < wanted:
        raise ValueError(f"{log}: {len(own):,} queries, of which only {len(found):,} different ones can be mixed")
    return [found[place] for place in rng.permutation(wanted)]


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


def _mixtures(texts: Sequence[str], wanted: int, rng: np.random.Generator) -> set[str]:
    """So many, or fewer where too few can be mixed; none is one of the texts."""
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
