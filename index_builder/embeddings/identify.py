"""Finds out which vectors the products of a catalogue need, from their texts and photos."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from artifacts.catalog import CatalogStream
from artifacts.photo_entries import columns_as_read, photos_of
from artifacts.product_text import product_texts, text_columns
from index_builder.core.failed_photo import FailedPhoto
from index_builder.core.keys import Keys, joined_keys, product_key
from index_builder.photos.photo_identity import PhotoIdentities, ProductPhotos
from towers.photos import is_url

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class IdentifiedProducts:
    """Which vectors products need, by row.

    Attributes:
        keys: (n, 2), product keys.
        refused: photos that cannot be read or requested at all, so that the product is encoded without them.
        by_url: (n,), whether a photo is named by a URL.
    """

    keys: Keys
    refused: Mapping[int, Sequence[FailedPhoto]]
    by_url: Flags


def identify_products(
    products: CatalogStream, photos: PhotoIdentities | None, fields: Sequence[str] = ()
) -> IdentifiedProducts:
    """Return which vectors the products of a catalogue need.

    Args:
        products: the catalogue.
        photos: identities of its photos; None for a model that reads no photos.
        fields: columns that the model reads after the title.
    """
    read = text_columns(products.schema, fields)
    keys, refused, by_url = list[Keys](), dict[int, tuple[FailedPhoto, ...]](), list[Flags]()
    start, now = 0, datetime.datetime.now(datetime.UTC)
    for batch in products.batches(["product_id", *columns_as_read(products.schema), *read]):
        named = photos_of(batch) if photos else [[]] * len(batch)
        identified = photos.of_products(named) if photos else [ProductPhotos()] * len(batch)
        texts = product_texts(batch, fields)
        keys.append(
            joined_keys(product_key(text, photo.content) for text, photo in zip(texts, identified, strict=True))
        )
        by_url.append(np.array([any(map(is_url, images)) for images in named], np.bool_))
        for row, photo in enumerate(identified):
            if photo.refused:
                refused[start + row] = refused_photos(batch.column("product_id")[row].as_py(), photo, now)
        start += len(batch)
    if photos:
        photos.save()
    return IdentifiedProducts(np.concatenate(keys), refused, np.concatenate(by_url))


def refused_photos(product_id: str, photos: ProductPhotos, now: datetime.datetime) -> tuple[FailedPhoto, ...]:
    """Return the records of a product's photos that cannot be read or requested at all."""
    return tuple(FailedPhoto(product_id, image, reason, 1, now) for image, reason in photos.refused)
