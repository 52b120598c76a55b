"""The search page: what people type, filter, page through and share."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pytest

from service.worker.filter_masks import FilterColumns
from service.worker.loaded_version import LoadedVersion
from tests.service.running import Running, running_service
from tests.service.stand_ins import stand_in_version
from tests.service.web.conftest import (
    HOSTILE,
    HOSTILE_ID,
    PHONE,
    PRODUCTS,
    OpenTab,
    settle,
    wait_for_request,
    wait_until,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.integration]

CARDS = ".grid .hit"
ANSWER_SECONDS = 15  # of api.js
PAINTED_WITHIN_MS = 150
PAINTED_QUERIES = ["red striped mug", "blue dress", "lamp", "leather handbag", "pillow", "running shoes", "toy car"]
# Results count as shown in the animation frame after they have been put on the page.
SHOWN = """() => {
  const [asked, shown] = ["search-asked", "results-shown"].map((name) => performance.getEntriesByName(name).at(-1));
  return shown && shown.startTime > asked.startTime;
}"""
# When the first result was painted, as the browser saw it, in milliseconds after the search was begun. The photo of a
# product that the search before has found as well is there already when the words are shown.
PAINTED = """() => new Promise((resolve) => {
  const asked = performance.getEntriesByName("search-asked").at(-1).startTime;
  const shown = performance.getEntriesByName("results-shown").at(-1).startTime;
  const image = document.querySelector(".hit img");
  const answer = (photo) => resolve({ words: shown - asked, photo: Math.max(photo, shown) - asked });
  if (image.dataset.painted) return answer(shown);
  for (const each of document.querySelectorAll(".hit img")) each.dataset.painted = true;
  new PerformanceObserver((list, observer) => {
    const painted = list.getEntries().find((entry) => entry.element === image);
    if (!painted) return;
    observer.disconnect();
    answer(painted.renderTime);
  }).observe({ type: "element", buffered: true });
})"""


@pytest.fixture(scope="module")
def shop_service(page_store: Path, sample_shop: Path) -> Iterator[Running]:
    """A service of the version "cat" with photos. Tests share it, since they change nothing."""
    with running_service(page_store, photos=sample_shop) as running:
        yield running


def ids(running: Running, query: str, **fields: object) -> list[str]:
    return [hit["product_id"] for hit in running.search(query, **fields).json()["hits"]]


def shown_ids(page: "Page") -> list[str]:
    shown: list[str] = page.locator(CARDS).evaluate_all("cards => cards.map((card) => card.dataset.product)")
    return shown


def test_results_come_while_somebody_types(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service).open("/")
    page.get_by_role("heading", name=f"Search {PRODUCTS} products").wait_for()
    searches_before = shop_service.metric("vitrine_requests_total", route="/search", status="200")
    # As fast as nobody types, so that a slow machine makes no pause of it.
    page.get_by_label("What a shopper would type").evaluate(
        """(field, query) => {
          for (const letter of query) {
            field.value += letter;
            field.dispatchEvent(new Event("input", { bubbles: true }));
          }
        }""",
        "red striped mug",
    )
    page.locator(CARDS).first.wait_for()
    assert shown_ids(page) == ids(shop_service, "red striped mug", k=24)
    assert parse_qs(urlsplit(page.url).query) == {"q": ["red striped mug"]}
    assert page.title() == "red striped mug · Vitrine"
    hit = shop_service.search("red striped mug", k=1).json()["hits"][0]
    words = page.locator(CARDS).first.inner_text()
    assert hit["title"] in words and f"{hit['price']:.2f}" in words and f"{hit['score']:.3f}" in words
    # Only the pause was searched for, not each letter; two more searches are this test's own.
    searches = shop_service.metric("vitrine_requests_total", route="/search", status="200") - searches_before
    assert searches == 1 + 2


def test_how_soon_the_first_result_is_painted_after_the_debounce_is_reported(
    shop_service: Running, open_tab: OpenTab, report: Callable[[str], None]
) -> None:
    page = open_tab(shop_service).open("/")
    measured = []
    for query in PAINTED_QUERIES:
        page.get_by_label("What a shopper would type").fill(query)
        wait_until(page, "query => document.title.startsWith(query)", arg=query)
        wait_until(page, SHOWN)
        measured.append(page.evaluate(PAINTED))
        settle(page)
        assert 0 < measured[-1]["words"] <= measured[-1]["photo"]
    photos, words = (sorted(each[what] for each in measured) for what in ("photo", "words"))
    report(
        f"first result after the debounce, sample shop of {PRODUCTS} products, {len(measured)} queries: photo painted "
        f"in {photos[0]:.0f} to {photos[-1]:.0f} ms, half in {photos[len(photos) // 2]:.0f}; "
        f"words shown in {words[0]:.0f} to {words[-1]:.0f} ms ({PAINTED_WITHIN_MS} wanted)"
    )


def test_photos_are_the_services_own_and_small(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service).open("/?q=mug")
    photos = page.locator(f"{CARDS} img")
    wait_until(page, "n => [...document.images].filter((i) => i.complete && i.naturalWidth).length > n", arg=8)
    sources = photos.evaluate_all("photos => photos.map((photo) => new URL(photo.src).pathname)")
    assert len(sources) >= 20 and all(source.startswith("/images/P") for source in sources)
    assert photos.first.evaluate("photo => photo.naturalWidth") == 224


def test_a_product_without_a_photo_says_so(shop_service: Running, open_tab: OpenTab) -> None:
    hits = shop_service.search("mug", k=PRODUCTS).json()["hits"]
    place = next(number for number, hit in enumerate(hits) if hit["image"] is None)
    page = open_tab(shop_service).open(f"/?q=mug&page={place // 24 + 1}")
    assert page.locator(CARDS).nth(place % 24).locator(".no-photo").inner_text() == "no photo"


def test_pages_and_the_way_back(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service).open("/?q=blue+dress")
    page.get_by_role("link", name="Next page").click()
    wait_until(page, "document.querySelector('.rank').textContent === '25'")
    assert shown_ids(page) == ids(shop_service, "blue dress", k=24, offset=24)
    assert parse_qs(urlsplit(page.url).query) == {"q": ["blue dress"], "page": ["2"]}
    page.get_by_role("link", name="Page 13", exact=True).click()
    wait_until(page, "document.querySelector('.rank').textContent === '289'")
    assert len(shown_ids(page)) == 300 - 288
    page.go_back()
    wait_until(page, "document.querySelector('.rank').textContent === '25'")
    page.go_back()
    wait_until(page, "document.querySelector('.rank').textContent === '1'")
    assert shown_ids(page) == ids(shop_service, "blue dress", k=24)


def test_filters_narrow_and_are_shared_by_the_address(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service).open("/?q=mug")
    page.get_by_label("shoes").check()
    wait_until(page, "location.search.includes('shoes')")
    page.get_by_label("to", exact=True).first.fill("80")
    page.keyboard.press("Enter")
    wait_until(page, "location.search.includes('price')")
    page.get_by_label("in stock").select_option("yes")
    wait_until(page, "location.search.includes('in_stock')")
    settle(page)
    filters = {"category": ["shoes"], "price": {"lte": 80}, "in_stock": True}
    found = shop_service.search("mug", k=24, filters=filters).json()
    assert 0 < found["passing"] < PRODUCTS
    assert shown_ids(page) == [hit["product_id"] for hit in found["hits"]]
    assert f"of {found['passing']} products that pass" in page.locator("#status").inner_text()
    assert page.locator("#filters-summary").inner_text() == "Filters (3)"

    shared = open_tab(shop_service).open(urlsplit(page.url)._replace(scheme="", netloc="").geturl())
    assert shown_ids(shared) == shown_ids(page)
    assert shared.get_by_label("shoes").is_checked()
    assert shared.get_by_label("to", exact=True).first.input_value() == "80"
    shared.get_by_role("button", name="Clear").click()
    wait_until(shared, "!location.search.includes('f.')")
    settle(shared)
    assert shown_ids(shared) == ids(shop_service, "mug", k=24)
    assert not shared.get_by_label("shoes").is_checked()


def test_nothing_passes(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service).open("/?q=mug&f.price.gte=999999")
    page.get_by_role("heading", name="No product passes these filters").wait_for()
    page.get_by_role("button", name="Clear the filters").click()
    page.locator(CARDS).first.wait_for()
    assert shown_ids(page) == ids(shop_service, "mug", k=24)


def test_a_fault_is_told_and_tried_again(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service).open("/")
    problem = {
        "type": "urn:problem-type:vitrine:overloaded",
        "status": 503,
        "detail": "512 searches are waiting already",
    }
    page.route("**/search", lambda route: route.fulfill(status=503, json=problem))
    page.get_by_label("What a shopper would type").fill("mug")
    alert = page.get_by_role("alert").filter(has_text="512 searches")
    alert.wait_for()
    page.unroute("**/search")
    page.get_by_role("button", name="Try again").click()
    page.locator(CARDS).first.wait_for()
    assert alert.count() == 0


def test_a_service_that_is_not_ready_says_why(page_store: object, open_tab: OpenTab, tmp_path: object) -> None:
    with running_service(tmp_path, until="waiting") as running:  # type: ignore[arg-type]
        page = open_tab(running).open("/")
        page.get_by_role("heading", name="The service is not ready").wait_for()
        page.get_by_text("the store publishes no version").wait_for()


def test_what_is_typed_before_the_catalogue_is_read_is_searched_for_then(
    shop_service: Running, open_tab: OpenTab
) -> None:
    tab = open_tab(shop_service)
    held: list[object] = []
    tab.page.route("**/catalog", lambda route: held.append(route))
    tab.page.goto(tab.url)
    tab.page.get_by_label("What a shopper would type").fill("mug")
    wait_until(tab.page, "location.search === '?q=mug'")
    held[0].continue_()  # type: ignore[attr-defined]
    tab.page.locator(CARDS).first.wait_for()
    assert shown_ids(tab.page) == ids(shop_service, "mug", k=24)


def test_text_typed_while_the_catalogue_is_read_is_not_erased_and_filters_of_the_address_stay(
    shop_service: Running, open_tab: OpenTab
) -> None:
    tab = open_tab(shop_service)
    held: list[object] = []
    tab.page.route("**/catalog", lambda route: held.append(route))
    tab.page.clock.install()
    tab.page.goto(f"{tab.url}/?f.category=shoes")
    tab.page.get_by_text("Reading the catalogue").wait_for()
    # From here no time passes in the page, so that the catalogue comes before the pause after typing is over.
    tab.page.clock.pause_at(datetime.now() + timedelta(seconds=2))
    field = tab.page.get_by_label("What a shopper would type")
    field.fill("mug")
    held[0].continue_()  # type: ignore[attr-defined]
    tab.page.get_by_role("heading", name=f"Search {PRODUCTS} products").wait_for()
    assert field.input_value() == "mug"
    tab.page.clock.resume()
    tab.page.locator(CARDS).first.wait_for()
    assert parse_qs(urlsplit(tab.page.url).query) == {"q": ["mug"], "f.category": ["shoes"]}
    assert shown_ids(tab.page) == ids(shop_service, "mug", k=24, filters={"category": "shoes"})


def test_text_that_is_still_being_typed_counts_when_a_filter_is_chosen(
    shop_service: Running, open_tab: OpenTab
) -> None:
    page = open_tab(shop_service).open("/?q=lamp")
    page.evaluate(
        """() => {
          const field = document.getElementById("query");
          field.value = "mug";
          field.dispatchEvent(new Event("input", { bubbles: true }));
          document.querySelector("[value=shoes]").click();
        }"""
    )
    wait_until(page, "document.title.startsWith('mug')")
    assert parse_qs(urlsplit(page.url).query) == {"q": ["mug"], "f.category": ["shoes"]}
    assert shown_ids(page) == ids(shop_service, "mug", k=24, filters={"category": "shoes"})


def test_a_search_that_is_never_answered_is_told_of_and_can_be_tried_again(
    shop_service: Running, open_tab: OpenTab
) -> None:
    tab = open_tab(shop_service)
    tab.page.clock.install()
    page = tab.open("/")
    asked: list[object] = []
    page.route("**/search", lambda route: asked.append(route))
    page.get_by_label("What a shopper would type").fill("mug")
    wait_for_request(page, asked)
    page.clock.fast_forward(1_100)
    page.get_by_text("Still searching").first.wait_for()
    page.clock.fast_forward(ANSWER_SECONDS * 1000)
    page.get_by_role("alert").filter(has_text=f"has not answered within {ANSWER_SECONDS} s").wait_for()
    assert page.locator("#results").get_attribute("aria-busy") == "false"
    page.unroute("**/search")
    page.get_by_role("button", name="Try again").click()
    page.locator(CARDS).first.wait_for()


def test_a_catalogue_that_never_comes_is_told_of(shop_service: Running, open_tab: OpenTab) -> None:
    tab = open_tab(shop_service)
    asked: list[object] = []
    tab.page.clock.install()
    tab.page.route("**/catalog", lambda route: asked.append(route))
    for path in ("/", "/compare?q=mug"):
        asked.clear()
        tab.page.goto(tab.url + path)
        tab.page.get_by_text("Reading the catalogue").wait_for()
        wait_for_request(tab.page, asked)
        tab.page.clock.fast_forward(ANSWER_SECONDS * 1000)
        tab.page.get_by_role("alert").filter(has_text="has not answered").wait_for()
        tab.page.get_by_role("button", name="Try again").wait_for()


def test_a_page_beyond_the_last_says_so(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service).open("/?q=mug&f.category=shoes&page=40")
    page.get_by_role("heading", name="There is no page 40; the results end before it").wait_for()
    assert page.get_by_text("passes these filters").count() == 0
    last = -(-shop_service.search("mug", k=1, filters={"category": "shoes"}).json()["passing"] // 24)
    page.get_by_role("link", name="Previous page").click()
    page.locator(CARDS).first.wait_for()
    assert parse_qs(urlsplit(page.url).query)["page"] == [str(last)]
    page.goto(f"{shop_service.url}/?q=mug&page=40")
    page.get_by_role("button", name="Back to the first page").click()
    page.locator(CARDS).first.wait_for()
    assert shown_ids(page) == ids(shop_service, "mug", k=24)


def test_filters_without_a_query_ask_for_one(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service).open("/")
    page.get_by_label("shoes").check()
    page.get_by_text("Type what to look for: the filter narrows what a search finds.").first.wait_for()
    assert "f.category=shoes" in (page.get_by_role("link", name="kitchen").get_attribute("href") or "")
    page.get_by_role("button", name="Clear the filters").click()
    wait_until(page, "!location.search && !document.getElementById('filters-wait')")
    assert not page.get_by_label("shoes").is_checked()


def test_a_filter_that_the_catalogue_does_not_have_is_named(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service).open("/?q=mug&f.shade=red&f.category=shoes")
    assert "Not filtered by shade: these products do not have it" in page.locator("#status").inner_text()
    assert shown_ids(page) == ids(shop_service, "mug", k=24, filters={"category": "shoes"})


def test_photos_of_products_that_stay_are_not_asked_for_again(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service).open("/?q=mug")
    # Each photo has a place in the page of its own, which a photo that is asked for again does not have.
    page.evaluate("for (const photo of document.querySelectorAll('.hit .photo')) photo.dataset.first = true")
    before = set(shown_ids(page))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    page.get_by_label("What a shopper would type").fill("mug red")
    wait_until(page, "document.title.startsWith('mug red')")
    settle(page)
    stayed = before.intersection(shown_ids(page))
    assert len(stayed) > 3
    kept = page.locator(".hit:has([data-first])").evaluate_all("cards => cards.map((card) => card.dataset.product)")
    with_photo = page.locator(".hit:has(img)").evaluate_all("cards => cards.map((card) => card.dataset.product)")
    assert set(kept) == stayed.intersection(with_photo)
    assert not {f"/images/{product}" for product in kept}.intersection(asked)


def test_an_answer_that_breaks_off_is_a_fault_like_any_other(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service).open("/")
    page.route("**/search", lambda route: route.fulfill(status=200, content_type="application/json", body='{"hits": ['))
    page.get_by_label("What a shopper would type").fill("mug")
    page.get_by_role("alert").filter(has_text="the service's answer broke off").wait_for()
    page.route("**/search", lambda route: route.abort())
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("alert").filter(has_text="the service cannot be reached").wait_for()
    page.route("**/search", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("alert").filter(has_text="the service answered with status 502").wait_for()


def test_a_catalogue_without_columns_leaves_the_room_to_the_results(
    page_store: Path, tmp_path: Path, open_tab: OpenTab
) -> None:
    def load(version_id: str) -> LoadedVersion:
        return replace(stand_in_version(version_id), filter_columns=FilterColumns(pa.table({"product_id": ["p"] * 4})))

    with running_service(page_store, load=load) as running:
        page = open_tab(running).open("/?q=1")
        assert page.locator("#filters").is_hidden()
        box = page.locator(".results").bounding_box()
        assert box and box["width"] > 1100


def test_while_a_search_takes_long_the_page_says_so(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service).open("/?q=mug")
    held: list[object] = []
    page.route("**/search", lambda route: held.append(route))
    page.get_by_label("What a shopper would type").fill("lamp")
    wait_until(page, "document.getElementById('results').getAttribute('aria-busy') === 'true'")
    assert shown_ids(page) == ids(shop_service, "mug", k=24)  # what was there stays until the new ones come
    page.wait_for_timeout(50)
    held[0].continue_()  # type: ignore[attr-defined]
    wait_until(page, "document.getElementById('results').getAttribute('aria-busy') === 'false'")
    assert shown_ids(page) == ids(shop_service, "lamp", k=24)


def test_the_keyboard_is_enough(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service).open("/")
    page.locator("body").click(position={"x": 5, "y": 5})
    page.keyboard.press("/")
    page.keyboard.insert_text("mug")
    page.locator(CARDS).first.wait_for()
    settle(page)
    page.keyboard.press("ArrowDown")
    focused = "document.activeElement.matches('.hit') && document.activeElement.querySelector('.rank').textContent"
    assert page.evaluate(focused) == "1"
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == "2"
    page.keyboard.press("ArrowDown")
    columns = page.evaluate("getComputedStyle(document.querySelector('.grid')).gridTemplateColumns.split(' ').length")
    assert page.evaluate(focused) == str(2 + columns)
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    assert page.evaluate(focused) == str(2 + columns)
    page.keyboard.press("n")
    wait_until(page, "document.querySelector('.rank').textContent === '25'")
    page.keyboard.press("p")
    wait_until(page, "document.querySelector('.rank').textContent === '1'")


def test_a_hostile_title_is_text(shop_service: Running, open_tab: OpenTab) -> None:
    place = ids(shop_service, HOSTILE, k=PRODUCTS).index(HOSTILE_ID)
    page = open_tab(shop_service).open("/")
    page.get_by_label("What a shopper would type").fill(HOSTILE)
    page.locator(CARDS).first.wait_for()
    if place >= 24:
        page.goto(f"{page.url}&page={place // 24 + 1}")
    card = page.locator(f"{CARDS}[data-product={HOSTILE_ID}]")
    assert card.locator(".title").inner_text() == HOSTILE
    card.click()
    page.get_by_role("heading", name=HOSTILE).wait_for()
    page.locator(".strip .title").nth(5).wait_for()
    page.goto(f"{shop_service.url}/?like={HOSTILE_ID}")
    page.get_by_text(f"Products like {HOSTILE}").wait_for()
    assert "taken over" not in page.title()
    assert page.locator("img[src=x], main script").count() == 0


def test_the_policy_stops_scripts_and_html_that_a_fault_would_let_in(shop_service: Running, open_tab: OpenTab) -> None:
    tab = open_tab(shop_service)
    page = tab.open("/")
    outcomes = page.evaluate(
        """async () => {
          const script = document.createElement("script");
          let refused = 0;
          try { script.textContent = "document.title = 'taken over'"; } catch { refused += 1; }
          try { document.body.innerHTML = "<img>"; } catch { refused += 1; }
          const image = document.createElement("img");
          image.setAttribute("src", "http://127.0.0.1:9/elsewhere.png");
          const stopped = new Promise((resolve) => image.addEventListener("error", () => resolve("stopped")));
          document.body.append(image);
          return [refused, await stopped, document.title];
        }"""
    )
    assert outcomes == [2, "stopped", "Search · Vitrine"]
    assert any("Content Security Policy" in fault for fault in tab.faults)
    tab.faults.clear()
    tab.foreign.clear()


@pytest.mark.parametrize("path", ["/", "/?q=red+mug", "/compare", "/admin"])
def test_a_phone_has_room_for_it(shop_service: Running, open_tab: OpenTab, path: str) -> None:
    tab = open_tab(shop_service, viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)
    page = tab.open(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_phone_searches_and_filters(shop_service: Running, open_tab: OpenTab) -> None:
    tab = open_tab(shop_service, viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)
    page = tab.open("/?q=mug")
    first, second = page.locator(CARDS).first.bounding_box(), page.locator(CARDS).nth(1).bounding_box()
    assert first and second and first["y"] == second["y"] and first["width"] > 150
    assert page.get_by_label("shoes").is_hidden()
    page.locator("#filters-summary").tap()
    page.get_by_label("shoes").tap()
    wait_until(page, "location.search.includes('shoes')")
    settle(page)
    assert shown_ids(page) == ids(shop_service, "mug", k=24, filters={"category": "shoes"})
    page.locator(CARDS).first.tap()
    page.get_by_role("heading", name="Similar products").wait_for()
    box = page.get_by_role("dialog").bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
