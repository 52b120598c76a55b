"""Judging on the search page, and the export on the index page."""

import io
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from artifacts.judgments import read_judgments
from tests.service.running import ADMIN, Running, running_service
from tests.service.web.conftest import DESKTOP, HOSTILE, OpenTab, wait_for_request, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Route

pytestmark = [pytest.mark.browser, pytest.mark.integration]

CARDS = ".grid .hit"


def labels(running: Running, query: str) -> object:
    return running.client.get("/admin/judgments/labels", params={"query": query}, headers=ADMIN).json()["labels"]


def test_labels_are_given_kept_and_exported(
    page_store: Path, sample_shop: Path, tmp_path: Path, open_tab: OpenTab
) -> None:
    with running_service(page_store, photos=sample_shop, judgments=tmp_path / "judged.sqlite") as running:
        page = open_tab(running, signed_in=True, accept_downloads=True).open("/?q=red+mug")
        hits = [hit["product_id"] for hit in running.search("red mug", k=24).json()["hits"]]
        page.get_by_label("Judge").check()
        first, second, third = (page.locator(".labels").nth(place) for place in range(3))
        first.get_by_role("button", name="Exact").click()
        second.get_by_role("button", name="Irrelevant").click()
        third.get_by_role("button", name="Complement").click()
        pressed = page.locator("[aria-pressed=true]")
        wait_until(page, "document.querySelectorAll('[aria-pressed=true]').length === 3")
        assert pressed.all_inner_texts() == ["E", "I", "C"]
        page.locator(CARDS).nth(3).focus()
        page.keyboard.press("s")
        wait_until(page, "document.querySelectorAll('[aria-pressed=true]').length === 4")
        third.get_by_role("button", name="Complement").click()
        wait_until(page, "document.querySelectorAll('[aria-pressed=true]').length === 3")
        expected = {hits[0]: "E", hits[1]: "I", hits[3]: "S"}
        assert labels(running, "red mug") == expected

        page.get_by_label("What a shopper would type").fill(HOSTILE)
        wait_until(page, "document.querySelectorAll('[aria-pressed=true]').length === 0")
        page.locator(".labels").first.get_by_role("button", name="Exact").click()
        wait_until(page, "document.querySelectorAll('[aria-pressed=true]').length === 1")
        again = open_tab(running, signed_in=True).open("/?q=red+mug")
        again.get_by_label("Judge").check()
        wait_until(again, "document.querySelectorAll('[aria-pressed=true]').length === 3")

        page.get_by_role("link", name="Index").click()
        page.get_by_text("4 labels for 2 queries").wait_for()
        with page.expect_download() as download:
            page.get_by_role("button", name="Save judgments.parquet").click()
        assert download.value.suggested_filename == "judgments.parquet"
        download.value.save_as(tmp_path / "judgments.parquet")
    rows = read_judgments(tmp_path / "judgments.parquet").table.to_pylist()
    assert {row["product_id"]: row["label"] for row in rows if row["query"] == "red mug"} == expected
    assert [row["label"] for row in rows if row["query"] == " ".join(HOSTILE.split())] == ["E"]


def test_a_token_that_is_not_taken_any_more_is_forgotten_and_searching_goes_on(
    page_store: Path, sample_shop: Path, tmp_path: Path, open_tab: OpenTab
) -> None:
    with running_service(page_store, photos=sample_shop, judgments=tmp_path / "judged.sqlite") as running:
        page = open_tab(running, signed_in=True).open("/?q=red+mug")
        page.get_by_label("Judge").check()
        page.locator(".labels").first.wait_for()
        page.evaluate("sessionStorage.setItem('vitrine-admin-token', 'the-token-of-yesterday')")
        last = page.locator(".labels").last.get_by_role("button", name="Exact")
        last.click()  # far below the top of the page
        refusal = page.get_by_role("alert").filter(has_text="The token is wrong.")
        refusal.wait_for()
        assert "Not kept: E for" in refusal.inner_text()
        box = refusal.bounding_box()
        assert box and box["y"] >= 0 and box["y"] + box["height"] <= DESKTOP["height"]
        page.get_by_role("alert").filter(has_text="The service does not take this token any more.").wait_for()
        page.get_by_role("button", name="Sign in").wait_for()
        assert page.evaluate("sessionStorage.length") == 0
        assert page.locator(CARDS).count() == 24
        assert page.locator(".labels").count() == page.get_by_label("Judge").count() == 0
        page.get_by_label("What a shopper would type").fill("blue dress")
        wait_until(page, "document.title.startsWith('blue dress')")
        assert refusal.is_visible()  # until somebody closes it
        refusal.get_by_role("button", name="Close").click()
        assert refusal.count() == 0
        assert labels(running, "red mug") == {}


def test_results_do_not_wait_for_labels_and_each_label_is_kept_where_it_was_given(
    page_store: Path, tmp_path: Path, open_tab: OpenTab
) -> None:
    with running_service(page_store, judgments=tmp_path / "judged.sqlite") as running:
        page = open_tab(running, signed_in=True).open("/?q=red+mug")
        first = running.search("red mug", k=1).json()["hits"][0]["product_id"]
        running.swap("mlp")  # while what "cat" has found is shown
        page.get_by_label("Judge").check()
        page.locator(".label:enabled").first.wait_for()
        held: list[Route] = []
        go = threading.Event()
        page.route("**/admin/judgments", lambda route: route.continue_() if go.is_set() else held.append(route))
        for _ in range(3):  # given, removed, given
            page.locator(".labels").first.get_by_role("button", name="Exact").click()
        wait_for_request(page, held)
        page.get_by_label("What a shopper would type").fill("lamp")
        wait_until(page, "document.title.startsWith('lamp')")
        assert page.locator(CARDS).count() == 24  # though neither labels nor their reading have an answer
        assert page.locator(".label:enabled").count() == 0
        go.set()
        held[0].continue_()
        page.locator(".label:enabled").first.wait_for()
        assert labels(running, "red mug") == {first: "E"} and labels(running, "lamp") == {}
        exported = running.client.get("/admin/judgments", headers=ADMIN).content
    assert pq.read_table(io.BytesIO(exported))["index_version"].to_pylist() == ["cat"]


def test_labels_that_cannot_be_read_are_told_of(page_store: Path, tmp_path: Path, open_tab: OpenTab) -> None:
    with running_service(page_store, judgments=tmp_path / "judged.sqlite") as running:
        page = open_tab(running, signed_in=True).open("/?q=red+mug")
        page.route("**/admin/judgments/labels*", lambda route: route.abort())
        page.get_by_label("Judge").check()
        page.get_by_role("alert").filter(
            has_text="The labels cannot be read: the service cannot be reached."
        ).wait_for()
        assert not page.get_by_label("Judge").is_checked() and page.locator(CARDS).count() == 24


def test_to_stop_judging_leaves_the_first_page_as_it_is(page_store: Path, tmp_path: Path, open_tab: OpenTab) -> None:
    with running_service(page_store, judgments=tmp_path / "judged.sqlite") as running:
        page = open_tab(running, signed_in=True).open("/")
        for act in ("check", "uncheck"):
            getattr(page.get_by_label("Judge"), act)()
            page.get_by_role("heading", name="Search 300 products").wait_for()


def test_without_a_token_or_a_file_nobody_judges(shop_service: Running, open_tab: OpenTab) -> None:
    for signed_in in (False, True):  # this service has no file
        page = open_tab(shop_service, signed_in=signed_in).open("/?q=red+mug")
        assert page.locator(CARDS).count() == 24
        assert page.get_by_label("Judge").count() == 0
