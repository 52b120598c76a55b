"""Why a product was found, against the service's own vectors."""

import re
from pathlib import Path

import numpy as np
import pytest

from artifacts.index_version import open_index_version
from artifacts.store import Store
from index_builder.build import BuildRequest, build_version
from index_builder.index.indexing import IndexRequest
from knn import read_index
from tests.service.running import Running, running_service
from tests.service.web.conftest import FEW_PRODUCTS, OpenTab
from tests.support.models import tiny_bundle
from tests.support.specs import BERT_WIDTH
from towers.query_encoder import OnnxQueryEncoder

pytestmark = [pytest.mark.browser, pytest.mark.integration]

ROUNDING = 2e-5
QUERY = "blue cotton dress"
PAGE_SIZE = 24  # of search.js


def by_numpy(version: Path, product_id: str, part: slice) -> tuple[range, float]:
    """The place of a product where only these numbers count, and its score by them; all products are scored.

    There is more than one place where others score the same but for what rounding makes of it.
    """
    opened = open_index_version(version)
    index = read_index(opened.index_path, opened.index_record.sha256, opened.index_record.size_bytes)
    products = index.reconstruct(np.arange(index.count))
    query = OnnxQueryEncoder(opened.query_folder, opened.query).encode([QUERY])[0]
    scores = products[:, part] @ query[part]
    row = opened.products()["product_id"].to_pylist().index(product_id)
    better, same = (scores > scores[row] + ROUNDING).sum(), (abs(scores - scores[row]) <= ROUNDING).sum()
    return range(int(better) + 1, int(better + same) + 1), float(scores[row])


def ordinal(text: str) -> int:
    found = re.search(r"(\d+)(st|nd|rd|th)", text)
    assert found, text
    return int(found[1])


@pytest.mark.parametrize("number", [0, 17])
def test_parts_and_places_are_those_of_all_vectors(
    shop_service: Running, open_tab: OpenTab, page_store: Path, number: int
) -> None:
    page = open_tab(shop_service).open(f"/?q={QUERY.replace(' ', '+')}")
    card = page.locator(".grid .hit").nth(number)
    product_id = card.get_attribute("data-product")
    assert product_id
    card.click()
    page.locator(".places").wait_for()
    version = page_store / "versions" / "cat"
    rows = page.locator(".places li").all_inner_texts()
    for words, part in (("title and photo", slice(None)), ("title alone", slice(BERT_WIDTH)),
                        ("photo alone", slice(BERT_WIDTH, None))):  # fmt: skip
        (row,) = [row for row in rows if words in row]
        places = by_numpy(version, product_id, part)[0]
        assert ordinal(row) in places and len(places) < 10, words
    title, photo, score = (float(value) for value in page.locator(".bars .value").all_inner_texts())
    assert title == pytest.approx(by_numpy(version, product_id, slice(BERT_WIDTH))[1], abs=6e-4)
    assert photo == pytest.approx(by_numpy(version, product_id, slice(BERT_WIDTH, None))[1], abs=6e-4)
    assert score == pytest.approx(title + photo, abs=2e-3)


def test_similar_products_lead_on(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service).open("/?q=mug")
    first = page.locator(".grid .hit").first
    product_id = first.get_attribute("data-product")
    first.click()
    page.locator(".strip .title").nth(5).wait_for()
    similar = shop_service.client.post("/search/similar", json={"product_id": product_id, "k": 24}).json()["hits"]
    assert page.locator(".strip .title").all_inner_texts() == [hit["title"] for hit in similar[:6]]
    page.locator(".strip .hit").first.click()
    assert page.locator("#why-title").inner_text() == similar[0]["title"]
    assert page.locator(".why-parts").is_hidden()  # there is no query that would explain it
    page.keyboard.press("Escape")
    first.click()
    page.get_by_role("link", name="See more like this").click()
    page.locator(".like").wait_for()
    shown = page.locator(".grid .hit").evaluate_all("cards => cards.map((card) => card.dataset.product)")
    assert shown == [hit["product_id"] for hit in similar]


def test_a_model_that_mixes_title_and_photo_says_that_neither_has_a_place(
    shop_service: Running, open_tab: OpenTab
) -> None:
    shop_service.swap("mlp")
    page = open_tab(shop_service).open("/?q=mug")
    page.locator(".grid .hit").first.click()
    page.locator(".strip .title").nth(5).wait_for()
    assert "mixes title and photo" in page.locator(".why-parts").inner_text()
    assert page.locator(".places").count() == 0


@pytest.mark.parametrize(
    ("composition", "words"),
    [("mlp", "This model mixes them"), ("3tmm", "The photo is mixed into the product, and has no number of its own.")],
)
def test_a_mixed_model_tells_how_near_what_its_queries_know_is(
    sample_shop: Path, open_tab: OpenTab, tmp_path: Path, composition: str, words: str
) -> None:
    tiny_bundle(tmp_path / "bundle", composition)
    request = BuildRequest(
        tmp_path / "bundle",
        sample_shop / "few.parquet",
        tmp_path / "store",
        "v",
        IndexRequest("Flat"),
        explain=True,
    )
    build_version(request)
    Store(tmp_path / "store").publish("v")
    with running_service(tmp_path / "store", photos=sample_shop) as running:
        hits = running.search("mug", k=FEW_PRODUCTS, explain=True).json()["hits"]
        first = {bool(hit["image"]): hit["rank"] for hit in reversed(hits)}  # with a photo and without
        assert len(first) == 2
        page = open_tab(running).page
        for has_photo, rank in first.items():
            page.goto(f"{running.url}/?q=mug&page={(rank - 1) // PAGE_SIZE + 1}")
            page.locator(".grid .hit").nth((rank - 1) % PAGE_SIZE).click()
            page.locator(".bars").wait_for()
            hit = hits[rank - 1]
            shown = [hit["explain"][name] for name in ("text", "photo") if hit["explain"][name] is not None]
            assert len(shown) == (2 if composition == "mlp" and has_photo else 1)
            values = page.locator(".bars .value").all_inner_texts()
            assert [float(value) for value in values] == pytest.approx(shown, abs=6e-4)
            note = page.locator(".why-parts .note").inner_text()
            assert (words if has_photo else "There is no photo.") in note
