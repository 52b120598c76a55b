"""GET /images over a real socket."""

import io
import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artifacts.store import Store
from service.core.device import Device
from service.worker.loaded_version import LoadedVersion, load_version
from tests.service.running import Running, running_service
from tests.service.shop import PRODUCTS, WIDTH
from tests.service.waiting import wait_until
from tests.support.photos import noise

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def pictured(good_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Running:
    folder = tmp_path_factory.mktemp("photos")
    (folder / "images").mkdir()
    for row in range(1, 20):
        noise(600, 1200, seed=row).save(folder / "images" / f"{row}.jpg", format="JPEG")
    with running_service(good_store, photos=folder) as running:
        yield running
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("query", "size"), [("", (200, 400)), ("?size=small", (200, 400)), ("?size=large", (500, 1000))]
)
def test_a_products_photo(pictured: Running, query: str, size: tuple[int, int]) -> None:
    answer = pictured.client.get(f"/images/p3{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    assert answer.headers["cache-control"] == "max-age=3600"
    assert Image.open(io.BytesIO(answer.content)).size == size
    again = pictured.client.get(f"/images/p3{query}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    other = pictured.client.get(f"/images/p4{query}", headers={"If-None-Match": answer.headers["etag"]})
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "kind", "detail"),
    [
        ("p0", 404, "no-photo", "the catalogue names no photo of the product"),
        ("p21", 404, "no-photo", "the product's photo cannot be shown: missing"),
        ("none", 404, "unknown-product", "the served version has no product with this id"),
        ("..%2Fp3", 404, "unknown-product", "the served version has no product with this id"),
        ("images/3.jpg", 404, "unknown-product", "the served version has no product with this id"),
        ("p3?size=huge", 422, "invalid-request", 'size is "huge": expected small or large'),
    ],
)
def test_refusals(pictured: Running, path: str, status: int, kind: str, detail: str) -> None:
    answer = pictured.client.get(f"/images/{path}")
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (status, f"urn:problem-type:vitrine:{kind}")
    assert problem["detail"] == detail


def test_photos_and_products_do_not_wait_for_searches(good_store: Path, tmp_path: Path) -> None:
    """All threads that search are held and the queue of searches is full."""
    (tmp_path / "images").mkdir()
    noise(60, 120).save(tmp_path / "images" / "3.jpg", format="JPEG")
    encoder = HeldEncoder()

    def load(version_id: str) -> LoadedVersion:
        version = load_version(Store(good_store), version_id, device=Device.CPU, encoder_threads=1)
        return replace(version, encoder=encoder)

    with running_service(good_store, load=load, photos=tmp_path, max_queue=1, search_threads=1) as running:
        statuses: list[int] = []
        searches = [threading.Thread(target=lambda: statuses.append(running.search().status_code)) for _ in range(2)]
        searches[0].start()
        assert encoder.entered.wait(120), "the first search did not reach the encoder"
        searches[1].start()
        wait_until(lambda: running.metric("vitrine_queue_depth") == 1, "the second search does not wait in the queue")
        assert running.search("one too many").status_code == 503
        assert running.client.get("/images/p3").status_code == 200
        assert running.client.get("/products/p3").json()["product"]["image"] == "images/3.jpg"
        encoder.go.set()
        for search in searches:
            search.join(30)
        assert statuses == [200, 200]


class HeldEncoder:
    """Gives every query the same vector, once `go` is set."""

    width = WIDTH
    gives_towers = False

    def __init__(self) -> None:
        self.entered, self.go = threading.Event(), threading.Event()

    def encode(self, queries: Sequence[str]) -> np.ndarray:
        self.entered.set()
        assert self.go.wait(60), "the test did not let the encoder go on"
        return np.full((len(queries), WIDTH), WIDTH**-0.5, np.float32)


def test_a_service_without_photos_says_so(served: Running) -> None:
    assert served.client.get("/images/p3").json()["detail"].startswith("this service shows no photos")
    assert served.client.get("/catalog").json()["photos"] is False


def test_the_catalogue_is_described(pictured: Running) -> None:
    shown = pictured.client.get("/catalog").json()
    columns = {column.pop("name"): column for column in shown.pop("columns")}
    assert shown == {
        "index_version": "v1",
        "model": "bibert",
        "count": PRODUCTS,
        "parts": ["text"],
        "rankings": ["cosine", "words", "hybrid"],
        "photos": True,
    }
    assert list(columns) == ["category", "colour", "price", "stock", "in_stock", "tags"]
    assert columns["category"]["kind"] == "text" and columns["category"]["distinct"] == 6
    assert {value["value"]: value["count"] for value in columns["category"]["values"]}["lamp"] == 15
    assert (columns["price"]["kind"], columns["price"]["least"], columns["price"]["most"]) == ("number", 1.99, 89.99)
    assert [columns[name]["kind"] for name in ("in_stock", "tags")] == ["boolean", "other"]
