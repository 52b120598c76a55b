"""The index page: versions, swap and rollback, live numbers."""

import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from service.worker.loaded_version import LoadedVersion
from tests.service.running import ADMIN, TOKEN, Running, running_service
from tests.service.stand_ins import stand_in_version
from tests.service.web.conftest import DESKTOP, OpenTab, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.integration]


def served(running: Running) -> str:
    return running.client.get("/admin/index", headers=ADMIN).json()["served"]["version"]  # type: ignore[no-any-return]


def test_it_needs_the_token(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service).open("/admin")
    page.get_by_text("This page needs the admin token of the service.").wait_for()
    assert page.locator("#content").is_hidden()
    page.get_by_role("button", name="Sign in").last.click()
    page.get_by_label("Admin token").fill(TOKEN)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Versions of the store").wait_for()
    assert TOKEN not in page.url and page.evaluate("localStorage.length") == 0
    page.get_by_role("button", name="Sign out").click()
    assert page.locator("#content").is_hidden()
    assert page.evaluate("sessionStorage.length") == 0


def test_a_token_that_is_not_taken_any_more_is_asked_for_again(shop_service: Running, open_tab: OpenTab) -> None:
    tab = open_tab(shop_service)
    tab.page.add_init_script("sessionStorage.setItem('vitrine-admin-token', 'the-token-of-yesterday')")
    page = tab.open("/admin")
    page.get_by_text("The service does not take this token any more. Sign in again.").wait_for()
    assert page.locator("#content").is_hidden()
    assert page.evaluate("sessionStorage.length") == 0


def test_swap_and_rollback(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service, signed_in=True).open("/admin")
    assert page.get_by_role("button", name="Nothing to roll back to").is_disabled()
    page.get_by_role("button", name="Serve mlp").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Cancel").click()
    assert served(shop_service) == "cat"
    page.get_by_role("button", name="Serve mlp").click()
    dialog.get_by_role("button", name="Serve it").click()
    page.get_by_text(re.compile(r"mlp is served since [\d.]+ s after")).wait_for()
    assert served(shop_service) == "mlp"
    assert (
        page.locator(".version").filter(has=page.locator(".badge.served")).get_by_role("heading").inner_text() == "mlp"
    )
    page.get_by_text("A restart would serve cat").wait_for()
    page.get_by_role("button", name="Roll back to cat").click()
    dialog.get_by_role("button", name="Roll back").click()
    page.get_by_text(re.compile("cat is served since")).wait_for()
    assert served(shop_service) == "cat"


def test_a_swap_shows_its_progress_and_why_it_was_refused(page_store: Path, tmp_path: Path, open_tab: OpenTab) -> None:
    from service.core.errors import VersionRefusedError

    go, is_damaged = threading.Event(), threading.Event()

    def load(version_id: str) -> LoadedVersion:
        if version_id == "mlp":
            assert go.wait(60)
        if is_damaged.is_set():
            raise VersionRefusedError(f"version {version_id}: index.faiss is <b>damaged</b>")
        return stand_in_version(version_id)

    with running_service(page_store, load=load, swap_wait_seconds=0.2) as running:
        page = open_tab(running, signed_in=True).open("/admin")
        page.get_by_role("button", name="Serve mlp").click()
        page.get_by_role("dialog").get_by_role("button", name="Serve it").click()
        page.get_by_text(re.compile(r"Loading and checking mlp … [1-9][\d.]* s")).wait_for()
        page.get_by_text("Searches go on with cat.").wait_for()
        assert running.search("1").json()["index_version"] == "cat"
        go.set()
        page.get_by_text(re.compile("mlp is served since")).wait_for()
        is_damaged.set()
        page.get_by_role("button", name="Serve cat").click()
        page.get_by_role("dialog").get_by_role("button", name="Serve it").click()
        refusal = page.locator("#change").filter(has_text="version cat: index.faiss is <b>damaged</b>")
        refusal.wait_for()
        page.set_viewport_size({"width": DESKTOP["width"], "height": 300})
        page.locator("#judgments").scroll_into_view_if_needed()
        box = refusal.bounding_box()
        assert box and 0 <= box["y"] < 300  # also from far below, where versions are chosen
        assert served(running) == "mlp"


