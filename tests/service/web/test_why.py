"""Why a product was found, against the service's own vectors."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from artifacts.index_version import open_index_version
from artifacts.store import Store
from index_builder.build import BuildRequest, build_version
from index_builder.index.indexing import IndexRequest
from knn import read_index
from tests.service.running import Running, running_service
from tests.service.web.conftest import FEW_PRODUCTS, OpenTab, wait_for_request, wait_until
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
    explained = {hit["product_id"] for hit in shop_service.search("mug", k=PAGE_SIZE).json()["hits"]}
    place = next(place for place, hit in enumerate(similar[:6]) if hit["product_id"] not in explained)
    page.locator(".strip .hit").nth(place).click()
    page.get_by_role("heading", name=similar[place]["title"]).last.wait_for()
    assert page.locator(".why-parts").is_hidden()  # there is no query that would explain it
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    assert urlsplit(page.url).query == "q=mug"
    first.click()
    page.get_by_role("link", name="See more like this").click()
    page.locator(".like").wait_for()
    shown = page.locator(".grid .hit").evaluate_all("cards => cards.map((card) => card.dataset.product)")
    assert shown == [hit["product_id"] for hit in similar]


def test_an_open_product_is_part_of_the_address_and_back_closes_it(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service).open("/?q=lamp")
    page.get_by_label("What a shopper would type").fill("mug")
    wait_until(page, "document.title.startsWith('mug')")
    card = page.locator(".grid .hit").nth(2)
    product_id = card.get_attribute("data-product")
    card.click()
    page.get_by_role("heading", name="Why it is 3rd").wait_for()
    address = urlsplit(page.url)
    assert parse_qs(address.query) == {"q": ["mug"], "product": [product_id]}
    page.locator(".strip .hit").first.click()
    wait_until(page, "product => new URLSearchParams(location.search).get('product') !== product", product_id)
    page.go_back()
    page.get_by_role("heading", name="Why it is 3rd").wait_for()
    page.go_back()
    page.get_by_role("dialog").wait_for(state="hidden")
    assert page.title().startswith("mug") and page.locator(".grid .hit").count() == PAGE_SIZE
    page.go_back()
    wait_until(page, "document.title.startsWith('lamp')")
    assert page.get_by_role("dialog").count() == 0
    page.go_forward()
    page.go_forward()
    page.get_by_role("heading", name="Why it is 3rd").wait_for()

    shared = open_tab(shop_service).open(f"/?{address.query}")
    shared.get_by_role("heading", name="Why it is 3rd").wait_for()
    shared.get_by_role("button", name="Close").click()
    shared.get_by_role("dialog").wait_for(state="hidden")
    assert urlsplit(shared.url).query == "q=mug" and shared.locator(".grid .hit").count() == PAGE_SIZE


def test_the_address_of_a_product_alone_shows_it(shop_service: Running, open_tab: OpenTab) -> None:
    product = shop_service.search("mug", k=1).json()["hits"][0]
    page = open_tab(shop_service).open(f"/?product={product['product_id']}")
    page.locator(".strip .title").nth(5).wait_for()
    assert page.locator("#why-title").inner_text() == product["title"]
    page = open_tab(shop_service).open("/?product=none")
    page.get_by_role("heading", name="This product cannot be shown").wait_for()


def test_after_a_swap_nothing_of_another_version_is_shown_as_the_reason(
    shop_service: Running, open_tab: OpenTab
) -> None:
    page = open_tab(shop_service).open("/?q=mug")
    shop_service.swap("mlp")
    page.locator(".grid .hit").first.click()
    note = page.get_by_text("This cannot be shown: another version is served since.")
    note.nth(1).wait_for()  # neither the reason nor similar products
    assert page.locator(".bars, .places, .strip").count() == 0
    page.get_by_role("button", name="Search again").first.click()
    page.locator(".strip .title").nth(5).wait_for()
    assert note.count() == 0 and page.locator("#status").inner_text().endswith("mlp, mlp")


def test_the_reason_is_told_from_the_answer_and_not_from_an_old_catalogue(
    shop_service: Running, open_tab: OpenTab
) -> None:
    tab = open_tab(shop_service)
    catalog = {**shop_service.client.get("/catalog").json(), "parts": []}
    tab.page.route("**/catalog", lambda route: route.fulfill(json=catalog))
    page = tab.open("/?q=mug")
    page.locator(".grid .hit").first.click()
    page.locator(".places li").nth(2).wait_for()
    assert re.match("The photo (moves|leaves) it", page.locator(".why-parts .note").inner_text())


def test_a_reason_that_is_never_answered_can_be_asked_for_again(shop_service: Running, open_tab: OpenTab) -> None:
    tab = open_tab(shop_service)
    tab.page.clock.install()
    page = tab.open("/?q=mug")
    asked: list[object] = []
    page.route("**/search", lambda route: asked.append(route))
    page.locator(".grid .hit").first.click()
    wait_for_request(page, asked)
    page.locator(".strip .title").nth(5).wait_for()  # only the reason is not answered
    page.clock.fast_forward(15_000)
    page.get_by_text("the service has not answered within 15 s").wait_for()
    page.unroute("**/search")
    page.get_by_role("button", name="Try again").click()
    page.locator(".places").wait_for()


def test_a_model_that_mixes_title_and_photo_says_that_neither_has_a_place(
    shop_service: Running, open_tab: OpenTab
) -> None:
    shop_service.swap("mlp")
    page = open_tab(shop_service).open("/?q=mug")
    page.locator(".grid .hit").first.click()
    page.locator(".why-parts").get_by_text("mixes title and photo").wait_for()
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
