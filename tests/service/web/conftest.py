"""Headless Chromium with the real service over the sample shop, with small models of random weights."""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.store import Store
from index_builder.build import BuildRequest, build_version
from index_builder.index.indexing import IndexRequest
from tests.service.running import TOKEN, Running, running_service
from tests.service.waiting import WAIT_SECONDS
from tests.support.made_once import made_once
from tests.support.models import shared_bundle
from training.sample_shop.generate import generate_sample_shop

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PRODUCTS, FEW_PRODUCTS = 300, 60
HOSTILE = "<img src=x onerror=\"document.title='taken over'\"><script>document.title='taken over'</script>"
HOSTILE_ID = "P00007"
QUIET_FRAMES = 4
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
_MEASURED = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_MEASURED] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Add the measured figures to the report."""
    for line in config.stash[_MEASURED]:
        terminalreporter.write_line(f"measured: {line}")


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Adds a measured figure to the report of the run."""
    return request.config.stash[_MEASURED].append


@pytest.fixture(scope="session")
def sample_shop() -> Path:
    """The sample shop of 300 products, one of which has a hostile title; few.parquet holds the first of them."""
    return made_once("sample-shop", _make_sample_shop) / "shop"


def _make_sample_shop(folder: Path) -> None:
    generate_sample_shop(folder / "shop", PRODUCTS, 1)
    shop = folder / "shop"
    table = pq.read_table(shop / "catalog.parquet")
    ids = table["product_id"].to_pylist()
    titles = [
        HOSTILE if product_id == HOSTILE_ID else title
        for product_id, title in zip(ids, table["title"].to_pylist(), strict=True)
    ]
    position = table.column_names.index("title")
    table = table.set_column(position, "title", pa.array(titles))
    pq.write_table(table, shop / "catalog.parquet")
    pq.write_table(table.slice(0, FEW_PRODUCTS), shop / "few.parquet")


@pytest.fixture(scope="session")
def page_store(sample_shop: Path) -> Path:
    """A store with the versions "cat" (published) and "mlp", which mixes its towers. Tests only read it."""

    def make(store: Path) -> None:
        for name in ("cat", "mlp"):
            bundle = shared_bundle(name)
            build_version(BuildRequest(bundle.path, sample_shop / "catalog.parquet", store, name, IndexRequest("Flat")))
        Store(store).publish("cat")

    return made_once("page-store", make)


@pytest.fixture
def shop_service(page_store: Path, sample_shop: Path) -> Iterator[Running]:
    """A service of the version "cat" with photos and the admin token, for one test."""
    with running_service(page_store, photos=sample_shop) as running:
        yield running


# Of a module, not of the session: while Playwright runs, its thread has an event loop and asyncio.run cannot be called.
@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Chromium, without a window."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on PATH; apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # As root, as in containers, Chromium has no sandbox; the pages it opens here are ours.
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@dataclass
class Tab:
    """A page of the service in a browser, with the faults that it must not have.

    Attributes:
        page: Playwright's.
        faults: Errors of scripts, and what the content security policy stopped.
        foreign: Requests to another host.
        loading: Requests without an answer yet.
        requests: How many there have been.
    """

    page: "Page"
    url: str
    faults: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    loading: set["Request"] = field(default_factory=set)
    requests: int = 0

    def open(self, path: str) -> "Page":
        """Go to a path of the service and wait until everything is loaded."""
        self.page.goto(self.url + path)
        self._wait_until_quiet()
        return self.page

    def _wait_until_quiet(self) -> None:
        """Wait until no request is under way and none has begun while the page drew several frames.

        Playwright's own "networkidle" waits for half a second without a request.
        """
        quiet_frames, requests, give_up_at = 0, -1, time.monotonic() + WAIT_SECONDS
        while quiet_frames < QUIET_FRAMES:
            assert time.monotonic() < give_up_at, f"still loading {[request.url for request in self.loading]}"
            self.page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 20)))")
            is_quiet = not self.loading and self.requests == requests
            quiet_frames, requests = (quiet_frames + 1 if is_quiet else 0), self.requests

    def note_request(self, request: "Request") -> None:
        """Note a request that begins."""
        self.loading.add(request)
        self.requests += 1
        if not request.url.startswith((f"{self.url}/", "data:", f"blob:{self.url}/")):
            self.foreign.append(request.url)

    def note_end(self, request: "Request") -> None:
        """Note that a request has its answer, or gets none."""
        self.loading.discard(request)


OpenTab = Callable[..., Tab]


def wait_until(page: "Page", expression: str, arg: object = None) -> None:
    """Wait until an expression holds in the page. Playwright's own way uses eval, which the policy forbids."""
    give_up_at = time.monotonic() + WAIT_SECONDS
    while not page.evaluate(expression, arg):
        assert time.monotonic() < give_up_at, f"after {WAIT_SECONDS:g} s it does not hold: {expression}"
        page.wait_for_timeout(20)


def wait_for_request(page: "Page", held: list[object]) -> None:
    """Wait until a page has sent a request that a route of the test puts into this list."""
    give_up_at = time.monotonic() + WAIT_SECONDS
    while not held:
        assert time.monotonic() < give_up_at, f"the page sent no such request within {WAIT_SECONDS:g} s"
        page.wait_for_timeout(10)


@pytest.fixture
def open_tab(browser: "Browser") -> Iterator[OpenTab]:
    """Opens tabs, and checks at the end that none had a fault or sent a request to another host."""
    tabs: list[Tab] = []

    def open_one(running: Running, *, signed_in: bool = False, **options: object) -> Tab:
        context = browser.new_context(**{"viewport": DESKTOP, **options})  # type: ignore[arg-type]
        if signed_in:
            context.add_init_script(f"sessionStorage.setItem('vitrine-admin-token', '{TOKEN}')")
        page = context.new_page()
        tab = Tab(page, running.url)
        page.on("pageerror", lambda error: tab.faults.append(str(error)))
        page.on("console", lambda message: _note_console(tab, message.type, message.text))
        page.on("request", tab.note_request)
        page.on("requestfinished", tab.note_end)
        page.on("requestfailed", tab.note_end)
        tabs.append(tab)
        return tab

    yield open_one
    for tab in tabs:
        tab.page.context.close()
        assert tab.faults == []
        assert tab.foreign == []


def _note_console(tab: Tab, kind: str, text: str) -> None:
    # The browser itself notes each answer from 400 on; some tests ask for those.
    if kind in ("error", "warning") and not text.startswith("Failed to load resource"):
        tab.faults.append(text)


def settle(page: "Page") -> None:
    """Wait until the page shows the results of its search."""
    wait_until(page, "document.querySelector('[aria-busy]').getAttribute('aria-busy') === 'false'")