def test_versions_show_their_manifest_and_their_curve(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service, signed_in=True).open("/admin")
    assert sorted(page.locator(".version h3").all_inner_texts()) == ["cat", "mlp"]
    card = page.locator(".version").filter(has=page.get_by_role("heading", name="cat", exact=True))
    assert card.locator(".badge").all_inner_texts() == ["served", "published"]
    versions = shop_service.client.get("/admin/versions", headers=ADMIN).json()["versions"]
    (figures,) = [version["figures"] for version in versions if version["version"] == "cat"]
    facts = dict(zip(card.locator("dt").all_inner_texts(), card.locator("dd").all_inner_texts(), strict=True))
    assert facts["recall@100"] == f"{figures['recall_at_100']:.4f}"
    assert facts["products"] == str(figures["count"]) and facts["width"] == str(figures["width"])
    assert facts["without a photo"].startswith(str(figures["photos_absent"]))
    card.get_by_text("Recall curve").click()
    canvas = card.get_by_role("img", name="Recall against time of version cat")
    canvas.wait_for()
    colours = canvas.evaluate(
        """(canvas) => new Set(new Uint32Array(
          canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size"""
    )
    assert colours > 20  # a drawing, not an empty canvas


def test_live_numbers_are_those_of_the_metrics(shop_service: Running, open_tab: OpenTab) -> None:
    page = open_tab(shop_service, signed_in=True).open("/admin")
    stop = threading.Event()

    def shop_around() -> None:
        number = 0
        while not stop.is_set():
            shop_service.search(f"red mug {number % 7}")
            number += 1
            time.sleep(0.01)

    shopper = threading.Thread(target=shop_around)
    shopper.start()
    try:
        rate = page.locator(".tile").filter(has_text="searches a second").locator("dd")
        wait_until(page, "parseFloat(document.querySelector('.tile dd').textContent) > 1")
        page.get_by_text(re.compile(r"highest [\d.,]+ ms")).wait_for()
        assert float(rate.inner_text()) > 1
        assert re.fullmatch(r"[\d.]+ ms", page.locator(".tile").nth(2).locator("dd").inner_text())
        cached = page.locator(".tile").filter(has_text="from the cache").locator("dd").inner_text()
        assert int(cached.removesuffix(" %")) > 50
        assert "M" in (page.locator(".curve-line").first.get_attribute("d") or "")
    finally:
        stop.set()
        shopper.join()


def test_quantiles_are_within_their_bucket(shop_service: Running, open_tab: OpenTab) -> None:
    """metrics.js against the values themselves, and against what Prometheus' client writes."""
    page = open_tab(shop_service).open("/admin")
    bounds = (0.001, 0.002, 0.005, 0.01, 0.1)
    registry = CollectorRegistry()
    histogram = Histogram("t", "of a test", ["stage"], buckets=bounds, registry=registry)
    values = np.random.default_rng(0).uniform(0, 0.02, 500)
    for value in values:
        histogram.labels('a "quoted" \\ stage').observe(value)
    program = """async ([text, shares]) => {
      const { buckets, parseMetrics, quantile, sum } = await import("/web/metrics.js");
      const samples = parseMetrics(text);
      return [sum(samples, "t_count"), ...shares.map((share) => quantile(share, buckets(samples, "t", {})))];
    }"""
    shares = [0.5, 0.9, 0.01]
    counted, *found = page.evaluate(program, [generate_latest(registry).decode(), shares])
    assert counted == 500
    for share, estimate in zip(shares, found, strict=True):
        true = float(np.quantile(values, share))
        low = max((bound for bound in (0, *bounds) if bound <= true), default=0)
        high = min(bound for bound in bounds if bound >= true)
        assert low <= estimate <= high
    assert page.evaluate(program, ["", [0.5]]) == [0, None]
