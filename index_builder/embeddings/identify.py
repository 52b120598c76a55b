"""Finds out which vectors the products of a catalogue need, from their titles and photos."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from artifacts.catalog import CatalogStream
from index_builder.core.failed_photo import FailedPhoto
from index_builder.core.keys import NO_PHOTO, Keys, joined_keys, product_key
from index_builder.photos.photo_identity import PhotoIdentities, PhotoIdentity
from towers.photos import ABSENT, is_url

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class IdentifiedProducts:
    """Which vectors products need, by row.

    Attributes:
        keys: (n, 2), product keys.
        refused: photos that cannot be read or requested at all, so that the product is encoded from its title.
        by_url: (n,), whether the photo is named by a URL.
    """

    keys: Keys
    refused: Mapping[int, FailedPhoto]
    by_url: Flags


def identify_products(products: CatalogStream, photos: PhotoIdentities | None) -> IdentifiedProducts:
    """Return which vectors the products of a catalogue need.

    Args:
        products: the catalogue.
        photos: identities of its photos; None for a model that reads no photos.
    """
    keys, refused, by_url = list[Keys](), dict[int, FailedPhoto](), list[Flags]()
    start, now = 0, datetime.datetime.now(datetime.UTC)
    for batch in products.batches(["product_id", "title", "image"]):
        titles = pc.fill_null(batch.column("title"), "").to_pylist()
        images = batch.column("image").to_pylist() if photos else [None] * len(batch)
        identities = photos.of(images) if photos else [PhotoIdentity(NO_PHOTO, ABSENT)] * len(batch)
        keys.append(
            joined_keys(product_key(title, photo.content) for title, photo in zip(titles, identities, strict=True))
        )
        by_url.append(np.array([is_url(image or "") for image in images], np.bool_))
        for row, photo in enumerate(identities):
            if photo.reason not in (None, ABSENT):
                product_id = batch.column("product_id")[row].as_py()
                refused[start + row] = FailedPhoto(product_id, str(images[row]), str(photo.reason), 1, now)
        start += len(batch)
    if photos:
        photos.save()
    return IdentifiedProducts(np.concatenate(keys), refused, np.concatenate(by_url))
