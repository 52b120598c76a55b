"""`explain` of models with a learned fusion: from a catalogue over a real build and a real socket to cosines."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from artifacts.bundle import ModelBundle
from artifacts.index_version import TOWER_VECTORS_FILE, open_index_version
from artifacts.store import Store
from index_builder.build import BuildRequest, build_version
from index_builder.index.indexing import IndexRequest
from service.client import Client
from service.worker.memory import needed_bytes
from tests.service.running import running_service
from tests.support.models import tiny_bundle
from tests.support.photos import write_photos
from towers.clip_image import PhotoBatch
from towers.encoding import photo_input
from towers.model import Side
from towers.photos import load_photo
from towers.pixels import normalise_photos
from towers.storage import load_side
from towers.tokens import read_tokenizers

TITLES = ["red shoe", "blue cotton dress", "kids toy", "cap for men", "pan"]
QUERIES = ["red shoe for kids", "a cap"]
ROUNDING = 1e-3  # of half precision


@dataclass(frozen=True)
class MixedShop:
    """A store with the versions "plain" and "explained" of one catalogue; the last product has no photo."""

    bundle: ModelBundle
    photos: Path
    images: list[str | None]
    store: Path

    def slow_cosines(self, query: str, row: int) -> dict[str, float | None]:
        """By torch, one product and one tower at a time."""
        of_query, of_product = load_side(self.bundle.query_folder), load_side(self.bundle.product_folder)
        found: dict[str, float | None] = {"photo": None}
        titles = [self._read(side, folder, text) for side, folder, text in (
            (of_query, self.bundle.query_folder, query), (of_product, self.bundle.product_folder, TITLES[row])
        )]  # fmt: skip
        found["text"] = float(torch.dot(*titles))
        image = self.images[row]
        if image and "clip" in of_query.towers:
            pixels = torch.from_numpy(load_photo(self.photos / image, photo_input(of_product))[None].copy())
            photo = PhotoBatch(normalise_photos(pixels, photo_input(of_product)), torch.tensor([True]))
            words = self._read(of_query, self.bundle.query_folder, query, "clip")
            with torch.inference_mode():
                found["photo"] = float(torch.dot(words, of_product.encode_tower("clip", photo)[0]))
        return found

    @torch.inference_mode()
    def _read(self, side: Side, folder: Path, text: str, tower: str = "bibert") -> torch.Tensor:
        tokenizer = read_tokenizers(folder, side.spec)[tower]  # type: ignore[index]
        return side.encode_tower(tower, torch.from_numpy(tokenizer.encode([text])))[0]


@pytest.fixture(scope="module", params=["mlp", "3tmm"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MixedShop:
    folder = tmp_path_factory.mktemp(request.param)
    bundle = tiny_bundle(folder / "bundle", request.param)
    images = [*write_photos(folder / "shop", len(TITLES) - 1), None]
    products = {"product_id": [f"p{row}" for row in range(len(TITLES))], "title": TITLES, "image": images}
    pq.write_table(pa.table(products), folder / "shop" / "catalog.parquet")
    for version, explain in (("plain", False), ("explained", True)):
        build_version(
            BuildRequest(
                bundle.path, folder / "shop" / "catalog.parquet", folder / "store", version, IndexRequest("Flat"),
                explain=explain,
            )
        )  # fmt: skip
    Store(folder / "store").publish("explained")
    return MixedShop(bundle, folder / "shop", list(images), folder / "store")


def test_each_hit_has_the_cosines_of_its_towers(shop: MixedShop) -> None:
    with running_service(shop.store, cache_mb=1) as running:
        for query in QUERIES:
            plain = running.search(query, k=5).json()["hits"]
            for _ in range(2):  # the second time from the cache
                explained = running.search(query, k=5, explain=True).json()["hits"]
                assert len(explained) == 5
                for hit, other in zip(explained, plain, strict=True):
                    found, row = hit.pop("explain"), int(hit["product_id"][1:])
                    cosines = shop.slow_cosines(query, row)
                    assert found == {"kind": "cosines"} | {
                        name: value and pytest.approx(value, abs=ROUNDING) for name, value in cosines.items()
                    }
                    assert (found["photo"] is None) == (row == 4 or len(shop.bundle.query.towers) == 1)
                    assert hit == other
        with Client(running.url) as client:
            explanation = client.search(QUERIES[0], 5, explain=True).hits[0].explain
            assert explanation is not None and explanation.kind == "cosines" and explanation.text is not None


def test_a_version_without_them_says_how_to_have_them(shop: MixedShop) -> None:
    with running_service(shop.store) as running:
        assert running.swap("plain").status_code == 200
        answer = running.search(QUERIES[0], explain=True)
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:problem-type:vitrine:invalid-request")
        assert answer.json()["detail"].endswith(
            "version plain holds no tower vectors: build one with `index_builder build --explain`"
        )
        assert running.search(QUERIES[0]).status_code == 200
        assert running.swap("explained").status_code == 200
        assert running.search(QUERIES[0], explain=True).status_code == 200


def test_what_stays_on_the_disk_needs_no_memory(shop: MixedShop) -> None:
    plain, explained = (open_index_version(shop.store / "versions" / name) for name in ("plain", "explained"))
    assert TOWER_VECTORS_FILE in explained.manifest.files
    assert needed_bytes(explained, True) == needed_bytes(plain, True)


def test_damage_to_them_is_refused(shop: MixedShop, tmp_path: Path) -> None:
    store = Path(shutil.copytree(shop.store, tmp_path / "store"))
    path = store / "versions" / "explained" / TOWER_VECTORS_FILE
    content = np.fromfile(path, np.uint8)
    content[-1] ^= 1
    content.tofile(path)
    with running_service(store, until="waiting") as running:
        assert "explained/towers.npy does not have the SHA-256" in running.client.get("/health").json()["reason"]
