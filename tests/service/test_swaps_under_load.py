"""Fifty swaps while shoppers search: every answer is wholly one version's, and none is lost."""

import itertools
import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import httpx
import numpy as np
import pytest

from artifacts.store import Store
from knn import exact_search
from service.dispatch import search_service
from service.dispatch.version_process import VersionProcess, open_version
from tests.service.running import running_service
from tests.service.shop import QUERIES, Shop, products, save_query_side
from tests.service.waiting import until, wait_until

pytestmark = pytest.mark.integration
SWAPS, SHOPPERS, K = 50, 2, 20
# Between two searches of a shopper while a process starts, which takes nearly all of the time. From the moment that it
# can take over until after it has, searches follow one another at once.
PAUSE_SECONDS = 0.1
BEFORE, AFTER = 20, 10  # searches without a pause around each swap, at the least
CATEGORY = "shoes"


@dataclass(frozen=True)
class Expected:
    """What exact search finds in each version, by version, query and whether the category is asked for."""

    hits: dict[tuple[str, str, bool], list[tuple[str, float]]]

    def is_answer(self, content: dict[str, object], query: str, filtered: bool) -> bool:
        """Whether these are the hits of the version that the answer names, and of no other."""
        found = [(hit["product_id"], hit["score"]) for hit in content["hits"]]  # type: ignore[attr-defined]
        hits = self.hits[str(content["index_version"]), query, filtered]
        same_ids = [product_id for product_id, _ in found] == [product_id for product_id, _ in hits]
        return same_ids and bool(np.allclose([score for _, score in found], [score for _, score in hits], atol=2e-6))


@dataclass
class Shopping:
    """What the shoppers saw."""

    answers: Counter[str] = field(default_factory=Counter)
    faults: list[object] = field(default_factory=list)
    hurry: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)

    async def open_in_a_hurry(self, *arguments: object) -> VersionProcess:
        """Start a process as the service does; return it when shoppers are searching without a pause."""
        process = await open_version(*arguments)  # type: ignore[arg-type]
        self.hurry.set()
        enough = self.answers.total() + BEFORE
        await until(lambda: self.answers.total() >= enough or self.faults, "shoppers get no answers")
        return process

    def relax(self, version: str) -> None:
        """Let shoppers pause again, once some have been answered by this version."""
        enough = self.answers[version] + AFTER
        wait_until(lambda: self.answers[version] >= enough or self.faults, f"shoppers get no answers of {version}")
        self.hurry.clear()


def expect(version: str, shop: Shop, prefix: str, count: int) -> dict[tuple[str, str, bool], list[tuple[str, float]]]:
    vectors, encoded = shop.vectors(count), shop.encoder().encode(QUERIES)
    in_category = np.array([category == CATEGORY for category in products(count)["category"].to_pylist()])
    expected = {}
    for filtered, rows in ((False, np.arange(count)), (True, np.flatnonzero(in_category))):
        near = exact_search(vectors[rows], encoded, min(K, len(rows)))
        for query, found, scores in zip(QUERIES, near.rows, near.scores, strict=True):
            ids = [f"{prefix}{row}" for row in rows[found]]
            expected[version, query, filtered] = list(zip(ids, scores.tolist(), strict=True))
    return expected


@pytest.mark.timeout(1200)  # each begins a process, at a lower priority than the shoppers have
def test_fifty_swaps_under_load(shop: Shop, tmp_path: Path) -> None:
    save_query_side(tmp_path / "other", seed=2)
    versions = {"v1": (shop, "p", 90), "v2": (Shop(tmp_path / "other"), "q", 90), "v3": (shop, "r", 61)}
    hits = {}
    for version, (model, prefix, count) in versions.items():
        model.add_version(tmp_path, version, prefix=prefix, count=count)
        hits |= expect(version, model, prefix, count)
    Store(tmp_path).publish("v1")
    shopping = Shopping()
    with (
        running_service(tmp_path, in_processes=True) as running,
        mock.patch.object(search_service, "open_version", shopping.open_in_a_hurry),
    ):
        threads = [
            threading.Thread(target=search_on, args=(running.url, number, Expected(hits), shopping), daemon=True)
            for number in range(SHOPPERS)
        ]
        for thread in threads:
            thread.start()
        try:
            for swap, version in zip(range(SWAPS), itertools.cycle(["v2", "v3", "v1"]), strict=False):
                assert running.swap(version).status_code == 200, swap
                # What is sent after the answer goes to the new version, also where the cache could answer.
                assert running.search(QUERIES[0], k=K).json()["index_version"] == version
                shopping.relax(version)
        finally:
            shopping.stop.set()
            for thread in threads:
                thread.join(20)
        counted = running.metric("vitrine_requests_total", route="/search", status="200")
        assert running.metric("vitrine_version_changes_total", kind="swap", outcome="served") == SWAPS
    assert shopping.faults == []
    assert counted == shopping.answers.total() + SWAPS
    assert min(shopping.answers[version] for version in versions) >= SWAPS, shopping.answers


def search_on(url: str, number: int, expected: Expected, shopping: Shopping) -> None:
    """Search in turn for every query, with the category and without, until told to stop."""
    searches = itertools.cycle(itertools.product(QUERIES[number:] + QUERIES[:number], (False, True)))
    with httpx.Client(base_url=url, timeout=120) as client:
        while not shopping.stop.is_set():
            shopping.hurry.wait(PAUSE_SECONDS)
            query, filtered = next(searches)
            filters = {"category": CATEGORY} if filtered else None
            try:
                answer = client.post("/search", json={"query": query, "k": K, "filters": filters})
                content = json.loads(answer.content)
                if answer.status_code != 200 or not expected.is_answer(content, query, filtered):
                    shopping.faults.append((answer.status_code, content))
                else:
                    shopping.answers[content["index_version"]] += 1
            except httpx.HTTPError as error:
                shopping.faults.append(error)
