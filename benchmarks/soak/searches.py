"""The searches of the soak, sent at a fixed rate; each answer is compared with the known one of the same version."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Literal

from benchmarks.service.steady import Client, at_fixed_rate

K = 10
KNOWN_K = 40  # places of each known answer: products whose scores are equal but for rounding may change places
_ROUNDING = 2e-3  # of a score: queries are encoded in 8 bits, together with those that arrive at the same time
_TIMEOUT_S = 30.0

Verdict = Literal["right", "wrong", "503", "503 without Retry-After", "other status", "no answer"]
Scores = Mapping[str, float]  # of the first KNOWN_K products, by product id
KnownAnswers = Mapping[tuple[str, str], Scores]  # by version and query


@dataclass(frozen=True)
class Outcome:
    """What became of one search.

    Attributes:
        due: when it was due to be sent, in seconds of the monotonic clock.
        done: when its answer had arrived or failed, on the same clock.
        verdict: how it was answered.
        detail: the answer or the error, where the verdict is neither right nor 503.
    """

    due: float
    done: float
    verdict: Verdict
    detail: str = ""


def search_body(query: str, k: int = K) -> str:
    """Return the body of a search."""
    return json.dumps({"query": query, "k": k})


async def known_answers(client: Client, version: str, queries: Sequence[str]) -> dict[tuple[str, str], Scores]:
    """Ask a service, which serves this version undisturbed, for the answers that it must give later.

    Raises:
        RuntimeError: a search was not answered with 200 by this version.
    """
    known: dict[tuple[str, str], Scores] = {}
    for query in queries:
        status, content = await client.send("POST", "/search", search_body(query, KNOWN_K))
        answer = json.loads(content)
        if status != 200 or answer["index_version"] != version:
            raise RuntimeError(
                f"before any fault, version {version} answered {query!r} with {status}: {content[:200]!r}"
            )
        known[version, query] = {hit["product_id"]: hit["score"] for hit in answer["hits"]}
    return known


def fault_in(content: bytes, query: str, known: KnownAnswers) -> str:
    """Return what is wrong with the answer to a search; an empty text if nothing is.

    Each of the K products must be one of the known answer of the version that answered, with the known score, and the
    score at each place must be the one known for that place.
    """
    try:
        answer = json.loads(content)
        version, hits = answer["index_version"], [(hit["product_id"], hit["score"]) for hit in answer["hits"]]
    except (ValueError, KeyError, TypeError) as error:
        return f"it is no answer to a search: {error!r}"
    scores = known.get((version, query))
    if scores is None:
        return f"version {version} answered, which was never served"
    if len(hits) != min(K, len(scores)) or len({product for product, _ in hits}) != len(hits):
        return f"it has {len(hits)} hits, expected {K} different ones"
    for (product, score), wanted in zip(hits, sorted(scores.values(), reverse=True), strict=False):
        if abs(score - wanted) > _ROUNDING or abs(score - scores.get(product, -2.0)) > _ROUNDING:
            return f"product {product} has score {score}, expected {scores.get(product)} and {wanted} at its place"
    return ""


class SteadySearches:
    """An open-loop load: sends searches at a fixed rate, however slowly they are answered, until it is cancelled.

    Args:
        client: sends the searches.
        queries: the queries, sent in turn.
        per_s: searches per second.
        known: the known answers.

    Attributes:
        outcomes: what became of each search, in the order in which they ended.
    """

    def __init__(self, client: Client, queries: Sequence[str], per_s: float, known: KnownAnswers) -> None:
        self.outcomes: list[Outcome] = []
        self._client = client
        self._queries = queries
        self._per_s = per_s
        self._known = known

    async def run(self) -> None:
        """Send searches until cancelled, then wait for those that are not yet answered."""
        await at_fixed_rate(cycle(self._queries), self._per_s, self._search)

    async def _search(self, query: str, due: float) -> None:
        verdict: Verdict
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                status, fields, content = await self._client.exchange("POST", "/search", search_body(query))
        except (OSError, EOFError) as error:  # TimeoutError is an OSError
            verdict, detail = "no answer", repr(error)
        else:
            detail = content[:300].decode(errors="replace")
            if status == 200:
                detail = fault_in(content, query, self._known)
                verdict = "wrong" if detail else "right"
            elif status == 503:
                verdict = "503" if "retry-after" in fields else "503 without Retry-After"
            else:
                verdict, detail = "other status", f"{status}: {detail}"
        self.outcomes.append(Outcome(due, time.monotonic(), verdict, detail))
