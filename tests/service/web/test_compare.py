"""The compare page: what only one of two rankings finds."""

import re
import statistics
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from knn import IndexSpec, build_index
from service.worker.loaded_version import LoadedVersion
from tests.service.running import ADMIN, Running, running_service
from tests.service.stand_ins import stand_in_version
from tests.service.web.conftest import OpenTab, settle, wait_for_request, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.integration]

QUERIES = ["red mug", "blue cotton dress", "striped pillow"]


def found(running: Running, query: str, k: int, **fields: object) -> list[str]:
    return [hit["product_id"] for hit in running.search(query, k=k, **fields).json()["hits"]]


def found_by_second(running: Running, query: str, k: int) -> list[str]:
    answer = running.client.post("/admin/compare/search", json={"query": query, "k": k}, headers=ADMIN)
    return [hit["product_id"] for hit in answer.json()["hits"]]


def mean_and_deviation(numbers: list[int]) -> str:
    mean, deviation = (f"{figure(numbers):.1f}" for figure in (statistics.mean, statistics.pstdev))
    return f"{mean.removesuffix('.0')} ± {deviation.removesuffix('.0')}"


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
    first = [
        len(set(found(shop_service, query, 10)) & set(found(shop_service, query, 10, part="text"))) for query in QUERIES
    ]
    only = [20 - number for number in both]
    # Both sides list 20 products, so that each finds as many alone as the other: one column says it.
    assert page.locator("#all thead th").all_inner_texts() == [
        "query",
        "only on one side",
        "in both",
        "in both first 10",
    ]
    cells = page.locator("#all tbody td").all_inner_texts()
    assert cells[:3] == [mean_and_deviation(numbers) for numbers in (only, both, first)]
    assert cells[3:] == [str(cell) for row in zip(only, both, first, strict=True) for cell in row]
    assert page.locator("#all caption").inner_text() == "cat, cat against Titles alone"
    page.get_by_label("First").select_option("10")
    assert page.locator("#all table").count() == 0  # what was summed up is of another comparison
    page.get_by_role("button", name="Compare over all of them").click()
    page.locator(".mean").wait_for()
    page.get_by_role("button", name=QUERIES[0]).click()
    settle(page)
    assert shown(page, "left") == found(shop_service, QUERIES[0], 10)
    reloaded = page.reload()
    assert reloaded and page.locator("#list").input_value().split("\n")[1:4] == QUERIES


def test_sides_of_different_length_have_a_column_each(page_store: Path, open_tab: OpenTab) -> None:
    short = stand_in_version("mlp")
    fewer = replace(short, index=build_index(IndexSpec("Flat", 0), 4, [np.eye(4, dtype=np.float32)[:3]]))
    with running_service(page_store, load=lambda name: fewer if name == "mlp" else stand_in_version(name)) as running:
        page = open_tab(running, signed_in=True).open("/compare?q=1&with=version:mlp&k=10")
        page.locator("#queries summary").click()
        page.get_by_label("One a line").fill("1")
        page.get_by_role("button", name="Compare over all of them").click()
        page.locator(".mean").wait_for()
        assert page.locator("#all thead th").all_inner_texts() == ["query", "only left", "in both", "only right"]
        assert page.locator("#all tbody td").all_inner_texts()[3:] == ["4", "0", "3"]


def test_after_a_swap_the_page_compares_with_what_is_served_then(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service, signed_in=True).open("/compare?q=red+mug&with=version:mlp&k=10")
    page.locator(".side.of-right .hit").nth(9).wait_for()
    parts = open_tab(shop_service).open("/compare?q=red+mug&with=part:text&k=10")
    parts.locator(".side.of-right .hit").nth(9).wait_for()
    parts.locator("#queries summary").click()
    parts.get_by_label("One a line").fill("lamp\nmug")
    parts.get_by_role("button", name="Compare over all of them").click()
    parts.locator(".mean").wait_for()
    shop_service.swap("mlp")

    page.get_by_label("Query").fill("lamp")
    page.get_by_role("heading", name="mlp is served now").wait_for()
    assert page.locator(".side").count() == 0
    assert "cat, cat" in page.locator("#other option").all_inner_texts()
    page.get_by_label("Served version against").select_option("cat, cat")
    page.locator(".side.of-right .hit").nth(9).wait_for()
    assert page.locator(".side.of-left .note").inner_text().startswith("mlp, mlp: ")
    assert shown(page, "left") == found(shop_service, "lamp", 10)

    parts.get_by_label("Query").fill("lamp")
    parts.get_by_role("heading", name="Titles alone cannot be compared").wait_for()
    assert "mixes title and photo" in parts.locator("#sides").inner_text()
    assert parts.locator(".side, #all table").count() == 0  # the summary was the other version's
    assert parts.get_by_text("Another version is served since; compare again.").count() == 1


def test_an_open_product_belongs_to_the_comparison_in_the_address(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service).open("/compare?q=red+mug&with=part:text&k=20")
    page.get_by_label("First").select_option("10")
    wait_until(page, "location.search.includes('k=10')")
    settle(page)
    page.locator(".side.of-left .hit").nth(1).click()
    page.get_by_role("heading", name="Why it is 2nd").wait_for()
    page.go_back()
    page.get_by_role("dialog").wait_for(state="hidden")
    page.go_forward()
    page.get_by_role("heading", name="Why it is 2nd").wait_for()
    page.go_back()
    page.go_back()
    page.locator(".side.of-left .hit").nth(19).wait_for()
    assert page.get_by_role("dialog").count() == 0


def test_a_token_that_is_refused_is_not_kept(shop_service: Running, open_tab: OpenTab) -> None:
    tab = open_tab(shop_service)
    tab.page.add_init_script("sessionStorage.setItem('vitrine-admin-token', 'the-token-of-yesterday')")
    page = tab.open("/compare?q=red+mug&with=version:mlp")
    page.get_by_role("heading", name="Another version needs the admin token").wait_for()
    assert "does not take this token any more" in page.locator("#sides").inner_text()
    assert page.evaluate("sessionStorage.getItem('vitrine-admin-token')") is None
    assert page.locator("#sign-in-open").inner_text() == "Sign in"


def test_text_typed_while_the_catalogue_is_read_is_not_erased(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service).page
    held: list[object] = []
    page.route("**/catalog", lambda route: held.append(route))
    page.goto(f"{shop_service.url}/compare?k=10")
    page.locator("#queries summary").click()
    page.get_by_label("One a line").fill("blue dress\nlamp")
    page.get_by_label("Query").fill("red mug")
    wait_for_request(page, held)
    held[0].continue_()  # type: ignore[attr-defined]
    page.locator(".side.of-right .hit").nth(9).wait_for()
    assert page.get_by_label("Query").input_value() == "red mug"
    assert page.get_by_label("One a line").input_value() == "blue dress\nlamp"
    assert shown(page, "left") == found(shop_service, "red mug", 10)


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
