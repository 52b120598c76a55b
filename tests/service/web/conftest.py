"""A real headless Chromium before the real service, over the sample shop and small real models with random weights."""

import shutil
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
from tests.support.models import tiny_bundle
from training.sample_shop.generate import generate_sample_shop

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PRODUCTS = 300
HOSTILE = "<img src=x onerror=\"document.title='taken over'\"><script>document.title='taken over'</script>"
HOSTILE_ID = "P00007"
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
_MEASURED = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_MEASURED] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What the tests measured stands in the report."""
    for line in config.stash[_MEASURED]:
        terminalreporter.write_line(f"measured: {line}")


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Puts a measured figure into the report of the run."""
    return request.config.stash[_MEASURED].append


@pytest.fixture(scope="session")
def sample_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample shop of 300 products, one of which has a hostile title."""
    shop = tmp_path_factory.mktemp("sample") / "shop"
    generate_sample_shop(shop, PRODUCTS, 1)
    table = pq.read_table(shop / "catalog.parquet")
    ids = table["product_id"].to_pylist()
    titles = [
        HOSTILE if product_id == HOSTILE_ID else title
        for product_id, title in zip(ids, table["title"].to_pylist(), strict=True)
    ]
    position = table.column_names.index("title")
    pq.write_table(table.set_column(position, "title", pa.array(titles)), shop / "catalog.parquet")
    return shop


@pytest.fixture(scope="session")
def page_store(sample_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the versions "cat" (published) and "mlp", which mixes its towers. Tests only read it."""
    store, models = tmp_path_factory.mktemp("pages") / "store", tmp_path_factory.mktemp("page-models")
    for name in ("cat", "mlp"):
        tiny_bundle(models / name, name)
        build_version(BuildRequest(models / name, sample_shop / "catalog.parquet", store, name, IndexRequest("Flat")))
    Store(store).publish("cat")
    return store


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
    """A page of the service in a browser, and what must never come up in one.

    Attributes:
        page: Playwright's.
        faults: Errors of scripts, and what the content security policy stopped.
        foreign: Requests to another host.
    """

    page: "Page"
    url: str
    faults: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def open(self, path: str) -> "Page":
        """Go to a path of the service and wait until nothing is loaded any more."""
        self.page.goto(self.url + path)
        self.page.wait_for_load_state("networkidle")
        return self.page

    def note_request(self, request: "Request") -> None:
        if not request.url.startswith((f"{self.url}/", "data:", f"blob:{self.url}/")):
            self.foreign.append(request.url)


OpenTab = Callable[..., Tab]


def wait_until(page: "Page", expression: str, arg: object = None) -> None:
    """Wait until an expression holds in the page. Playwright's own way is an eval in it, which the policy stops."""
    while not page.evaluate(expression, arg):  # pytest's own limit ends a wait without end
        page.wait_for_timeout(20)


@pytest.fixture
def open_tab(browser: "Browser") -> Iterator[OpenTab]:
    """Opens tabs; at the end none of them may have had a fault or asked another host."""
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
    """Wait until the search that the page has begun is shown."""
    wait_until(page, "document.querySelector('[aria-busy]').getAttribute('aria-busy') === 'false'")
