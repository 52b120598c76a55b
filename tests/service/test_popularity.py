"""Popularity in searches over a real socket: weakened and switched off by `prior`, and told apart by `explain`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from artifacts.popularity import PriorColumns, ProductPriors
from artifacts.side import read_side_spec
from artifacts.store import Store
from service.client import Client
from tests.service.running import Running, running_service
from tests.service.shop import QUERIES, Shop, titles, tokenizer, write_query_side
from tests.support.made_once import made_once
from tests.support.priors import give_prior, tiny_priors
from towers.export import export_query_side
from towers.query_encoder import OnnxQueryEncoder
from towers.storage import save_side

COUNT, K = 60, 60
IDS = [f"p{row}" for row in range(COUNT)]


def _write_query_side(folder: Path) -> None:
    side = write_query_side(folder, seed=0)
    give_prior(side)
    save_side(side, folder, {"bibert": tokenizer()})
    export_query_side(side, folder, QUERIES)


@dataclass(frozen=True)
class PriorShop:
    """A served version with popularity, and what its scores are made of."""

    running: Running
    encoder: OnnxQueryEncoder
    columns: PriorColumns
    content: np.ndarray  # of the products, (COUNT, D)
    priors: ProductPriors

    def scores(self, query: str, share: float) -> np.ndarray:
        """The scores of all products by the formula, with the weight of popularity times a share."""
        cosines, weight = self.cosines(query), share * self.weight(query)
        content = (1 - self.columns.reach**2) ** 0.5 * cosines
        return np.asarray((content + weight * self.priors.values) / (1 + weight**2) ** 0.5)

    def cosines(self, query: str) -> np.ndarray:
        """The cosines of a query and all products by their content."""
        return np.asarray(self.content @ self.columns.content_of(self.encoder.encode([query]))[0])

    def weight(self, query: str) -> float:
        """The weight that a query gives to popularity."""
        (vector,) = self.encoder.encode([query])
        return float(vector[self.columns.content] / np.linalg.norm(vector[: self.columns.content]))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> "PriorShop":
    folder, store = made_once("query-side-prior", _write_query_side), tmp_path_factory.mktemp("prior") / "store"
    spec = read_side_spec(folder)
    encoder, columns = OnnxQueryEncoder(folder, spec), PriorColumns.of(spec)
    assert columns is not None
    content = columns.content_of(encoder.encode(titles(COUNT)))
    priors = tiny_priors(IDS, columns)
    made = Shop(folder)
    made.add_version(
        store, "v1", count=COUNT, vectors=priors.add_to(content, IDS), canaries=False, manifest={"width": spec.width}
    )
    Store(store).publish("v1")
    with running_service(store, cache_mb=1) as running:
        yield PriorShop(running, encoder, columns, content, priors)


@pytest.mark.parametrize("share", [None, 1, 0.5, 0])
def test_scores_are_those_of_the_formula(share: float | None, shop: PriorShop) -> None:
    chosen = {} if share is None else {"prior": share}
    for query in QUERIES:
        expected = shop.scores(query, 1 if share is None else share)
        for _ in range(2):  # the second time from the cache
            hits = shop.running.search(query, k=K, **chosen).json()["hits"]
            found = {hit["product_id"]: hit["score"] for hit in hits}
            np.testing.assert_allclose([found[product_id] for product_id in IDS], expected, atol=2e-6)
            if share == 0:
                assert [*found] == [IDS[row] for row in np.argsort(-shop.cosines(query), kind="stable")]


def test_popularity_changes_the_ranking(shop: PriorShop) -> None:
    rankings = [
        [hit["product_id"] for hit in shop.running.search(QUERIES[0], k=K, prior=share).json()["hits"]]
        for share in (0, 1)
    ]
    assert rankings[0] != rankings[1] and sorted(rankings[0]) == sorted(rankings[1])


def test_content_and_popularity_are_told_apart(shop: PriorShop) -> None:
    for query, share in ((QUERIES[0], 1), (QUERIES[1], 0.4), (QUERIES[2], 0)):
        hits = shop.running.search(query, k=K, prior=share, explain=True).json()["hits"]
        weight, cosines = share * shop.weight(query), shop.cosines(query)
        for hit in hits:
            row, explanation = IDS.index(hit["product_id"]), hit["explain"]
            assert [*explanation] == ["text", "cosine", "prior"]
            assert explanation["cosine"] == pytest.approx(cosines[row], abs=2e-6)
            part = weight * shop.priors.values[row] / (1 + weight**2) ** 0.5
            assert explanation["prior"] == pytest.approx(part, abs=2e-6)
            assert explanation["text"] + explanation["prior"] == pytest.approx(hit["score"], abs=2e-6)


def test_searches_of_a_batch_each_have_their_own(shop: PriorShop) -> None:
    shares = [0, 1, 0.5, 0.25]
    searches = [{"query": QUERIES[3], "k": K, "prior": share} for share in shares]
    answer = shop.running.client.post("/search/batch", json={"searches": searches}).json()
    for share, result in zip(shares, answer["results"], strict=True):
        found = {hit["product_id"]: hit["score"] for hit in result["hits"]}
        np.testing.assert_allclose([found[one] for one in IDS], shop.scores(QUERIES[3], share), atol=2e-6)


def test_searches_by_part_and_for_similar_products_go_by_content(shop: PriorShop) -> None:
    by_title = shop.running.search(QUERIES[0], k=K, part="text").json()["hits"]
    similar = shop.running.client.post("/search/similar", json={"product_id": "p7", "k": K}).json()["hits"]
    for hits, cosines in ((by_title, shop.cosines(QUERIES[0])), (similar, shop.content @ shop.content[7])):
        for hit in hits:
            assert hit["score"] == pytest.approx(cosines[IDS.index(hit["product_id"])], abs=3e-6)
    assert len(by_title) == len(similar) + 1 == COUNT


@pytest.mark.parametrize("prior", [-0.1, 1.1, "all", True, None, 1e400])
def test_other_values_are_refused(prior: object, shop: PriorShop) -> None:
    content = '{"query": "red shoes", "prior": %s}' % (
        {True: "true", None: "null", "all": '"all"'}.get(prior, str(prior)) if prior != 1e400 else "1e400"
    )
    answer = shop.running.client.post("/search", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert (
        answer.json()["detail"].startswith("prior is ") and "expected a number from 0 to 1" in answer.json()["detail"]
    )


def test_the_client_passes_it_on(shop: PriorShop) -> None:
    with Client(shop.running.url) as client:
        hit = client.search(QUERIES[0], 1, explain=True, prior=0).hits[0]
    assert hit.explain is not None and hit.explain.prior == 0 and hit.explain.cosine is not None
    assert hit.score == pytest.approx(shop.columns.content_length * hit.explain.cosine, abs=2e-6)


def test_a_version_without_popularity_takes_it_and_changes_nothing(tmp_path: Path) -> None:
    from service.protocol.queries import Page, SearchQuery
    from tests.service.stand_ins import results_of, stand_in_version

    with_it, without = results_of([SearchQuery("2", Page(4), prior=0.0), SearchQuery("2", Page(4))], stand_in_version())
    np.testing.assert_array_equal(with_it.scores, without.scores)  # type: ignore[union-attr]
