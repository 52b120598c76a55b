"""The compare page: what only one of two rankings finds."""

import re
import statistics
import threading
from pathlib import Path

import pytest

from service.worker.loaded_version import LoadedVersion
from tests.service.running import ADMIN, Running, running_service
from tests.service.stand_ins import stand_in_version
from tests.service.web.conftest import OpenTab, settle, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.integration]

QUERIES = ["red mug", "blue cotton dress", "striped pillow"]


def found(running: Running, query: str, k: int, **fields: object) -> list[str]:
    return [hit["product_id"] for hit in running.search(query, k=k, **fields).json()["hits"]]


def found_by_second(running: Running, query: str, k: int) -> list[str]:
    answer = running.client.post("/admin/compare/search", json={"query": query, "k": k}, headers=ADMIN)
    return [hit["product_id"] for hit in answer.json()["hits"]]


def shown(page: object, side: str, what: str = "") -> list[str]:
    cards = page.locator(f".side.of-{side} {what} .hit")  # type: ignore[attr-defined]
    return cards.evaluate_all("cards => cards.map((card) => card.dataset.product)")  # type: ignore[no-any-return]


def test_a_models_titles_alone_against_both(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service).open("/compare?q=red+mug&k=20")
    page.locator(".side.of-right .hit").nth(19).wait_for()
    left, right = found(shop_service, "red mug", 20), found(shop_service, "red mug", 20, part="text")
    assert (shown(page, "left"), shown(page, "right")) == (left, right)
    only_left = [product for product in left if product not in right]
    assert 0 < len(only_left) < 20
    assert shown(page, "left", ".exclusive") == only_left
    assert shown(page, "right", ".exclusive") == [product for product in right if product not in left]
    numbers = page.locator(".legend strong").all_inner_texts()
    assert numbers == [str(len(only_left)), str(20 - len(only_left)), str(len(only_left))]
    marks = page.locator(".side.of-left .exclusive .mark").all_inner_texts()
    assert marks == ["only here"] * len(only_left)
    page.get_by_label("Served version against").select_option("Photos alone")
    wait_until(page, "location.search.includes('photo')")
    settle(page)
    assert shown(page, "right") == found(shop_service, "red mug", 20, part="photo")
    page.locator(".side.of-left .hit").first.click()
    page.get_by_role("heading", name="Why it is 1st").wait_for()


def test_a_second_version_is_loaded_with_the_token(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service).open("/compare?q=red+mug&with=version:mlp&k=50")
    page.get_by_role("heading", name="Another version needs the admin token").wait_for()
    page.get_by_role("button", name="Sign in").last.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Admin token").fill("a-wrong-token-of-some-length")
    dialog.get_by_role("button", name="Sign in").click()
    dialog.get_by_text("the token is wrong").wait_for()
    dialog.get_by_label("Admin token").fill(ADMIN["Authorization"].removeprefix("Bearer "))
    dialog.get_by_role("button", name="Sign in").click()
    page.locator(".side.of-right .hit").nth(19).wait_for()
    assert shop_service.client.get("/admin/compare", headers=ADMIN).json()["version"] == "mlp"
    assert shop_service.search("red mug", k=1).json()["index_version"] == "cat"
    page.get_by_role("button", name="Show 30 more").first.click()
    settle(page)
    left, right = found(shop_service, "red mug", 50), found_by_second(shop_service, "red mug", 50)
    assert (shown(page, "left"), shown(page, "right")) == (left, right)
    both = len(set(left) & set(right))
    assert page.locator(".legend strong").all_inner_texts() == [str(50 - both), str(both), str(50 - both)]


