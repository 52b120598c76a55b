"""Judging on the search page, and the export on the index page."""

from pathlib import Path

import pytest

from artifacts.judgments import read_judgments
from tests.service.running import ADMIN, Running, running_service
from tests.service.web.conftest import HOSTILE, OpenTab, wait_until

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
        page.locator(".labels").first.get_by_role("button", name="Exact").click()
        page.get_by_role("alert").filter(has_text="Not kept: the token is wrong.").wait_for()
        page.get_by_label("What a shopper would type").fill("blue dress")
        page.get_by_role("button", name="Sign in").wait_for()
        wait_until(page, "document.title.startsWith('blue dress')")
        assert page.locator(CARDS).count() == 24
        assert page.locator(".labels").count() == page.get_by_label("Judge").count() == 0
        assert page.evaluate("sessionStorage.length") == 0
        assert labels(running, "red mug") == {}


def test_to_stop_judging_leaves_the_first_page_as_it_is(page_store: Path, tmp_path: Path, open_tab: OpenTab) -> None:
    with running_service(page_store, judgments=tmp_path / "judged.sqlite") as running:
        page = open_tab(running, signed_in=True).open("/")
        for act in ("check", "uncheck"):
            getattr(page.get_by_label("Judge"), act)()
            assert page.get_by_role("heading", name="Search 300 products").is_visible()


def test_without_a_token_or_a_file_nobody_judges(shop_service: Running, open_tab: OpenTab) -> None:
    for signed_in in (False, True):  # this service has no file
        page = open_tab(shop_service, signed_in=signed_in).open("/?q=red+mug")
        assert page.locator(CARDS).count() == 24
        assert page.get_by_label("Judge").count() == 0
