"""A small real shop whose products have photos, with a model that takes photos as queries."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from artifacts.bundle import ModelBundle
from artifacts.store import Store
from index_builder.build import BuildRequest, build_version
from index_builder.index.indexing import IndexRequest
from tests.support.models import tiny_bundle
from tests.support.photos import write_photos
from towers.encoding import encode_photos
from towers.storage import load_side

PRODUCTS, WITHOUT_PHOTO = 12, 3  # the last three have none


@dataclass(frozen=True)
class PhotoShop:
    """A store with version v1, published, and the model that it was built with."""

    folder: Path
    bundle: ModelBundle

    @property
    def store(self) -> Path:
        """The store."""
        return self.folder / "store"

    def photo(self, row: int) -> bytes:
        """Content of a product's photo."""
        return (self.folder / "images" / f"{row}.png").read_bytes()

    def cosines(self, photo: Path) -> np.ndarray:
        """Return the cosines of a photo and the photos of all products, computed with torch. Shape (PRODUCTS,)."""
        images = pq.read_table(self.folder / "catalog.parquet")["image"].to_pylist()
        side = load_side(self.bundle.product_folder)
        products = encode_photos(side, self.folder, images).vectors
        return np.asarray(products @ encode_photos(side, photo.parent, [photo.name]).vectors[0])


def make_photo_shop(folder: Path, composition: str) -> PhotoShop:
    """A shop with a model of this composition."""
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    images = write_photos(folder, PRODUCTS - WITHOUT_PHOTO)
    rows = range(PRODUCTS)
    table = pa.table(
        {
            "product_id": [f"p{row}" for row in rows],
            "title": [f"red shoe {row}" for row in rows],
            "image": [*images, *[None] * WITHOUT_PHOTO],
            "price": [row + 0.5 for row in rows],
        }
    )
    pq.write_table(table, folder / "catalog.parquet")
    shop = PhotoShop(folder, tiny_bundle(folder / "bundle", composition))
    build_version(BuildRequest(shop.bundle.path, folder / "catalog.parquet", shop.store, "v1", IndexRequest("Flat")))
    Store(shop.store).publish("v1")
    return shop
