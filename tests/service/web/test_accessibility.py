"""axe finds nothing serious on any page, light or dark, wide or on a phone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service.running import ADMIN, Running, running_service
from tests.service.web.conftest import DESKTOP, PHONE, OpenTab

pytestmark = [pytest.mark.browser, pytest.mark.integration]

SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def shop_service(page_store: Path, sample_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service of the version "cat" that also keeps labels. Tests share it and remove the labels that they find."""
    file = tmp_path_factory.mktemp("judged") / "judged.sqlite"
    with running_service(page_store, photos=sample_shop, judgments=file) as running:
        yield running


def remove_labels(running: Running, query: str) -> None:
    found = running.client.get("/admin/judgments/labels", params={"query": query}, headers=ADMIN).json()["labels"]
    for product_id in found:
        body = {"query": query, "product_id": product_id, "label": None}
        assert running.client.put("/admin/judgments", json=body, headers=ADMIN).status_code == 200


def open_why(page: Any) -> None:
    page.locator(".grid .hit").first.click()
    page.locator(".places").wait_for()
    page.locator(".strip .title").nth(5).wait_for()


def open_curve(page: Any) -> None:
    page.locator(".version summary").first.click()
    page.locator(".curve canvas").wait_for()


def sign_in(page: Any) -> None:
    page.get_by_role("button", name="Sign in").first.click()


def judge(page: Any) -> None:
    page.get_by_label("Judge").check()
    for place, label in enumerate(("Exact", "Substitute", "Complement", "Irrelevant")):
        page.locator(".labels").nth(place).get_by_role("button", name=label).click()
        page.locator("[aria-pressed=true]").nth(place).wait_for()


def be_refused(page: Any) -> None:
    page.get_by_label("Judge").check()
    page.route("**/admin/judgments", lambda route: route.abort())
    page.locator(".label:enabled").first.click()
    page.get_by_role("alert").filter(has_text="Not kept").wait_for()


def do_nothing(page: Any) -> None:
    page.locator("h1, .hit, .side, .state").first.wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize(
    ("path", "act", "signed_in"),
    [
        ("/", do_nothing, False),
        ("/?q=red+mug&f.category=kitchen", do_nothing, False),
        ("/?q=red+mug", open_why, False),
        ("/?q=red+mug", judge, True),
        ("/?q=red+mug&f.price.gte=999999", do_nothing, False),
        ("/?like=none", do_nothing, False),
        ("/?f.category=kitchen", do_nothing, False),
        ("/?q=red+mug", be_refused, True),
        ("/?q=red+mug", sign_in, False),
        ("/compare?q=red+mug&k=20", do_nothing, True),
        ("/admin", open_curve, True),
        ("/admin", do_nothing, False),
    ],
)
def test_axe_finds_nothing_serious(
    shop_service: Running,
    open_tab: OpenTab,
    scheme: str,
    viewport: dict[str, int],
    path: str,
    act: Callable[[Any], None],
    signed_in: bool,
) -> None:
    sync_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")
    # axe writes HTML into a page of its own, which the pages' policy would stop.
    remove_labels(shop_service, "red mug")
    options = {"viewport": viewport, "color_scheme": scheme, "bypass_csp": True, "reduced_motion": "reduce"}
    page = open_tab(shop_service, signed_in=signed_in, **options).open(path)
    act(page)
    found = sync_playwright.Axe().run(page).response["violations"]
    faults = [f"{each['id']}: {node['target']} {node['failureSummary']}" for each in found for node in each["nodes"]
              if each["impact"] in SERIOUS]  # fmt: skip
    assert faults == []


LOOKS = """(selector) => {
  const look = getComputedStyle(document.querySelector(selector));
  return [look.backgroundColor, look.outlineStyle, look.borderTopStyle, look.borderTopWidth].join(" ");
}"""


def test_what_is_chosen_can_be_told_where_the_system_chooses_the_colours(
    shop_service: Running, open_tab: OpenTab
) -> None:
    """Forced colours take backgrounds away, so that what a background alone shows would vanish."""
    remove_labels(shop_service, "red mug")
    page = open_tab(shop_service, signed_in=True, forced_colors="active").open("/?q=red+mug")
    judge(page)
    chosen, other = "[aria-pressed=true]", "[aria-pressed=false]"
    assert page.evaluate(LOOKS, chosen) != page.evaluate(LOOKS, other)
    page_link = "#pages a"
    assert page.evaluate(LOOKS, f"{page_link}[aria-current]") != page.evaluate(
        LOOKS, f"{page_link}:not([aria-current])"
    )
    here = ".top nav a"
    assert page.evaluate(LOOKS, f"{here}[aria-current]") != page.evaluate(LOOKS, f"{here}:not([aria-current])")
    open_why(page)
    assert page.evaluate(LOOKS, ".bar") != page.evaluate(LOOKS, ".bars .part")  # a bar is to be seen
    page.goto(f"{shop_service.url}/compare?q=red+mug&with=part:text&k=10")
    page.locator(".exclusive").first.wait_for()
    assert page.evaluate(LOOKS, ".exclusive .photo") != page.evaluate(LOOKS, ".card:not(.exclusive) .photo")
    assert len({page.evaluate(LOOKS, f".shares .{share}") for share in ("only-left", "in-both", "only-right")}) == 3