def test_while_a_second_version_is_loaded_the_page_says_so_and_why_it_is_refused(
    page_store: Path, open_tab: OpenTab
) -> None:
    go = threading.Event()

    def load(version_id: str) -> LoadedVersion:
        if version_id == "mlp":
            assert go.wait(60)
        return stand_in_version(version_id)

    with running_service(page_store, load=load) as running:
        page = open_tab(running, signed_in=True).page
        page.goto(f"{running.url}/compare?q=1&with=version:mlp&k=10")  # not until all is loaded: that is what is tested
        page.get_by_text(re.compile("Loading mlp beside the served version … [1-9]")).wait_for()
        go.set()
        page.locator(".side.of-right .hit").first.wait_for()
        assert page.locator("#loading").is_hidden()
        running.client.post("/admin/compare/load", json={"version": "cat"}, headers=ADMIN)
        page.get_by_label("Query").fill("2")
        wait_until(page, "location.search.includes('q=2')")
        settle(page)  # loaded once more, since somebody else had another one loaded
        assert shown(page, "right") == found_by_second(running, "2", 10)
        assert running.client.get("/admin/compare", headers=ADMIN).json()["version"] == "mlp"
    with running_service(page_store, compare_mb=0, in_processes=True) as running:
        page = open_tab(running, signed_in=True).open("/compare?q=1&with=version:mlp")
        page.get_by_role("alert").filter(has_text="VITRINE_COMPARE_MB allows more").wait_for()


def test_a_list_is_stepped_through_and_summed_up(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service).open("/compare?with=part:text&k=20")
    page.locator("#queries summary").click()
    page.get_by_label("One a line").fill("\n".join(["", *QUERIES, " "]))
    assert page.locator("#place").inner_text() == "3 queries"
    for query in QUERIES:
        page.get_by_role("button", name="Next").click()
        wait_until(page, "query => new URLSearchParams(location.search).get('q') === query", arg=query)
        settle(page)
        assert shown(page, "left") == found(shop_service, query, 20)
    assert page.locator("#place").inner_text() == "3 of 3 queries"
    assert page.get_by_role("button", name="Next").is_disabled()
    page.get_by_role("button", name="Compare over all of them").click()
    page.locator(".mean").wait_for()
    both = [
        len(set(found(shop_service, query, 20)) & set(found(shop_service, query, 20, part="text"))) for query in QUERIES
    ]
    only = [20 - number for number in both]
    cells = page.locator("#all tbody td").all_inner_texts()
    expected = (
        f"{statistics.mean(only):.1f}".removesuffix(".0") + " ± " + f"{statistics.pstdev(only):.1f}".removesuffix(".0")
    )
    assert cells[0] == cells[2] == expected
    assert cells[3:] == [str(cell) for row in zip(only, both, only, strict=True) for cell in row]
    page.get_by_label("First").select_option("10")
    assert page.locator("#all table").count() == 0  # what was summed up is of another comparison
    page.get_by_role("button", name="Compare over all of them").click()
    page.locator(".mean").wait_for()
    page.get_by_role("button", name=QUERIES[0]).click()
    settle(page)
    assert shown(page, "left") == found(shop_service, QUERIES[0], 10)
    reloaded = page.reload()
    assert reloaded and page.locator("#list").input_value().split("\n")[1:4] == QUERIES


def test_with_the_token_the_indexs_own_queries_are_there(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service, signed_in=True).open("/compare")
    page.locator("#queries summary").click()
    page.get_by_role("button", name="Take the index's own test queries").click()
    (cat,) = [
        version
        for version in shop_service.client.get("/admin/versions", headers=ADMIN).json()["versions"]
        if version["version"] == "cat"
    ]
    assert page.locator("#list").input_value().split("\n") == cat["figures"]["canary_queries"]


def test_a_model_that_mixes_is_compared_with_versions_alone(shop_service: Running, open_tab: OpenTab) -> None:
    shop_service.swap("mlp")
    page = open_tab(shop_service, signed_in=True).open("/compare?q=red+mug&k=10")
    page.locator(".side.of-right .hit").nth(9).wait_for()
    assert page.locator("#other option").all_inner_texts() == ["cat, cat"]
    assert shown(page, "right") == found_by_second(shop_service, "red mug", 10)
    page = open_tab(shop_service).open("/compare?q=red+mug&k=10")
    assert "mixes title and photo, so that neither ranks alone. Sign in" in page.locator("#sides").inner_text()
